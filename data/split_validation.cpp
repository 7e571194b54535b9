#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/seed.h"
#include "data/loader.h"

namespace slmtune::data {
namespace {

// Keeps what was counted while reading; the sums over rows start again.
DataCounts without_sums(DataCounts counts) {
  counts.kept = counts.tokens = counts.trained_tokens = counts.longest = 0;
  return counts;
}

bool is_same_line(const Rows::Ref& a, const Rows::Ref& b) {
  return a.line == b.line && a.file == b.file;
}

// Lines that rows come from. Copies of a line, and its parts, follow each other.
uint64_t count_lines(const Rows& rows) {
  uint64_t lines = 0;
  for (size_t i = 0; i < rows.size(); ++i)
    lines += i == 0 || !is_same_line(rows.ref(i), rows.ref(i - 1));
  return lines;
}

}  // namespace

Dataset split_validation(Dataset& train, double fraction, uint64_t seed) {
  const uint64_t distinct = count_lines(train.rows);
  if (distinct < 2)
    throw UserError("D001", train.rows.empty() ? "" : train.rows.place(0),
                    "one row cannot be split into training and validation",
                    "add rows, or give 'valid' a path");
  const auto wanted = static_cast<uint64_t>(std::llround(fraction * static_cast<double>(distinct)));
  const uint64_t count = std::clamp<uint64_t>(wanted, 1, distinct - 1);
  const std::vector<uint64_t> order = permutation(distinct, derive_seed(seed, "validation"));
  std::vector<bool> chosen(distinct, false);
  for (uint64_t i = 0; i < count; ++i) chosen[order[i]] = true;
  const Rows rows = std::move(train.rows);
  Dataset valid;
  train.rows = Rows::like(rows);
  valid.rows = Rows::like(rows);
  valid.sha256 = train.sha256;
  train.counts = without_sums(train.counts);
  uint64_t line = 0, copy = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool is_new = i > 0 && !is_same_line(rows.ref(i), rows.ref(i - 1));
    line += is_new;
    copy = i == 0 || is_new ? 1 : copy + !rows.goes_on(i);
    if (!chosen[line])
      add_row(train, rows.ref(i));
    else if (copy == 1)
      add_row(valid, rows.ref(i));
    if (i % 4096 == 0) rows.release();
  }
  valid.counts.rows = valid.counts.kept;
  return valid;
}

}  // namespace slmtune::data
