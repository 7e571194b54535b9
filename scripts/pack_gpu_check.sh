#!/usr/bin/env bash
# Packs a CUDA build with everything that gpu_check.sh needs but LibTorch, for a machine with a GPU and no network.
#
#   scripts/pack_gpu_check.sh [BUILD [FILE]]       default: build/cuda, and BUILD/slmtune-gpu-check.tar.gz
#
# There: tar xf slmtune-gpu-check.tar.gz && slmtune-gpu-check/scripts/gpu_check.sh LIBTORCH
# The file must stay below 64 MB; exit status 1 when it does not.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$root/build/cuda}" && pwd)
file=${2:-$build/slmtune-gpu-check.tar.gz}
LIMIT=64000000
PROGRAMS=(slmtune libslmtune_engine.so libslmtune_cuda.so gpu_test gpu_kernels)
OPTIONAL=libslmtune_cuda.so # a build without CUDA packs, too, to see that it can

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
top=$stage/slmtune-gpu-check
programs=$top/build/cuda
mkdir -p "$top/scripts" "$top/configs/models/tiny" "$programs/lib"

for name in "${PROGRAMS[@]}"; do
  if [ ! -e "$build/$name" ]; then
    [ $name = $OPTIONAL ] || { echo "pack_gpu_check: '$build/$name' is missing; build it first" >&2 && exit 66; }
    echo "without $name"
    continue
  fi
  strip --strip-unneeded -o "$programs/$name" "$build/$name"
done

# Libraries that another machine may lack. LibTorch and CUDA are there; libc and the compiler's own must be its own.
for name in "${PROGRAMS[@]}"; do
  [ ! -e "$build/$name" ] || ldd "$build/$name"
done | awk '$2 == "=>" && $3 ~ /^\/(usr\/)?lib\// {print $3}' | sort -u |
  grep -vE '/(libc|libm|libdl|librt|libutil|libpthread|libresolv|libgcc_s|libstdc\+\+|libgomp|libcuda|libnvidia-ml)\.so' |
  while read -r library; do cp -L "$library" "$programs/lib/"; done

cp "$root"/scripts/gpu_check{,_results}.sh "$top/scripts/"
mkdir "$top/benchmarks"
cp "$root"/benchmarks/{gpu_training,gpu_peers,gpu_matmul,training_bench,training_cases,training_peer,training_report,random_model}.py \
  "$top/benchmarks/"
cp "$root"/configs/models/tiny/* "$top/configs/models/tiny/"
git -C "$root" describe --always --dirty >"$top/revision" 2>/dev/null || true

tar -C "$stage" -c slmtune-gpu-check | gzip -6 >"$file.part"
mv "$file.part" "$file"
size=$(stat -c %s "$file")
echo "$file: $((size / 1000)) kB of at most $((LIMIT / 1000)) kB"
[ "$size" -lt $LIMIT ]
