#!/usr/bin/env bash
# Checks slmtune on an NVIDIA GPU and measures it, in nine minutes and without a network.
#
#   scripts/gpu_check.sh [options] [LIBTORCH]      LIBTORCH: folder of LibTorch 2.11 for CUDA 13 (with lib/libtorch_cuda.so),
#                                                  often .../site-packages/torch; found by itself in .deps or in python3
#   --quick            three minutes: tests, kernels and one model
#   --parts A,B        only these of: build tests memcheck racecheck kernels training card-12 card-24 peers models
#   --seconds N        time for all parts (default 540, with --quick 180)
#   --build DIR        folder of the programs (default: build/cuda; built with nvcc where it is not there)
#   --out DIR          where the results go (default: benchmarks/results)
#   --dry-run          no GPU is touched: the same parts with the CPU in its place, at a fraction of the size
#
# A part that fails, or whose time is over, does not end the others. Results: OUT/<gpu>.md and OUT/<gpu>.json, with
# --quick OUT/<gpu>-quick.*. Logs of the parts: BUILD/gpu-check/. Exit status: 0 all parts passed, 1 one did not,
# 64 wrong option, 69 no driver, no GPU or no LibTorch.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/gpu_check_results.sh"

ALL_PARTS=(build tests memcheck racecheck kernels training card-12 card-24 peers models)
QUICK_PARTS=(build tests kernels training)
MARGIN=5 # seconds that are kept for writing the results

fail() { # STATUS MESSAGE...
  local status=$1
  shift
  printf 'gpu_check: %s\n' "$@" >&2
  exit "$status"
}

mode=full parts=() seconds=540 build=$root/build/cuda out=$root/benchmarks/results libtorch=
read_options() {
  local chosen=() own_seconds= name
  while [ $# -gt 0 ]; do
    case "$1" in
      --quick) mode=quick ;;
      --dry-run) mode=dry-run ;;
      --parts | --seconds | --build | --out)
        [ $# -gt 1 ] || fail 64 "$1 needs a value"
        case "$1" in
          --parts) IFS=, read -ra chosen <<<"$2" ;;
          --seconds) own_seconds=$2 ;;
          --build) build=$2 ;;
          --out) out=$2 ;;
        esac
        shift
        ;;
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" && exit 0 ;;
      -*) fail 64 "unknown option '$1'; --help lists them" ;;
      *) libtorch=$1 ;;
    esac
    shift
  done
  [ $mode != quick ] || { seconds=180 parts=("${QUICK_PARTS[@]}"); }
  [ ${#parts[@]} -gt 0 ] || parts=("${ALL_PARTS[@]}")
  seconds=${own_seconds:-$seconds}
  [[ $seconds =~ ^[0-9]+$ ]] || fail 64 "--seconds takes a whole number, not '$seconds'"
  for name in "${chosen[@]}"; do
    [[ " ${ALL_PARTS[*]} " == *" $name "* ]] || fail 64 "there is no part '$name'; choose from ${ALL_PARTS[*]}"
  done
  [ ${#chosen[@]} = 0 ] || parts=("${chosen[@]}")
}

# The machine.

find_gpu() { # sets gpu, card_mib, driver, capability
  if [ $mode = dry-run ]; then
    gpu="dry run" card_mib=0 driver=none capability=none
    return
  fi
  command -v nvidia-smi >/dev/null || PATH=$PATH:/usr/local/nvidia/bin:/usr/lib/wsl/lib
  command -v nvidia-smi >/dev/null ||
    fail 69 "no NVIDIA driver: there is no nvidia-smi" "install the driver, or try the way with --dry-run"
  local line
  line=$(nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv,noheader,nounits --id=0 2>&1) ||
    fail 69 "the NVIDIA driver shows no GPU: $line"
  IFS=, read -r gpu card_mib driver capability <<<"${line//, /,}"
}

find_libtorch() { # sets libtorch, libtorch_version, python
  local candidate
  if [ -z "$libtorch" ]; then
    for candidate in "$root"/.deps/venv/lib/python3*/site-packages/torch "$root/.deps/libtorch" \
      "$(python3 -c 'from importlib.util import find_spec as f; print(f("torch").submodule_search_locations[0])' 2>/dev/null)"; do
      [ ! -e "$candidate/lib/libtorch_cuda.so" ] || { libtorch=$candidate && break; }
    done
  fi
  [ -n "$libtorch" ] || fail 69 "no LibTorch was found; give the folder with lib/libtorch_cuda.so"
  [ -e "$libtorch/lib/libtorch_cuda.so" ] || fail 69 "'$libtorch/lib/libtorch_cuda.so' is missing: this is no LibTorch for CUDA"
  libtorch=$(cd "$libtorch" && pwd)
  libtorch_version=$(sed -n "s/^__version__ = ['\"]\(.*\)['\"]/\1/p" "$libtorch/version.py" 2>/dev/null ||
    cat "$libtorch/build-version" 2>/dev/null)
  case "$libtorch_version" in
    2.11.*) ;;
    *) fail 69 "LibTorch in '$libtorch' is '${libtorch_version:-of unknown version}'; slmtune is built against 2.11 for CUDA 13" ;;
  esac
  python=$libtorch/../../../../bin/python3
  [ -x "$python" ] || python=$(command -v python3 || true)
}

# Libraries of LibTorch and its CUDA, and those that a carried build brings: for our programs alone, since Python may need
# others of the same names. Sets library_path and writes the program as the benchmarks start it.
set_libraries() {
  local folder
  library_path=$libtorch/lib
  for folder in "$libtorch"/../nvidia/*/lib "$build/lib"; do
    [ ! -d "$folder" ] || library_path=$library_path:$folder
  done
  printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$library_path" "$build/slmtune" >"$work/slmtune"
  chmod +x "$work/slmtune"
}

ours() { LD_LIBRARY_PATH=$library_path "$@"; }

# The parts. Each function says what is run; a status of 77 means left out, with the reason as the last line.

part_build() {
  if [ ! -e "$build/build.ninja" ] && [ -x "$build/gpu_test" ]; then
    echo "the programs in '$build' are taken as they are"
    return
  fi
  if [ $mode = dry-run ]; then
    [ -x "$build/gpu_test" ] || { echo "'$build/gpu_test' is missing" && return 1; }
    return 0
  fi
  command -v cmake >/dev/null || { echo "cmake is missing" && return 1; }
  [ -e "$build/build.ninja" ] || cmake --preset cuda -S "$root" -B "$build" -DLIBTORCH_DIR="$libtorch" \
    -DCMAKE_CUDA_ARCHITECTURES="${capability/./}" || return
  cmake --build "$build" --target slmtune slmtune_cuda gpu_test gpu_kernels
}

# What ctest's label gpu stands for. Tests that were skipped beside a GPU have failed.
part_tests() {
  local status=0
  ours "$build/gpu_test" --gtest_brief=1 || status=1
  SLMTUNE_GPU_MEMORY_GIB=2 ours "$build/gpu_test" --gtest_brief=1 --gtest_filter='MemoryCap.*' || status=1
  return $status
}

sanitizer() { # TOOL FILTER
  local program
  [ $mode != dry-run ] || { echo "no GPU in a dry run" && return 77; }
  program=$(PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin command -v compute-sanitizer) ||
    { echo "compute-sanitizer is not installed" && return 77; }
  # Only our own kernels: LibTorch's are watched by nobody here, and would take the time.
  ours "$program" --tool "$1" --error-exitcode 9 --kernel-name kns=slmtune "$build/gpu_test" --gtest_brief=1 \
    --gtest_filter="$2" || return 1
}
part_memcheck() { sanitizer memcheck 'Kernel*'; }
part_racecheck() { sanitizer racecheck 'KernelRmsNorm*:KernelCrossEntropy*:KernelOptimizer*:KernelAttention.CapsScores'; }

part_kernels() {
  local more=()
  [ $mode != quick ] || more=(--milliseconds 40)
  [ $mode != dry-run ] || more=(--dry-run)
  ours "$build/gpu_kernels" --json "$work/kernels.json" "${more[@]}"
}

benchmark() { # SCRIPT OUT options...
  local script=$1 result=$2 more=()
  shift 2
  [ -n "$python" ] || { echo "python3 is missing" && return 77; }
  [ $mode != dry-run ] || more=(--dry-run --steps 3 --warmup 1)
  "$python" "$root/benchmarks/$script" "$work/slmtune" --work "$work/bench" --out "$work/$result" "$@" "${more[@]}"
}

training() { # OUT options...
  local result=$1
  shift
  benchmark gpu_training.py "$result" --kernels "$work/kernels.json" --seconds $((limit > 20 ? limit - 8 : limit)) --steps 30 "$@"
}

part_training() {
  local shapes=qwen2.5-1.5b,llama3.1-8b
  [ $mode != quick ] || shapes=qwen2.5-1.5b
  training training --shape $shapes --keep-weights
}
# Cards of 12 and 24 GB: the driver's word for a card's size is GiB.
part_card-12() { training card-12 --memory-gib 12 --shape llama3.1-8b --method qlora; }
part_card-24() { training card-24 --memory-gib 24 --shape qwen2.5-14b --method qlora --batch 1x4096; }
part_peers() {
  local methods=qlora,lora repeats=2
  [ $mode != dry-run ] || methods=qlora repeats=1
  benchmark gpu_peers.py peers --shape qwen2.5-1.5b --method $methods --steps 30 --repeats $repeats --run-seconds "$limit"
}
part_models() { training models --shape qwen2.5-7b,qwen2.5-14b; }

limit_of() { # seconds that a part may take
  case "$1-$mode" in
    build-*) echo 300 ;;
    tests-quick) echo 60 ;;
    tests-*) echo 110 ;;
    memcheck-* | racecheck-*) echo 40 ;;
    kernels-quick) echo 30 ;;
    kernels-*) echo 70 ;;
    training-quick) echo 60 ;;
    training-*) echo 150 ;;
    *) echo 90 ;;
  esac
}

# Runs one part within its time and notes how it ended.
run_part() { # NAME
  local name=$1 left started=$SECONDS status result
  left=$((seconds - MARGIN - SECONDS))
  limit=$(limit_of "$name")
  [ "$limit" -le "$left" ] || limit=$left
  if [ "$limit" -lt 1 ]; then
    note "$name" "left out" 0 "no time left"
    return
  fi
  echo "[$((SECONDS))s] $name (at most $limit s)"
  export -f "part_$name" ours sanitizer benchmark training
  export root build mode work python capability libtorch library_path limit
  timeout --kill-after=10 "$limit" bash -c "part_$name" >"$work/$name.log" 2>&1 </dev/null
  status=$?
  case $status in
    0) result=passed ;;
    77) result="left out" ;;
    124 | 137) result="out of time" ;;
    *) result=failed ;;
  esac
  note "$name" "$result" $((SECONDS - started)) "$([ $status = 0 ] || last_line "$work/$name.log")"
  [ $result != failed ] || tail -n 30 "$work/$name.log" | sed 's/^/    /'
}

main() {
  read_options "$@"
  find_gpu
  find_libtorch
  mkdir -p "$build" "$out" || fail 73 "'$build' or '$out' cannot be made"
  build=$(cd "$build" && pwd) work=$build/gpu-check
  rm -rf "$work" && mkdir -p "$work"
  set_libraries
  [ $mode != dry-run ] || export SLMTUNE_GPU_TESTS=cpu
  echo "$gpu, driver $driver, LibTorch $libtorch_version; programs in $build"
  local name
  for name in "${parts[@]}"; do run_part "$name"; done
  rm -rf "$work/bench"
  write_results
  print_summary
}

main "$@"
