#!/usr/bin/env bash
# Installs what slmtune is built from: system packages by apt, and LibTorch from the pinned PyPI wheel into .deps/venv.
#
#   scripts/setup.sh            what the program needs
#   scripts/setup.sh --tests    and what the Python parity tests compare with
#
# Idempotent: a second run takes a second. Works as root or with sudo on Debian 12 and Ubuntu 24.04.
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH=2.11.0
# The only NVIDIA packages that torch's CPU half needs to start; the versions are those of torch 2.11.0's own metadata.
CPU_PACKAGES=("torch==$TORCH" "nvidia-cuda-runtime==13.0.96" "nvidia-cuda-cupti==13.0.85")
SYSTEM_PACKAGES=(g++ cmake ninja-build ccache mold pkg-config python3 python3-venv libyaml-cpp-dev libcli11-dev
  nlohmann-json3-dev libsimdjson-dev libfmt-dev libpcre2-dev libicu-dev libssl-dev libcurl4-openssl-dev)
TEST_PACKAGES=(libgtest-dev libgmock-dev libbenchmark-dev libboost-context-dev
  libopenmpi-dev openmpi-bin)
# The runtime of libFuzzer and the sanitizers is named after clang's version.
case "$(. /etc/os-release 2>/dev/null && echo "$ID-$VERSION_ID")" in
  debian-12) TEST_PACKAGES+=(clang libclang-rt-14-dev) ;;
  debian-13) TEST_PACKAGES+=(clang libclang-rt-19-dev) ;;
  ubuntu-24.04) TEST_PACKAGES+=(clang libclang-rt-18-dev) ;;
esac
VENV=.deps/venv
STAMP=.deps/setup.stamp

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

with_tests=false
for argument in "$@"; do
  case "$argument" in
    --tests) with_tests=true ;;
    -h | --help)
      sed -n '2,8s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *) fail "unknown option '$argument'; the only one is --tests" ;;
  esac
done

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "this needs root: $*" "run as root, install sudo, or ask for these packages: ${missing[*]}"
  fi
}

has_gpu() { [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidiactl ]; }

check_machine() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
    fail "this is $(uname -s) on $(uname -m); slmtune is built on 64-bit x86 Linux"
}

check_disk() {
  local needed_gb=8 free_kb
  free_kb=$(df -Pk . | awk 'NR == 2 {print $4}')
  [ "$free_kb" -ge $((needed_gb * 1000 * 1000)) ] ||
    fail "$((free_kb / 1000 / 1000)) GB are free in $PWD, but the set-up needs $needed_gb GB" \
      "free some space, or move this folder to a larger disk"
}

install_system_packages() {
  local wanted=("${SYSTEM_PACKAGES[@]}") package
  $with_tests && wanted+=("${TEST_PACKAGES[@]}")
  missing=()
  if ! command -v dpkg >/dev/null || ! command -v apt-get >/dev/null; then
    echo "      no apt here: install the equivalents of ${wanted[*]} yourself"
    return
  fi
  for package in "${wanted[@]}"; do
    dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    echo "      all ${#wanted[@]} are installed"
    return
  fi
  echo "      installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq ||
    fail "apt-get update failed; is the network reachable?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install: ${missing[*]}" "slmtune needs Debian 12, Ubuntu 24.04 or newer"
}

pip_install() {
  PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore "$VENV/bin/python" -m pip install --no-input \
    --progress-bar off --quiet "$@" || fail "pip could not install the packages; is the network reachable?"
}

# What a finished set-up of this mode looks like; anything else is installed again.
stamp_of() {
  echo "mode=$1 torch=$TORCH python=$(python3 -c 'import sys; print(sys.version.split()[0])')"
  if [ "$1" = tests ]; then sha256sum <scripts/requirements-test.txt; fi
}

is_done() {
  [ -f "$STAMP" ] && [ -e "$VENV/bin/python" ] && compgen -G "$VENV/lib/python3*/site-packages/torch/lib/libtorch_cpu.so" >/dev/null ||
    return 1
  local done_mode
  done_mode=$(sed -n 's/^mode=\([a-z]*\) .*/\1/p' "$STAMP")
  # A larger set-up serves a smaller wish: cpu ⊂ gpu ⊂ tests.
  case "$mode-$done_mode" in
    cpu-cpu | cpu-gpu | cpu-tests | gpu-gpu | gpu-tests | tests-tests) ;;
    *) return 1 ;;
  esac
  [ "$(cat "$STAMP")" = "$(stamp_of "$done_mode")" ]
}

install_libtorch() {
  mkdir -p .deps
  rm -f "$STAMP"
  [ -x "$VENV/bin/python" ] || python3 -m venv "$VENV" || fail "python3 -m venv failed; is python3-venv installed?"
  case "$mode" in
    cpu) pip_install --no-deps "${CPU_PACKAGES[@]}" ;;
    gpu) pip_install "torch==$TORCH" ;;
    tests) pip_install -r scripts/requirements-test.txt ;;
  esac
}

check_libtorch() {
  local library lost
  library=$(compgen -G "$VENV/lib/python3*/site-packages/torch/lib/libtorch_cpu.so") ||
    fail "the torch wheel has no libtorch_cpu.so; remove $VENV and run again"
  lost=$(ldd "$library" | awk '/not found/ {print $1}')
  [ -z "$lost" ] || fail "LibTorch cannot be loaded, these libraries are missing: $lost" "remove $VENV and run again"
}

mode=cpu
has_gpu && mode=gpu
$with_tests && mode=tests

echo "[1/3] checking this machine"
check_machine
is_done || check_disk
echo "[2/3] system packages"
install_system_packages
echo "[3/3] LibTorch $TORCH"
if is_done; then
  echo "      is in $VENV"
else
  case "$mode" in
    cpu) echo "      installing into $VENV (CPU only, about 0.6 GB to fetch)" ;;
    *) echo "      installing into $VENV (about 3 GB to fetch)" ;;
  esac
  install_libtorch
  check_libtorch
  stamp_of "$mode" >"$STAMP"
fi
if [ "$mode" = gpu ] && ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
  echo "note: there is an NVIDIA GPU but no CUDA toolkit 13 (nvcc); without it only the CPU build is possible"
fi
