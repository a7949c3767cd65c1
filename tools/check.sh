#!/usr/bin/env bash
# Builds Quantc and runs every test: what must pass before a change lands.
#
#   tools/check.sh [--quick]
#
# On a bare Debian 12 (as root, for the packages) it starts from nothing; on two
# cores the whole takes about half an hour cold. --quick leaves out the real
# models and ONNX's backend suite. Prints one line a step and ends with
# `N passed, N failed`, counting single tests; exits with 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.."
quick=
case "${1:-}" in
  "") ;;
  --quick) quick=1 ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
build=$PWD/build
logs=$build/logs
mkdir -p "$logs"
jobs=${QUANTC_JOBS:-2}
passed=0 failed=0 broken=()

# step NAME COMMAND...: runs a command, its output going to a log; shows the end
# of the log if it failed. `count` then says how many tests it was.
step() {
  local name=$1 start=$SECONDS
  shift
  printf '%-28s' "$name"
  log=$logs/${name// /-}.log
  if "$@" >"$log" 2>&1 </dev/null; then
    status=0
    printf 'ok %8s\n' "$((SECONDS - start)) s"
  else
    status=1
    broken+=("$name")
    printf 'FAILED %4s\n' "$((SECONDS - start)) s"
    tail -n "${QUANTC_LOG_LINES:-60}" "$log" | sed 's/^/    /'
    echo "    (all of it: ${log#"$PWD"/})"
  fi
}

# count RUNNER: adds up the tests that the last step's runner reports; a step
# that reports none is one test.
sum_of() { grep -oE "$1" "$log" | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'; }
count() {
  local good=0 bad=0
  case $1 in
    lit)
      good=$(sum_of '(Passed|Expectedly Failed) *: *[0-9]+')
      bad=$(sum_of '(Failed|Unresolved|Timed Out|Unexpectedly Passed) *: *[0-9]+') ;;
    gtest)
      good=$(sum_of '^ *[0-9]*:? *\[  PASSED  \] [0-9]+')
      bad=$(sum_of '[0-9]+ FAILED TEST') ;;
    pytest)
      good=$(sum_of '[0-9]+ passed')
      bad=$(sum_of '[0-9]+ (failed|error)') ;;
  esac
  if ((status && bad == 0)); then
    bad=1
  elif ((good + bad == 0)); then
    good=1
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
}

finish() {
  ((${#broken[@]})) && printf 'failed: %s\n' "$(IFS=,; echo "${broken[*]}" | sed 's/,/, /g')"
  printf 'all of it took %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0 && passed > 0))
  exit
}

# Without these nothing else can run.
for stage in "bootstrap:cmake/bootstrap.sh --emulators" \
  "configure:cmake --preset default" \
  "build:ninja -C build -j $jobs"; do
  step "${stage%%:*}" ${stage#*:}
  if ((status)); then
    failed=1
    finish
  fi
done
python=$build/venv/bin/python

step "format" python3 test/utils/check_format.py
count one
step "rules of the tree" python3 test/utils/check_tree.py
count one
step "documentation" ninja -C build check-quantc-docs
count one
# It is no part of `all`.
step "fuzz target" ninja -C build -j "$jobs" quantc-fuzz-import
count one
step "lit" ninja -C build check-quantc
count lit
step "unit tests" ctest --test-dir build -LE fuzz --verbose
count gtest
step "pytest" "$python" -m pytest test/python -n "$jobs" --dist worksteal --durations 20 -m "not models"
count pytest
if [[ ! $quick ]]; then
  step "real models" "$python" -m pytest test/python -n "$jobs" --dist worksteal --durations 20 -m models
  count pytest
fi
finish
