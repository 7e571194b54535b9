#!/usr/bin/env bash
# Everything that must pass, as CI runs it: set-up with the test extras, the dev build, all tests.
#
#   scripts/test.sh [ctest options]       e.g. scripts/test.sh -R kernels
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  -h | --help)
    sed -n '2,4s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
# Without a home there is no place for ccache's own default.
[ -n "${HOME:-}" ] || export HOME="$PWD/.cache" CCACHE_DIR="$PWD/.cache/ccache"
export NINJA_STATUS="[%f/%t] "
start=$SECONDS
stage() { printf '[%s] %s (%d s)\n' "$1" "$2" $((SECONDS - start)); }

stage 1/4 "set-up"
scripts/setup.sh --tests
stage 2/4 "configuring build/dev"
cmake --preset dev >/dev/null
stage 3/4 "building"
cmake --build --preset dev
stage 4/4 "testing"
ctest --preset dev "$@"
