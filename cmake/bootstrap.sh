#!/usr/bin/env bash
# Gets what Quantc is built from, for a Debian 12: packages of the distribution
# (asks for root only if one is missing), a Python environment in build/venv, and
# ONNX's C++ library, built from its source package, in build/deps/onnx.
#
#   cmake/bootstrap.sh [--emulators] [BUILD_DIR]
#
# --emulators adds what tests of code for AArch64 run it with; they are skipped
# where it cannot be had.
#
# Each step leaves a stamp that names what it installed, so that a second run
# takes a moment and needs no network, and a changed version is installed anew.
set -euo pipefail
cd "$(dirname "$0")/.."
emulators=
if [[ ${1:-} == --emulators ]]; then
  emulators=1
  shift
fi
build=${1:-build}
mkdir -p "$build"
build=$(cd "$build" && pwd)
jobs=${QUANTC_JOBS:-$(nproc)}

packages=(
  # LLVM and MLIR with their tools (FileCheck, lit, mlir-tblgen), and clang: it
  # compiles us, and lld links us and the libraries that we emit.
  libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools clang-22 lld-22
  clang-format-22 libclang-rt-22-dev libomp-22-dev libpolly-22-dev
  # What LLVM's CMake files look for.
  libffi-dev libedit-dev zlib1g-dev libzstd-dev libxml2-dev
  libcurl4-openssl-dev
  cmake ninja-build ccache git ca-certificates
  g++ binutils
  libprotobuf-dev protobuf-compiler libgtest-dev libeigen3-dev
  # Arrays in .npz files.
  libzip-dev
  python3-dev python3-venv
)

emulator_packages=(qemu-user libc6-dev-arm64-cross libgcc-12-dev-arm64-cross)

say() { printf 'bootstrap: %s\n' "$*"; }
die() { printf 'bootstrap: error: %s\n' "$*" >&2; exit 1; }

# Runs a long command quietly, and shows what it printed only if it fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "'$*' failed; all it printed is in $log"
  fi
}

# find_missing PACKAGE...: prints those that are not installed.
find_missing() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      echo "$package"
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(find_missing "${packages[@]}")
  ((${#missing[@]})) || return 0
  [[ $(id -u) == 0 ]] || die "packages are missing; as root: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # A fresh image has no index, an old one may name files that are gone.
  if ! apt-get install -y --no-install-recommends "${missing[@]}" >"$build/apt.log" 2>&1; then
    quietly "$build/apt.log" apt-get update
    quietly "$build/apt.log" apt-get install -y --no-install-recommends "${missing[@]}"
  fi
}

install_emulators() {
  local missing
  mapfile -t missing < <(find_missing "${emulator_packages[@]}")
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]] || ! DEBIAN_FRONTEND=noninteractive apt-get install -y \
    --no-install-recommends "${missing[@]}" >"$build/apt-emulators.log" 2>&1; then
    say "tests of AArch64 will be skipped: ${missing[*]} cannot be installed"
  fi
}

make_venv() {
  local venv=$build/venv stamp
  stamp=$(/usr/bin/python3 --version; sha256sum <cmake/requirements.txt; echo "$build")
  [[ -x $venv/bin/python && $(cat "$venv/.stamp" 2>/dev/null) == "$stamp" ]] && return 0
  say "making the Python environment in $venv"
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  quietly "$build/pip.log" "$venv/bin/python" -m pip install --disable-pip-version-check \
    --no-input -r cmake/requirements.txt
  echo "$stamp" >"$venv/.stamp"
}

build_onnx() {
  local version source prefix=$build/deps/onnx stamp launcher=()
  version=$(sed -n 's/^onnx==//p' cmake/requirements.txt)
  stamp="onnx $version, $(clang++-22 --version | head -n 1), protobuf $(protoc --version), $build"
  [[ $(cat "$prefix/.stamp" 2>/dev/null) == "$stamp" ]] && return 0
  say "building ONNX $version's C++ library (a few minutes)"
  rm -rf "$prefix" "$build/deps/onnx-build" "$build/deps/source"
  mkdir -p "$build/deps/source"
  # pip asks the source package for its metadata, hence its build backend is in
  # the environment and needs no isolated one.
  PATH=$build/venv/bin:$PATH quietly "$build/deps/download.log" \
    "$build/venv/bin/python" -m pip download --disable-pip-version-check --no-input \
    --no-deps --no-binary onnx --no-build-isolation -d "$build/deps/source" "onnx==$version"
  tar -xzf "$build/deps/source/onnx-$version.tar.gz" -C "$build/deps/source"
  source=$build/deps/source/onnx-$version
  if command -v ccache >/dev/null; then
    export CCACHE_BASEDIR=$build CCACHE_NOHASHDIR=1
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  # ONNX wants a newer CMake than Debian's, so the environment's.
  quietly "$build/deps/configure.log" "$build/venv/bin/cmake" -G Ninja \
    -S "$source" -B "$build/deps/onnx-build" "${launcher[@]}" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" \
    -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF \
    -DONNX_USE_PROTOBUF_SHARED_LIBS=ON -DONNX_BUILD_TESTS=OFF \
    -DPython3_EXECUTABLE="$build/venv/bin/python"
  quietly "$build/deps/build.log" ninja -C "$build/deps/onnx-build" -j "$jobs" install
  rm -rf "$build/deps/onnx-build" "$build/deps/source"
  echo "$stamp" >"$prefix/.stamp"
}

install_packages
[[ ! $emulators ]] || install_emulators
make_venv
build_onnx
say "everything is there"
