// JSONL files → checked, tokenised rows. Every bad line is found before anything is trained.
//
//   Dataset train = load_dataset(config.train, config, tokenizer, chat, &cache);
//
// Files are read in pieces and rows lie in mapped files (data/rows.h) when there is a cache, so
// that a load needs little memory whatever their number.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/data_config.h"
#include "data/example.h"
#include "data/rows.h"
#include "data/token_cache.h"

namespace slmtune::data {

struct DataCounts {
  int64_t rows = 0, kept = 0, dropped_too_long = 0, truncated = 0, duplicates = 0, empty = 0;
  int64_t tokens = 0, trained_tokens = 0, longest = 0;
  int64_t cached = 0;                   // lines that were not tokenised again
  std::map<int64_t, int64_t> replayed;  // rows of earlier data, by snapshot (data/replay.h)
};

struct Dataset {
  Rows rows;
  DataCounts counts;
  std::string sha256;  // of the file; of several: over their hexadecimal sums, in order
};

// Reads the lines of one file in order. Errors: N001; D001 no rows; otherwise UserError with up to
// 20 bad lines (and the count of the rest), each file:line with D002 (not JSON), D003 (unknown
// shape, lists them), D004 (bad field), D005 (no trained token), D006 (not UTF-8); they come when
// all lines were used. `format_name` may be "auto".
void for_each_example(const std::filesystem::path& path, const std::string& format_name,
                      const std::function<void(Example&, const std::string& place)>& use);

// All of them at once, with their places "file.jsonl:12".
std::vector<Example> read_examples(const std::filesystem::path& path,
                                   const std::string& format_name,
                                   std::vector<std::string>* places = nullptr);

// The JSONL file of a source, whose path may be a folder. N001.
std::filesystem::path data_file(const Source& source);

// Reads, tokenises and applies max_tokens / too_long (refuse: D010 lists the first rows, their
// lengths and the way out). Source weights repeat or thin rows here: the whole part of a weight is
// that many copies of every row, the fraction decides by a fixed hash of the row's place, so that
// the same rows are taken in every epoch and every run, and their share comes close to the weight.
// Exact duplicates are kept and counted. Rows with no trained token are D005. Progress on stderr
// when it takes > 1 s. Without `cache` every row is tokenised and kept in memory.
Dataset load_dataset(std::span<const Source> sources, const DataConfig& config,
                     const Tokenizer& tokenizer, const ChatTemplate* chat,
                     TokenCache* cache = nullptr);

// Adds a row that lies in a segment of `data`, and counts it.
void add_row(Dataset& data, const Rows::Ref& ref);

// Splits off `fraction` of the rows (at least one) for validation: the same rows for the same seed.
// Copies that a source's weight made stay on one side. D001 when fewer than two rows are there.
Dataset split_validation(Dataset& train, double fraction, uint64_t seed);

}  // namespace slmtune::data
