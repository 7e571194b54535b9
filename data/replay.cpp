#include "data/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "core/error.h"
#include "core/log.h"
#include "core/seed.h"
#include "core/sha256.h"
#include "core/stop.h"

namespace slmtune::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEnding = ".rows";
constexpr size_t kRowsAtOnce = 4096;  // of a mapped file in memory
constexpr int32_t kAnyId = std::numeric_limits<int32_t>::max();

bool has(const std::vector<RowDigest>& sorted, const RowDigest& key) {
  return std::binary_search(sorted.begin(), sorted.end(), key);
}

fs::path file_of(const ReplayStore& store) {
  return store.folder / (store.settings + kEnding);
}

// Nothing when there is none or it is damaged, which is said.
std::shared_ptr<Segment> open_kept(const fs::path& file, const std::string& settings) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return nullptr;
  std::shared_ptr<Segment> kept = Segment::open(file, settings);
  if (!kept) log_warning(file.string() + ": damaged; the rows in it cannot be used any more");
  return kept;
}

// Keys of rows, sorted.
void add_keys(const Rows& rows, std::vector<RowDigest>& keys) {
  for (size_t i = 0; i < rows.size(); ++i) {
    keys.push_back(rows[i].record().row_key());
    if (i % kRowsAtOnce == 0) rows.release();
  }
}

// A pair counts once.
size_t count_lines(const Rows& rows) {
  size_t lines = 0;
  for (size_t i = 0; i < rows.size(); ++i) lines += !rows.goes_on(i);
  return lines;
}

// SFT rows do not go among preference rows, nor the other way round.
bool is_alike(RowMark a, RowMark b) {
  const auto kind = [](RowMark mark) {
    return mark == RowMark::kRejected ? RowMark::kChosen
           : mark == RowMark::kBad    ? RowMark::kGood
                                      : mark;
  };
  return kind(a) == kind(b);
}

// Kept rows that may be mixed in.
class Candidates {
 public:
  Candidates(const Segment& kept, const ReplayStore& store, const DataConfig& config)
      : kept_(kept), store_(store), config_(config) {}

  void find(const Dataset& train, const Dataset* valid) {
    std::vector<RowDigest> present;
    add_keys(train.rows, present);
    if (valid) add_keys(valid->rows, present);
    std::sort(present.begin(), present.end());
    const RowMark mark = train.rows[0].mark();
    for (size_t entry = 0; entry < kept_.size(); ++entry) {
      if (!has(present, kept_.key_of(entry)) && is_usable(entry, mark)) entries_.push_back(entry);
      if (entry % kRowsAtOnce == 0) kept_.release();
      check_stop();
    }
  }

  // `count` of them, or all, in the order of their keys.
  std::vector<size_t> sample(size_t count, uint64_t seed) const {
    const uint64_t own_seed = derive_seed(seed, "replay");
    std::vector<std::pair<uint64_t, size_t>> ranked;
    for (size_t entry : entries_) {
      uint64_t start = 0;
      std::memcpy(&start, kept_.key_of(entry).data(), sizeof start);
      ranked.emplace_back(SplitMix64(own_seed ^ start).next(), entry);
    }
    std::sort(ranked.begin(), ranked.end());
    ranked.resize(std::min(count, ranked.size()));
    std::vector<size_t> chosen;
    for (const auto& [rank, entry] : ranked) chosen.push_back(entry);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

 private:
  bool is_usable(size_t entry, RowMark mark) const {
    const std::vector<Record> line = kept_.line(entry, store_.vocabulary);
    const auto fits = [&](const Record& record) {
      return static_cast<int64_t>(record.ids().size()) <= config_.max_tokens;
    };
    return !line.empty() && is_alike(line.front().mark(), mark) &&
           std::all_of(line.begin(), line.end(), fits) &&
           std::binary_search(store_.snapshots.begin(), store_.snapshots.end(),
                              int64_t{line.front().number()});
  }

  const Segment& kept_;
  const ReplayStore& store_;
  const DataConfig& config_;
  std::vector<size_t> entries_;
};

void mix_in(Dataset& train, std::shared_ptr<Segment> kept, const std::vector<size_t>& entries) {
  const uint16_t segment = train.rows.add_segment(kept);
  std::string digests = train.sha256;
  for (size_t entry : entries) {
    const std::vector<Record> line = kept->line(entry, kAnyId);
    const uint32_t number = line.front().number();
    Rows::Ref ref{.line = static_cast<uint32_t>(entry + 1),
                  .file = train.rows.add_file(fmt::format("replay of snapshot #{}", number)),
                  .segment = segment};
    for (size_t part = 0; part < line.size(); ++part) {
      ref.offset = kept->offset_of(line[part]);
      ref.length = static_cast<uint32_t>(line[part].ids().size());
      ref.part = static_cast<uint8_t>(part);
      add_row(train, ref);
    }
    ++train.counts.replayed[number];
    digests.append(reinterpret_cast<const char*>(kept->key_of(entry).data()), sizeof(RowDigest));
  }
  train.sha256 = sha256(digests);
}

std::string origins_text(const std::map<int64_t, int64_t>& replayed) {
  std::string text;
  for (const auto& [snapshot, rows] : replayed)
    text += fmt::format("{}{} of #{}", text.empty() ? "" : ", ", rows, snapshot);
  return text;
}

// Writes kept rows anew.
class KeptWriter {
 public:
  KeptWriter(const fs::path& file, const std::string& settings) : writer_(file, settings) {}

  void add(std::span<const Record> line, uint32_t number) {
    for (size_t part = 0; part < line.size(); ++part)
      writer_.append(renumbered(line[part], line[part].row_key(), number), part == 0);
  }
  void commit() { writer_.commit(); }

 private:
  SegmentWriter writer_;
};

// The parts of the line that begins with row i.
std::vector<Record> line_of(const Rows& rows, size_t i) {
  std::vector<Record> line{rows[i].record()};
  while (++i < rows.size() && rows.goes_on(i)) line.push_back(rows[i].record());
  return line;
}

// The first row of each line that is the user's own data, by key.
std::vector<std::pair<RowDigest, size_t>> own_lines(const Rows& rows, const fs::path& folder) {
  std::vector<std::pair<RowDigest, size_t>> lines;
  for (size_t i = 0; i < rows.size(); ++i) {
    const fs::path& file = rows.segment_path(i);
    if (rows.goes_on(i) || (!file.empty() && file.parent_path() == folder)) continue;
    lines.emplace_back(rows[i].record().row_key(), i);
    if (i % kRowsAtOnce == 0) rows.release();
  }
  std::sort(lines.begin(), lines.end());
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  lines.erase(std::unique(lines.begin(), lines.end(), same), lines.end());
  return lines;
}

bool is_there(const ReplayStore& store, int64_t number, uint32_t of_row) {
  return int64_t{of_row} != number &&
         std::binary_search(store.snapshots.begin(), store.snapshots.end(), int64_t{of_row});
}

std::vector<fs::path> kept_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == kEnding) files.push_back(entry->path());
  return files;
}

// Rows for other tokenizers go with the last of their snapshots.
void drop_other_settings(const ReplayStore& store) {
  for (const fs::path& file : kept_files(store.folder)) {
    if (file == file_of(store)) continue;
    const auto kept = open_kept(file, file.stem().string());
    bool is_needed = false;
    for (size_t entry = 0; kept && entry < kept->size() && !is_needed; ++entry) {
      const std::vector<Record> line = kept->line(entry, kAnyId);
      is_needed = !line.empty() && is_there(store, -1, line.front().number());
    }
    std::error_code ignored;
    if (!is_needed) fs::remove(file, ignored);
  }
}

int64_t forget_in(const fs::path& file, const std::vector<RowDigest>& sought) {
  const std::string settings = file.stem().string();
  const auto kept = open_kept(file, settings);
  if (!kept) {
    fs::remove(file);
    return 0;
  }
  const auto is_sought = [&](const Record& record) {
    const std::span<const RowDigest> fields = record.field_keys();
    return has(sought, record.row_key()) ||
           std::any_of(fields.begin(), fields.end(),
                       [&](const RowDigest& key) { return has(sought, key); });
  };
  int64_t forgotten = 0;
  KeptWriter writer(file, settings);
  for (size_t entry = 0; entry < kept->size(); ++entry) {
    const std::vector<Record> line = kept->line(entry, kAnyId);
    if (line.empty() || is_sought(line.front()))
      ++forgotten;
    else
      writer.add(line, line.front().number());
    if (entry % kRowsAtOnce == 0) kept->release();
  }
  if (forgotten > 0) writer.commit();
  return forgotten;
}

}  // namespace

void add_replay(Dataset& train, const Dataset* valid, const ReplayStore& store,
                const DataConfig& config, uint64_t seed) {
  const auto wanted = static_cast<size_t>(
      std::llround(config.replay.fraction * static_cast<double>(count_lines(train.rows))));
  if (wanted == 0) return;
  const std::shared_ptr<Segment> kept = open_kept(file_of(store), store.settings);
  std::vector<size_t> chosen;
  if (kept) {
    Candidates candidates(*kept, store, config);
    candidates.find(train, valid);
    chosen = candidates.sample(wanted, seed);
  }
  if (chosen.empty())
    return log_info("replay: no row of an earlier snapshot is kept that is not in the data");
  mix_in(train, kept, chosen);
  log_info(fmt::format("replay: {} rows of earlier data ({})", chosen.size(),
                       origins_text(train.counts.replayed)));
}

void keep_rows(const Dataset& train, const ReplayStore& store, int64_t number) {
  const std::vector<std::pair<RowDigest, size_t>> own = own_lines(train.rows, store.folder);
  const std::shared_ptr<Segment> kept = open_kept(file_of(store), store.settings);
  make_folder(store.folder);
  KeptWriter writer(file_of(store), store.settings);
  for (size_t done = 0; done < own.size(); ++done) {
    writer.add(line_of(train.rows, own[done].second), static_cast<uint32_t>(number));
    if (done % kRowsAtOnce == 0) train.rows.release();
  }
  const auto is_own = [&](const RowDigest& key) {
    const auto at = std::lower_bound(own.begin(), own.end(), std::pair(key, size_t{0}));
    return at != own.end() && at->first == key;
  };
  for (size_t entry = 0; kept && entry < kept->size(); ++entry) {
    if (is_own(kept->key_of(entry))) continue;
    const std::vector<Record> line = kept->line(entry, store.vocabulary);
    if (!line.empty() && is_there(store, number, line.front().number()))
      writer.add(line, line.front().number());
    if (entry % kRowsAtOnce == 0) kept->release();
  }
  writer.commit();
  drop_other_settings(store);
}

int64_t forget_kept_rows(const fs::path& folder, std::span<const RowDigest> keys) {
  std::vector<RowDigest> sought(keys.begin(), keys.end());
  std::sort(sought.begin(), sought.end());
  int64_t forgotten = 0;
  for (const fs::path& file : kept_files(folder)) forgotten += forget_in(file, sought);
  return forgotten;
}

}  // namespace slmtune::data
