#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/error.h"
#include "core/seed.h"
#include "data/loader.h"

namespace slmtune::data {
namespace {

void append_row(Dataset& data, Tokens row, std::string place) {
  DataCounts& counts = data.counts;
  ++counts.kept;
  counts.tokens += static_cast<int64_t>(row.ids.size());
  counts.trained_tokens += row.trained();
  counts.longest = std::max(counts.longest, static_cast<int64_t>(row.ids.size()));
  data.rows.push_back(std::move(row));
  data.places.push_back(std::move(place));
}

// Keeps what was counted while reading; the sums over rows start again.
DataCounts without_sums(DataCounts counts) {
  counts.kept = counts.tokens = counts.trained_tokens = counts.longest = 0;
  return counts;
}

}  // namespace

Dataset split_validation(Dataset& train, double fraction, uint64_t seed) {
  std::unordered_map<std::string_view, uint64_t>
      numbers;  // a row of the file → its number among the distinct ones
  for (const std::string& place : train.places) numbers.emplace(place, numbers.size());
  const uint64_t distinct = numbers.size();
  if (distinct < 2)
    throw UserError("D001", train.places.empty() ? "" : train.places.front(),
                    "one row cannot be split into training and validation",
                    "add rows, or give 'valid' a path");
  const auto wanted = static_cast<uint64_t>(std::llround(fraction * static_cast<double>(distinct)));
  const uint64_t count = std::clamp<uint64_t>(wanted, 1, distinct - 1);
  const std::vector<uint64_t> order = permutation(distinct, derive_seed(seed, "validation"));
  std::vector<bool> chosen(distinct, false), taken(distinct, false);
  for (uint64_t i = 0; i < count; ++i) chosen[order[i]] = true;
  Dataset rest, valid;
  rest.counts = without_sums(train.counts);
  rest.sha256 = valid.sha256 = train.sha256;
  for (size_t i = 0; i < train.rows.size(); ++i) {
    const uint64_t number = numbers.at(train.places[i]);
    if (!chosen[number]) {
      append_row(rest, std::move(train.rows[i]), train.places[i]);
    } else if (!taken[number]) {
      taken[number] = true;
      append_row(valid, std::move(train.rows[i]), train.places[i]);
    }
  }
  valid.counts.rows = valid.counts.kept;
  rest.keys = std::move(train.keys);
  train = std::move(rest);
  return valid;
}

}  // namespace slmtune::data
