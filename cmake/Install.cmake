# SPDX-License-Identifier: MIT
# What is installed. In a wheel everything lies in the folder of the Python package: site-packages/neml2/{lib,include,...}.

include(CMakePackageConfigHelpers)

if(SKBUILD)
  set(neml2_prefix "neml2/")
  set(CMAKE_INSTALL_LIBDIR lib)
else()
  set(neml2_prefix "")
endif()
set(neml2_cmake_dir "${neml2_prefix}${CMAKE_INSTALL_LIBDIR}/cmake/neml2")

install(TARGETS neml2 EXPORT neml2Targets COMPONENT neml2
        LIBRARY DESTINATION "${neml2_prefix}${CMAKE_INSTALL_LIBDIR}")
if(TARGET neml2_mpi)
  install(TARGETS neml2_mpi LIBRARY DESTINATION "${neml2_prefix}${CMAKE_INSTALL_LIBDIR}" COMPONENT neml2)
endif()
install(DIRECTORY include/ DESTINATION "${neml2_prefix}include" COMPONENT neml2 FILES_MATCHING PATTERN "*.h" PATTERN "*.f90")
install(FILES "${PROJECT_BINARY_DIR}/include/neml2/version.h" DESTINATION "${neml2_prefix}include/neml2"
        COMPONENT neml2)
install(EXPORT neml2Targets NAMESPACE neml2:: DESTINATION "${neml2_cmake_dir}" COMPONENT neml2)

configure_package_config_file(cmake/neml2Config.cmake.in "${PROJECT_BINARY_DIR}/neml2Config.cmake"
                              INSTALL_DESTINATION "${neml2_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/neml2ConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/neml2Config.cmake" "${PROJECT_BINARY_DIR}/neml2ConfigVersion.cmake"
              cmake/TorchTarget.cmake
        DESTINATION "${neml2_cmake_dir}" COMPONENT neml2)

if(NOT SKBUILD)
  set(neml2_pc_torch "${neml2_torch_dir}") # outside a wheel torch has no fixed place beside the library
else()
  set(neml2_pc_torch "\${pcfiledir}/../../../torch")
endif()
configure_file(cmake/neml2.pc.in "${PROJECT_BINARY_DIR}/neml2.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/neml2.pc" DESTINATION "${neml2_prefix}${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT neml2)
