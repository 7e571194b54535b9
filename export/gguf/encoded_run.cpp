#include "export/gguf/encoded_run.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/crc32c.h"
#include "core/dtype.h"
#include "core/error.h"

namespace slmtune::exporting {
namespace {

// Elements that are converted, encoded, decoded and compared before the next ones: what that takes
// stays in a core's own cache.
constexpr int64_t kPieceElements = 1 << 14;

// `bytes` hold as many stored numbers as `values` has room for.
void convert(std::span<const std::byte> bytes, DType dtype, std::span<float> values) {
  const auto each = [&](auto stored, const auto& converted) {
    for (size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&stored, bytes.data() + i * sizeof stored, sizeof stored);
      values[i] = converted(stored);
    }
  };
  switch (dtype) {
    case DType::kF16:
      return each(uint16_t{}, [](uint16_t bits) { return f16_to_f32(bits); });
    case DType::kBF16:
      return each(uint16_t{}, [](uint16_t bits) { return bf16_to_f32(bits); });
    case DType::kF64:
      return each(double{}, [](double value) { return static_cast<float>(value); });
    default:
      std::memcpy(values.data(), bytes.data(), values.size_bytes());
  }
}

[[noreturn]] void refuse(const PlannedTensor& planned, float value) {
  throw FileFormatError("F096", planned.source.name,
                        std::isfinite(value)
                            ? "holds a value too large for " + std::string(planned.encoding->name)
                            : std::string("holds a value that is not a finite number"),
                        std::isfinite(value) ? "export with encoding bf16 or f32"
                                             : "the weights are damaged or training diverged");
}

void check_values(const PlannedTensor& planned, std::span<const float> values) {
  const float limit = planned.encoding->limit;
  bool is_held = true;
  for (const float value : values) is_held &= std::fabs(value) < limit;  // false for NaN too
  if (is_held) return;
  for (const float value : values)
    if (!(std::fabs(value) < limit)) refuse(planned, value);
}

// Of one block. Sums and maxima go in lanes, so that the compiler can take several values at once.
struct BlockDifference {
  float largest = 0.0f, worst = 0.0f;
  float squares = 0.0f, source_squares = 0.0f;  // not a number if one of the errors is none
};

BlockDifference compare_block(const float* values, const float* decoded, size_t count) {
  constexpr size_t kLanes = 8;
  float largest[kLanes] = {}, worst[kLanes] = {}, squares[kLanes] = {}, source_squares[kLanes] = {};
  const auto take = [&](size_t lane, size_t i) {
    const float value = std::fabs(values[i]), error = std::fabs(values[i] - decoded[i]);
    largest[lane] = value > largest[lane] ? value : largest[lane];
    worst[lane] = error > worst[lane] ? error : worst[lane];
    squares[lane] += error * error;
    source_squares[lane] += value * value;
  };
  size_t at = 0;
  for (; at + kLanes <= count; at += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) take(lane, at + lane);
  for (; at < count; ++at) take(0, at);
  BlockDifference total;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    total.largest = std::max(total.largest, largest[lane]);
    total.worst = std::max(total.worst, worst[lane]);
    total.squares += squares[lane];
    total.source_squares += source_squares[lane];
  }
  return total;
}

}  // namespace

void Difference::add_bound(const Encoding& encoding, float block_largest, float block_worst,
                           size_t count) {
  const double bound = encoding.error_bound(std::fabs(block_largest));
  allowed_squares += bound * bound * static_cast<double>(count);
  // The subtraction rounded once, too. False for what is not a number.
  is_within_bound = is_within_bound && double{block_worst} <= bound * (1.0 + 0x1p-22);
}

void Difference::add(const Difference& other) {
  worst = std::max(worst, other.worst);
  largest = std::max(largest, other.largest);
  squares += other.squares;
  source_squares += other.source_squares;
  allowed_squares += other.allowed_squares;
  is_within_bound = is_within_bound && other.is_within_bound;
}

Difference compare(const Encoding& encoding, std::span<const float> values,
                   std::span<const float> decoded) {
  Difference total;
  // Float formats have blocks of one value, which are mostly exact; they are taken many at a time.
  const auto block = static_cast<size_t>(encoding.block), step = block == 1 ? 64 : block;
  for (size_t start = 0; start < values.size(); start += step) {
    const size_t count = std::min(step, values.size() - start);
    const BlockDifference found =
        compare_block(values.data() + start, decoded.data() + start, count);
    total.largest = std::max(total.largest, double{found.largest});
    total.source_squares += double{found.source_squares};
    if (found.squares == 0.0f && found.worst == 0.0f) continue;  // exact
    total.worst = std::max(total.worst, double{found.worst});
    total.squares += double{found.squares};
    if (block == 1 && count > 1) {
      for (size_t i = start; i < start + count; ++i)
        total.add_bound(encoding, values[i], std::fabs(values[i] - decoded[i]), 1);
    } else {
      total.add_bound(encoding, found.largest, std::isnan(found.squares) ? NAN : found.worst,
                      block);
    }
  }
  return total;
}

uint32_t crc_of(std::span<const std::byte> bytes) {
  return crc32c({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

EncodedRun encode_run(const PlannedTensor& planned, std::span<const std::byte> values) {
  const Encoding& encoding = *planned.encoding;
  const DType dtype = planned.source.dtype;
  const auto element_bytes = static_cast<int64_t>(dtype_bytes(dtype));
  const auto blocks_of = [&](int64_t elements) {
    return static_cast<size_t>(elements / encoding.block * encoding.block_bytes);
  };
  const int64_t elements = static_cast<int64_t>(values.size()) / element_bytes;
  // A vector's run may end anywhere: its encoding has blocks of one element.
  const int64_t columns = planned.source.shape.size() == 1 ? 1 : planned.source.shape.back();
  const int64_t step = std::max<int64_t>(1, kPieceElements / columns) * columns;
  EncodedRun run;
  run.blocks.resize(blocks_of(elements));
  std::vector<float> numbers(static_cast<size_t>(std::min(step, elements))),
      decoded(numbers.size());
  for (int64_t first = 0; first < elements; first += step) {
    const int64_t count = std::min(step, elements - first);
    const auto in = std::span(numbers).first(static_cast<size_t>(count));
    const auto again = std::span(decoded).first(static_cast<size_t>(count));
    const auto out = std::span(run.blocks).subspan(blocks_of(first), blocks_of(count));
    convert(values.subspan(static_cast<size_t>(first * element_bytes),
                           static_cast<size_t>(count * element_bytes)),
            dtype, in);
    if (planned.added != 0.0f)
      for (float& value : in) value += planned.added;
    check_values(planned, in);
    encoding.encode(in, columns, planned.importance, out);
    encoding.decode(out, again);
    run.difference.add(compare(encoding, in, again));
  }
  run.crc = crc_of(run.blocks);
  return run;
}

}  // namespace slmtune::exporting
