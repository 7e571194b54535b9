// One run of whole rows of a tensor: from stored numbers to blocks, which are decoded again and
// compared with their source before anything of them is written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "export/gguf/gguf_tensors.h"

namespace slmtune::exporting {

// Between source values and what their blocks decode to.
struct Difference {
  double worst = 0.0, largest = 0.0;  // |decoded − source|, |source|
  // Σ (decoded − source)², Σ source², and the first if every value were off by its block's bound.
  double squares = 0.0, source_squares = 0.0, allowed_squares = 0.0;
  bool is_within_bound = true;  // every value, by the bound of its block; false for NaN

  void add(const Difference& other);
  // A block of `count` values of at most `block_largest`, the worst of which is `block_worst` off;
  // no number when one of them is none.
  void add_bound(const Encoding& encoding, float block_largest, float block_worst, size_t count);
};

struct EncodedRun {
  std::vector<std::byte> blocks;
  Difference difference;
  uint32_t crc = 0;  // of the blocks (core/crc32c.h)
};

// `values`: whole rows as the source stores them, in the order of the file. F096 a value that is
// not finite or that the encoding cannot hold.
EncodedRun encode_run(const PlannedTensor& planned, std::span<const std::byte> values);

// `decoded` is what the blocks of `values` decode to; whole blocks.
Difference compare(const Encoding& encoding, std::span<const float> values,
                   std::span<const float> decoded);

uint32_t crc_of(std::span<const std::byte> bytes);

}  // namespace slmtune::exporting
