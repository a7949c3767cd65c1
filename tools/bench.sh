#!/usr/bin/env bash
# Speed against ONNX Runtime's float models, at 1 and 2 threads, as ratios taken
# in one run: both sides warmed up, timed in turns, medians.
#
#   tools/bench.sh [--update-docs] [--seconds N] [NAME ...]
#
# Needs a build (tools/check.sh or tools/demo.sh make one). --update-docs writes
# docs/Benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -x build/venv/bin/python && -x build/bin/quantc ]] ||
  { echo "bench.sh: nothing is built yet: run tools/demo.sh first" >&2; exit 1; }
exec build/venv/bin/python test/bench/bench.py "$@"
