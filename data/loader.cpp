#include "data/loader.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "core/error.h"
#include "core/seed.h"
#include "core/sha256.h"
#include "data/row_tokeniser.h"

namespace slmtune::data {
namespace {

std::string bytes_of(const Tokens& row) {
  auto raw = [](const std::vector<int32_t>& ids) {
    return std::string_view(reinterpret_cast<const char*>(ids.data()),
                            ids.size() * sizeof(int32_t));
  };
  return std::string(raw(row.ids)) + std::string(raw(row.labels));
}

// Copies of a row for a source's weight; the fraction by a fixed hash of its place.
int64_t copies_of(const std::string& place, double weight) {
  const double whole = std::floor(weight);
  SplitMix64 random(derive_seed(0, place));
  return static_cast<int64_t>(whole) + (random.uniform() < weight - whole ? 1 : 0);
}

class DatasetBuilder {
 public:
  DatasetBuilder(const DataConfig& config) : config_(config) {}

  void add(std::vector<Tokens> rows, std::vector<std::string> places, double weight) {
    data_.counts.rows += static_cast<int64_t>(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      data_.counts.duplicates += !seen_.insert(sha256(bytes_of(rows[i]))).second;
      if (!fit(rows[i], places[i])) continue;
      for (int64_t copies = copies_of(places[i], weight); copies > 0; --copies)
        keep(rows[i], places[i]);
    }
  }

  void remember(const std::vector<std::string>& places, std::vector<RowKeys> keys) {
    for (size_t i = 0; i < places.size(); ++i) data_.keys.emplace(places[i], std::move(keys[i]));
  }

  Dataset finish(const std::string& file) {
    if (too_long_ > 0) refuse(file);
    if (data_.rows.empty())
      throw UserError("D001", file, "no row is left to train on",
                      "raise data.max_tokens or the sources' weights");
    return std::move(data_);
  }

 private:
  // False when the row is left out; may shorten it.
  bool fit(Tokens& row, const std::string& place) {
    const auto limit = static_cast<size_t>(config_.max_tokens);
    if (row.ids.size() <= limit) return true;
    if (config_.too_long == "refuse") {
      longest_ = std::max(longest_, row.ids.size());
      if (++too_long_ <= kListed)
        refused_.push_back({"D010",
                            place,
                            "the row has " + std::to_string(row.ids.size()) +
                                " tokens; data.max_tokens is " + std::to_string(limit),
                            "",
                            {}});
      return false;
    }
    if (config_.too_long == "drop") {
      ++data_.counts.dropped_too_long;
      return false;
    }
    row.ids.resize(limit);
    row.labels.resize(limit);
    ++data_.counts.truncated;
    const bool trains = row.trained() > 0;
    data_.counts.empty += !trains;
    return trains;
  }

  void keep(const Tokens& row, const std::string& place) {
    DataCounts& counts = data_.counts;
    ++counts.kept;
    counts.tokens += static_cast<int64_t>(row.ids.size());
    counts.trained_tokens += row.trained();
    counts.longest = std::max(counts.longest, static_cast<int64_t>(row.ids.size()));
    data_.rows.push_back(row);
    data_.places.push_back(place);
  }

  [[noreturn]] void refuse(const std::string& file) {
    const std::string help = "raise data.max_tokens (the longest row has " +
                             std::to_string(longest_) +
                             " tokens), or set data.too_long to 'drop' or 'truncate'";
    if (too_long_ > kListed)
      refused_.push_back(
          {"D010", file, std::to_string(too_long_ - kListed) + " more rows are too long", "", {}});
    refused_.back().help = help;
    throw UserError(std::move(refused_));
  }

  static constexpr int64_t kListed = 5;
  const DataConfig& config_;
  Dataset data_;
  std::unordered_set<std::string> seen_;
  std::vector<Diagnostic> refused_;
  int64_t too_long_ = 0;
  size_t longest_ = 0;
};

}  // namespace

std::filesystem::path data_file(const Source& source) {
  std::filesystem::path path = source.path;
  if (std::filesystem::is_directory(path)) path /= "train.jsonl";
  if (!std::filesystem::exists(path))
    throw UserError("N001", source.where.empty() ? path.string() : source.where,
                    "the data file '" + path.string() + "' does not exist",
                    "paths are relative to the folder in which slmtune was started");
  return path;
}

Dataset load_dataset(std::span<const Source> sources, const DataConfig& config,
                     const Tokenizer& tokenizer, const ChatTemplate* chat) {
  DatasetBuilder builder(config);
  std::string digests, first_file;
  for (const Source& source : sources) data_file(source);
  for (const Source& source : sources) {
    const std::filesystem::path path = data_file(source);
    if (first_file.empty()) first_file = path.string();
    std::vector<std::string> places;
    std::vector<RowKeys> keys;
    const std::vector<Example> examples = read_examples(path, config.format, &places, &keys);
    builder.remember(places, std::move(keys));
    builder.add(RowTokeniser(examples, places, tokenizer, chat).run(path.string()), places,
                source.weight);
    digests += sha256_file(path);
  }
  Dataset data = builder.finish(first_file);
  data.sha256 = sources.size() == 1 ? digests : sha256(digests);
  return data;
}

}  // namespace slmtune::data
