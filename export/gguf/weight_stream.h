// The values of a tensor of a GGUF file as Hugging Face files have them, decoded a few rows at a
// time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "export/encodings/encoding.h"

namespace slmtune::exporting {

struct StoredRows {
  std::vector<int64_t> shape;        // row-major; rows are whole blocks of `encoding`
  std::span<const std::byte> bytes;  // of a mapped file, whose pages are let go of when decoded
  const Encoding* encoding = nullptr;
  int64_t reordered_heads = 0;  // rows lie in the order of adjacent-pair RoPE when > 0
  bool adds_one = false;        // the file holds 1 + w
};

// Hands over float32 values in order.
void stream_weight(const StoredRows& stored,
                   const std::function<void(std::span<const std::byte>)>& write);

}  // namespace slmtune::exporting
