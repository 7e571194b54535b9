#include "export/gguf/weight_stream.h"

#include <algorithm>

#include "core/mapped_file.h"
#include "core/shape.h"
#include "core/stop.h"
#include "export/gguf/gguf_tensors.h"
#include "export/parallel.h"

namespace slmtune::exporting {
namespace {

constexpr int64_t kRunElements = 1 << 20;     // 4 MiB of float32 between two writes
constexpr int64_t kThreadElements = 1 << 15;  // fewer are not worth a thread

struct Rows {
  int64_t count = 1, width = 1;
};

// A reordered vector (a bias of queries or keys) has one element per row.
Rows rows_of(const StoredRows& stored) {
  const bool by_element = stored.reordered_heads > 0 && stored.shape.size() == 1;
  if (by_element) return {stored.shape.front(), 1};
  return {shape_elements(std::span(stored.shape).first(stored.shape.size() - 1)),
          stored.shape.back()};
}

// Whole heads where rows trade places within them.
int64_t rows_of_run(const StoredRows& stored, const Rows& rows) {
  const int64_t fitting = std::max<int64_t>(1, kRunElements / rows.width);
  if (stored.reordered_heads == 0) return fitting;
  const int64_t head = rows.count / stored.reordered_heads;
  return std::max<int64_t>(1, fitting / head) * head;
}

}  // namespace

void stream_weight(const StoredRows& stored,
                   const std::function<void(std::span<const std::byte>)>& write) {
  const Rows rows = rows_of(stored);
  const int64_t heads = stored.reordered_heads, step = rows_of_run(stored, rows);
  const size_t width = static_cast<size_t>(rows.width);
  const auto row_bytes =
      static_cast<size_t>(rows.width / stored.encoding->block * stored.encoding->block_bytes);
  std::vector<float> values;
  for (int64_t first = 0; first < rows.count; first += step) {
    check_stop();
    const int64_t count = std::min(step, rows.count - first);
    const auto bytes = stored.bytes.subspan(static_cast<size_t>(first) * row_bytes,
                                            static_cast<size_t>(count) * row_bytes);
    values.resize(static_cast<size_t>(count) * width);
    in_parallel(count, 1 + kThreadElements / rows.width, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t to = heads > 0 ? source_row(first + row, rows.count, heads) - first : row;
        const auto target = std::span(values).subspan(static_cast<size_t>(to) * width, width);
        stored.encoding->decode(bytes.subspan(static_cast<size_t>(row) * row_bytes, row_bytes),
                                target);
        if (stored.adds_one)
          for (float& value : target) value -= 1.0f;
      }
    });
    write(std::as_bytes(std::span(values)));
    release_pages(bytes);
  }
}

}  // namespace slmtune::exporting
