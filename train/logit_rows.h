// How many rows of logits the loss makes at a time; the memory plan asks the same question.
#pragma once
#include <algorithm>
#include <cstdint>

namespace slmtune::train {

// For `rows` label rows and at most `chunk` at a time: as many chunks as needed, of even length. On
// the CPU the buffer is written and read four times; but every chunk reads and repacks the whole
// head twice, and matrix products want rows: 64 MiB, or 256 rows. (Vocabulary of 152,000, two cores:
// a step of a model of 0.5B's shape took 8 % longer with 128 rows. Of 32,000: the head's product
// reached 230 GFLOP/s with 256 rows, 270 with 512.) On a GPU 256 MiB, or 512 rows, which fill it.
constexpr int64_t logit_rows(int64_t rows, int64_t chunk, int64_t vocabulary, int64_t number_bytes,
                             bool on_cpu) {
  constexpr int64_t kCpuBytes = int64_t{64} << 20, kFewestCpuRows = 256;
  constexpr int64_t kGpuBytes = int64_t{256} << 20, kFewestGpuRows = 512;
  if (rows <= 0) return 0;
  const int64_t fits = (on_cpu ? kCpuBytes : kGpuBytes) / (vocabulary * number_bytes);
  const int64_t most = std::min(chunk, std::max(on_cpu ? kFewestCpuRows : kFewestGpuRows, fits));
  const int64_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

}  // namespace slmtune::train
