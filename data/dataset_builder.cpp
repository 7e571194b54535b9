#include "data/dataset_builder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/seed.h"

namespace slmtune::data {
namespace {

constexpr int64_t kListed = 5;  // rows that are too long

void count_row(DataCounts& counts, int64_t tokens, int64_t trained) {
  ++counts.kept;
  counts.tokens += tokens;
  counts.trained_tokens += trained;
  counts.longest = std::max(counts.longest, tokens);
}

}  // namespace

DatasetBuilder::DatasetBuilder(const DataConfig& config, TokenCache* cache)
    : config_(config), cache_(cache) {
  if (!cache_) memory_ = std::make_shared<Segment>();
}

void DatasetBuilder::begin_file(const std::string& file, double weight) {
  file_ = file;
  file_number_ = data_.rows.add_file(file);
  weight_ = weight;
  lost_systems_ = 0;
}

std::string DatasetBuilder::place(int64_t number) const {
  return file_ + ":" + std::to_string(number);
}

void DatasetBuilder::add(const TokenisedLine& line, int64_t number) {
  const std::vector<Record> records = line.records();
  ++data_.counts.rows;
  data_.counts.cached += line.hit.has_value();
  lost_systems_ += (records.front().flags() & kLosesSystem) != 0;
  contents_.push_back(records.front().content());
  std::vector<size_t> lengths;
  int64_t copies = 0;
  if (fit(records, number, lengths)) {
    const double whole = std::floor(weight_), fraction = weight_ - whole;
    copies = static_cast<int64_t>(whole);
    if (fraction > 0) copies += SplitMix64(derive_seed(0, place(number))).uniform() < fraction;
  }
  const std::vector<TokenCache::Place> stored = store(line, records, copies > 0);
  Rows::Ref ref{.line = static_cast<uint32_t>(number), .file = file_number_};
  for (; copies > 0; --copies)
    for (size_t part = 0; part < records.size(); ++part) {
      ref.offset = stored[part].offset;
      ref.segment = stored[part].segment;
      ref.length = static_cast<uint32_t>(lengths[part]);
      ref.part = static_cast<uint8_t>(part);
      count_row(data_.counts, ref.length, trained_in(records[part], lengths[part]));
      data_.rows.add(ref);
    }
}

// False when the line is left out; `lengths` is how much of each row is used.
bool DatasetBuilder::fit(const std::vector<Record>& records, int64_t number,
                         std::vector<size_t>& lengths) {
  const auto limit = static_cast<size_t>(config_.max_tokens);
  size_t longest = 0;
  for (const Record& record : records) {
    lengths.push_back(record.ids().size());
    longest = std::max(longest, lengths.back());
  }
  if (longest <= limit) return true;
  if (config_.too_long == "refuse") {
    longest_ = std::max(longest_, longest);
    if (++too_long_ <= kListed)
      refused_.push_back({"D010",
                          place(number),
                          "the row has " + std::to_string(longest) +
                              " tokens; data.max_tokens is " + std::to_string(limit),
                          "",
                          {}});
    return false;
  }
  if (config_.too_long == "truncate") return shorten(records, lengths);
  ++data_.counts.dropped_too_long;
  return false;
}

bool DatasetBuilder::shorten(const std::vector<Record>& records, std::vector<size_t>& lengths) {
  bool trains = true;
  for (size_t i = 0; i < records.size(); ++i) {
    lengths[i] = std::min(lengths[i], static_cast<size_t>(config_.max_tokens));
    trains = trains && trained_in(records[i], lengths[i]) > 0;
  }
  // Answers that differ only in what is cut off.
  const auto ids = [&](size_t i) { return records[i].ids().first(lengths[i]); };
  trains = trains && (records.size() < 2 || !std::ranges::equal(ids(0), ids(1)));
  ++data_.counts.truncated;
  data_.counts.empty += !trains;
  return trains;
}

// Where the records lie. A line that is not kept goes to the cache all the same: another limit may
// keep it.
std::vector<TokenCache::Place> DatasetBuilder::store(const TokenisedLine& line,
                                                     const std::vector<Record>& records,
                                                     bool is_kept) {
  std::vector<TokenCache::Place> places;
  if (line.hit) {
    cache_->use(*line.hit);
    const Segment& segment = *cache_->segments()[line.hit->segment];
    for (const Record& record : records)
      places.push_back({line.hit->segment, segment.offset_of(record)});
  } else if (cache_) {
    for (const Record& record : records)
      places.push_back(cache_->add(record.words(), places.empty()));
  } else if (is_kept) {
    for (const Record& record : records) places.push_back({0, memory_->append(record.words())});
  }
  return places;
}

Dataset DatasetBuilder::finish(const std::string& first_file) {
  if (too_long_ > 0) refuse(first_file);
  if (data_.rows.empty())
    throw UserError("D001", first_file, "no row is left to train on",
                    "raise data.max_tokens or the sources' weights");
  std::sort(contents_.begin(), contents_.end());
  const auto distinct = std::unique(contents_.begin(), contents_.end()) - contents_.begin();
  data_.counts.duplicates = static_cast<int64_t>(contents_.size()) - distinct;
  if (cache_)
    data_.rows.set_segments(cache_->segments());
  else
    data_.rows.set_segments({memory_});
  return std::move(data_);
}

void DatasetBuilder::refuse(const std::string& file) {
  const std::string help = "raise data.max_tokens (the longest row has " +
                           std::to_string(longest_) +
                           " tokens), or set data.too_long to 'drop' or 'truncate'";
  if (too_long_ > kListed)
    refused_.push_back(
        {"D010", file, std::to_string(too_long_ - kListed) + " more rows are too long", "", {}});
  refused_.back().help = help;
  throw UserError(std::move(refused_));
}

void add_row(Dataset& data, const Rows::Ref& ref) {
  data.rows.add(ref);
  count_row(data.counts, ref.length, data.rows[data.rows.size() - 1].trained());
}

}  // namespace slmtune::data
