# SPDX-License-Identifier: MIT
# GoogleTest: the installed package where there is one, a fetched copy otherwise.

find_package(GTest 1.11 QUIET)
if(NOT GTest_FOUND)
  include(FetchContent)
  set(INSTALL_GTEST OFF)
  FetchContent_Declare(googletest
    URL https://github.com/google/googletest/archive/refs/tags/v1.14.0.tar.gz
    URL_HASH SHA256=8ad598c73ad796e0d8280b082cebd82a630d73e73cd3c70057938a6501bba5d7
    SYSTEM)
  FetchContent_MakeAvailable(googletest)
endif()
