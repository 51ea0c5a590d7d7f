#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the distribution's CalculiX with support for materials in shared objects, which its binary package is built
# without: build_ccx.sh FOLDER leaves FOLDER/ccx. Debian's source package is fetched and built with the flags of its own
# rules and one more. As root, or with password-less sudo, libraries that the build needs are installed.
set -eu
folder=$(mkdir -p "${1:?usage: build_ccx.sh FOLDER}" && cd "$1" && pwd)
[ -x "$folder/ccx" ] && exit 0
cd "$folder"

as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
missing=""
for package in gfortran make libarpack2-dev libspooles-dev liblapack-dev; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  $as_root apt-get update -q
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

# the index of sources is kept here: the system's own lists stay as they are
. /etc/os-release
echo "deb-src http://deb.debian.org/debian ${VERSION_CODENAME:?} main" >sources.list
mkdir -p lists/partial
apt() {
  apt-get -q -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$folder/lists" "$@"
}
apt update
apt source --download-only calculix-ccx
dpkg-source --no-check -x calculix-ccx_*.dsc source
cd source/ccx_*/src
name=$(basename "$(dirname "$PWD")")
make -j"$(nproc)" CC=cc FC=gfortran FFLAGS="-O2 -w -fallow-argument-mismatch" \
  CFLAGS="-O2 -w -I/usr/include/spooles -DARCH=Linux -DSPOOLES -DARPACK -DMATRIXSTORAGE -DUSE_MT=1 -DCALCULIX_EXTERNAL_BEHAVIOURS_SUPPORT" \
  LIBS="-lspooles -lpthread -larpack -llapack -lblas -lm -ldl" "$name"
cp "$name" "$folder/ccx"
