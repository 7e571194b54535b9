#!/usr/bin/env bash
# Everything that must pass, as CI runs it: set-up with the test extras, the dev build, all tests, and half a minute of
# fuzzing for each file reader. With options for ctest only the tests that they choose.
#
#   scripts/test.sh [ctest options]       e.g. scripts/test.sh -R kernels
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  -h | --help)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
# Without a home there is no place for ccache's own default.
[ -n "${HOME:-}" ] || export HOME="$PWD/.cache" CCACHE_DIR="$PWD/.cache/ccache"
export NINJA_STATUS="[%f/%t] "
start=$SECONDS
stage() { printf '[%s] %s (%d s)\n' "$1" "$2" $((SECONDS - start)); }

stage 1/5 "set-up"
scripts/setup.sh --tests
stage 2/5 "configuring build/dev"
cmake --preset dev >/dev/null
stage 3/5 "building"
cmake --build --preset dev
stage 4/5 "testing"
ctest --preset dev "$@"
[ $# = 0 ] || exit 0
if command -v clang++ >/dev/null; then
  stage 5/5 "fuzzing"
  cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz
  ctest --preset fuzz
else
  stage 5/5 "no clang++ here, so the fuzzers are left out; their seeds were read by the test fuzz_replay"
fi
