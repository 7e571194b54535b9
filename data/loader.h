// JSONL files → checked, tokenised rows. Every bad line is found before anything is trained.
//
//   Dataset train = load_dataset(config.train, config, tokenizer, chat);
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/data_config.h"
#include "data/example.h"
#include "data/row_keys.h"

namespace slmtune::data {

struct DataCounts {
  int64_t rows = 0, kept = 0, dropped_too_long = 0, truncated = 0, duplicates = 0, empty = 0;
  int64_t tokens = 0, trained_tokens = 0, longest = 0;
};

struct Dataset {
  std::vector<Tokens> rows;
  std::vector<std::string> places;  // "file.jsonl:12" of each row
  std::unordered_map<std::string, RowKeys> keys;  // by place, of the rows read from the files
  DataCounts counts;
  std::string sha256;               // of the file; of several: over their hexadecimal sums, in order
};

// Reads the rows of one file in order. Errors: N001; D001 no rows; otherwise UserError with up to 20 bad lines (and the
// count of the rest), each file:line with D002 (not JSON), D003 (unknown shape, lists them), D004 (bad field), D005 (no
// trained token), D006 (not UTF-8). `name` may be "auto". Places and keys are those of the rows returned.
std::vector<Example> read_examples(const std::filesystem::path& path, const std::string& format_name,
                                   std::vector<std::string>* places = nullptr, std::vector<RowKeys>* keys = nullptr);

// The JSONL file of a source, whose path may be a folder. N001.
std::filesystem::path data_file(const Source& source);

// Reads, tokenises and applies max_tokens / too_long (refuse: D010 lists the first rows, their lengths and the way out).
// Source weights repeat or thin rows here (the fraction by a fixed hash of the row's place). Exact duplicates are kept and
// counted. Rows with no trained token are D005. Progress on stderr when it takes > 1 s.
Dataset load_dataset(std::span<const Source> sources, const DataConfig& config, const Tokenizer& tokenizer,
                     const ChatTemplate* chat);

// Splits off `fraction` of the rows (at least one) for validation: the same rows for the same seed. Copies that a source's
// weight made stay on one side. D001 when fewer than two rows are there.
Dataset split_validation(Dataset& train, double fraction, uint64_t seed);

}  // namespace slmtune::data
