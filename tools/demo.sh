#!/usr/bin/env bash
# From nothing to a real model that runs: on a bare Debian 12 (as root, for the
# packages) gets what is needed, builds Quantc, fetches a trained text recognizer
# and a sentence encoder, compiles them, and compares them with ONNX Runtime.
#
#   tools/demo.sh [MODEL ...]        names as test/models/fetch.py knows them
#
# A second run builds nothing anew.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit ;;
esac
build=$PWD/build
mkdir -p "$build/logs"

# Runs a command quietly; shows the end of what it printed if it fails.
quietly() {
  local name=$1 start=$SECONDS
  shift
  printf '%s ... ' "$name"
  if ! "$@" >"$build/logs/demo-$name.log" 2>&1 </dev/null; then
    printf 'failed\n'
    tail -n 40 "$build/logs/demo-$name.log"
    exit 1
  fi
  printf '%d s\n' $((SECONDS - start))
}

cmake/bootstrap.sh
quietly configure cmake --preset default
quietly build ninja -C build -j "${QUANTC_JOBS:-$(nproc)}"
exec build/venv/bin/python test/bench/demo.py "$@"
