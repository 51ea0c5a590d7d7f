# SPDX-License-Identifier: MIT
# Defines neml2::torch from the folder of a torch package. Used by the build and by the installed CMake package.

function(neml2_add_torch_target folder)
  if(TARGET neml2::torch)
    return()
  endif()
  foreach(library torch torch_cpu c10)
    if(NOT EXISTS "${folder}/lib/lib${library}.so")
      message(FATAL_ERROR "${folder}/lib holds no lib${library}.so: it is not the folder of a torch package.")
    endif()
  endforeach()
  add_library(neml2::torch INTERFACE IMPORTED)
  set_target_properties(neml2::torch PROPERTIES
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${folder}/include;${folder}/include/torch/csrc/api/include"
    INTERFACE_LINK_DIRECTORIES "${folder}/lib"
    INTERFACE_INCLUDE_DIRECTORIES "${folder}/include;${folder}/include/torch/csrc/api/include")
  # libtorch.so pulls in the CUDA libraries where torch has them; their kernels register themselves when they are
  # loaded, so the linker must not drop it as unused.
  # Some builds of libtorch.so export a copy of parts of the C++ library that crashes when others call it: the real one
  # must come first.
  target_link_libraries(neml2::torch INTERFACE "-Wl,--push-state,--no-as-needed" -lstdc++ "${folder}/lib/libtorch.so"
    "${folder}/lib/libtorch_cpu.so" "${folder}/lib/libc10.so" "-Wl,--pop-state")
endfunction()
