// Rows that a written model is compared with the trained one on: validation rows of the run, a
// file, or a short text that the program brings along.
//
//   HeldOut rows = held_out_of_snapshot("runs/faq/snapshots/0042", text, 1024, 16);
//   rows.from;   // "the run's validation rows (data/valid.jsonl)"
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/engine/model_source.h"
#include "data/loader.h"
#include "eval/agreement.h"

namespace slmtune::cli {

struct HeldOut {
  std::vector<eval::AgreementRow> rows;
  std::string from;  // for people
};

// At most `count` of the rows, evenly spaced, those that are not cut first: a row has at most
// 512 tokens, and fewer where the model's `context` is shorter (0: unknown). Of rated answers only
// the good ones.
HeldOut held_out_rows(const data::Dataset& rows, std::string from, int64_t context, int64_t count);

// Of a JSONL file. Errors as data::load_dataset has them.
HeldOut held_out_file(const std::filesystem::path& path, const TextSide& text, int64_t context,
                      int64_t count);

// The validation rows that the snapshot's own recipe names; where it has none, or they cannot be
// read any more (which a message says), the program's text.
HeldOut held_out_of_snapshot(const std::filesystem::path& snapshot, const TextSide& text,
                             int64_t context, int64_t count);

// The program's text.
HeldOut held_out_text(const data::Tokenizer& tokenizer, int64_t context, int64_t count);

// Its passages, a few languages and kinds of text.
std::span<const std::string_view> held_out_passages();

}  // namespace slmtune::cli
