// How many rows of logits the loss makes at a time; the memory plan asks the same question.
#pragma once
#include <algorithm>
#include <cstdint>

namespace slmtune::train {

// For `rows` label rows and at most `chunk` at a time: as many chunks as needed, of even length. On
// the CPU the buffer is written and read four times, so it had better stay in the cache; but every
// chunk reads the whole head twice, and matrix products want rows: 32 MiB, or 256 rows. (Vocabulary
// of 152,000, two cores: a step of a model of 0.5B's shape took 8 % longer with 128 rows.)
constexpr int64_t logit_rows(int64_t rows, int64_t chunk, int64_t vocabulary, int64_t number_bytes,
                             bool on_cpu) {
  constexpr int64_t kCpuBytes = int64_t{32} << 20, kFewestCpuRows = 256;
  if (rows <= 0) return 0;
  int64_t most = chunk;
  if (on_cpu)
    most = std::min(most, std::max(kFewestCpuRows, kCpuBytes / (vocabulary * number_bytes)));
  const int64_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

}  // namespace slmtune::train
