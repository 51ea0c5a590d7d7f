#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes sure of what the build needs from the system: a C++ compiler, Python's headers and venv, make, pkg-config,
# nlohmann-json and GoogleTest. Installs what is missing where it may (apt-get as root or through password-less sudo);
# otherwise names it. nlohmann-json and GoogleTest are fetched by CMake where they are missing, so they never stop it.
# With the argument `test` after the interpreter: what tests need besides, a browser, graphviz, Open MPI, Eigen and what `fe`
# asks for; they are skipped where these cannot be installed. With `fe`: PETSc and MPI, which examples/fe cannot do without.
# With `docs`: Doxygen, which reads the headers for the documentation site.
set -u
python=$1
purpose=${2:-build}
missing=""
optional=""
lacks() { ! command -v "$1" >/dev/null 2>&1; }

lacks c++ && missing="$missing g++"
lacks "$python" && missing="$missing python3"
"$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
"$python" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' >/dev/null 2>&1 ||
  missing="$missing python3-dev"

fe=""
lacks pkg-config && fe="$fe pkg-config"
pkg-config --exists petsc >/dev/null 2>&1 || fe="$fe petsc-dev"
lacks mpirun && fe="$fe openmpi-bin"

case $purpose in
  fe) missing="$missing$fe" ;;
  docs) lacks doxygen && missing="$missing doxygen" ;;
  test)
    lacks chromium && lacks chromium-browser && lacks google-chrome && optional="$optional chromium"
    # dot is there, and cannot draw, where graphviz was unpacked and not set up.
    echo "graph {}" | dot -Tsvg >/dev/null 2>&1 || optional="$optional graphviz"
    lacks mpicc && optional="$optional libopenmpi-dev"
    [ -e /usr/include/eigen3/Eigen/Core ] || optional="$optional libeigen3-dev"
    optional="$optional$fe"
    lacks gfortran && optional="$optional gfortran" # calls UMATs
    ;;
  *)
    lacks pkg-config && optional="$optional pkg-config"
    [ -e /usr/include/nlohmann/json.hpp ] || optional="$optional nlohmann-json3-dev"
    [ -e /usr/include/gtest/gtest.h ] || optional="$optional libgtest-dev"
    ;;
esac
[ -z "$missing$optional" ] && exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then as_root="sudo"; else as_root="none"; fi
fi
if command -v apt-get >/dev/null 2>&1 && [ "$as_root" != none ]; then
  echo "installing system packages:$missing$optional"
  log=$(mktemp)
  # What an interrupted installation left behind is finished first.
  # shellcheck disable=SC2086
  if { $as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a &&
       $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
       $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing $optional; } \
       >"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -n 5 "$log"
  rm -f "$log"
fi
if [ -n "$missing" ]; then
  echo "error: this machine lacks$missing; install them (Debian: apt-get install$missing$optional) and run make again." >&2
  exit 1
fi
if [ "$purpose" = test ]; then
  echo "note:$optional could not be installed; the tests that need them are skipped."
else
  echo "note:$optional could not be installed; what the build needs of them is downloaded instead."
fi
