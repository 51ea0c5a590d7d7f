# SPDX-License-Identifier: MIT
# Compiler settings shared by every target of the project.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# A virtual environment in the source folder is the one the Makefile made: prefer it to the system's Python.
if(NOT Python_EXECUTABLE AND NOT DEFINED ENV{VIRTUAL_ENV} AND EXISTS "${PROJECT_SOURCE_DIR}/.venv/bin/python")
  set(Python_EXECUTABLE "${PROJECT_SOURCE_DIR}/.venv/bin/python")
endif()
if(NEML2_PYTHON)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
else()
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
endif()

# Usage requirements that every target of this project takes: language level, warnings, sanitizers.
add_library(neml2_options INTERFACE)
target_compile_features(neml2_options INTERFACE cxx_std_20)
target_compile_options(neml2_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC is mistaken about c10::SmallVector and its own vector intrinsics, and (bug 105651) about std::string.
  target_compile_options(neml2_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()
if(NEML2_WERROR)
  target_compile_options(neml2_options INTERFACE -Werror)
endif()
if(NEML2_SANITIZE)
  target_compile_options(neml2_options INTERFACE -fsanitize=${NEML2_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
  target_link_options(neml2_options INTERFACE -fsanitize=${NEML2_SANITIZE})
endif()

# Runs a line of Python and stores what it prints in `variable`; stops with `hint` where that fails.
function(neml2_ask_python variable code hint)
  execute_process(COMMAND "${Python_EXECUTABLE}" -c "${code}" OUTPUT_VARIABLE answer ERROR_VARIABLE trouble
                  RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${hint}\n(asked ${Python_EXECUTABLE})\n${trouble}")
  endif()
  set(${variable} "${answer}" PARENT_SCOPE)
endfunction()
