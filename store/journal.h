// journal.jsonl of a store: one line for every number taken and every move of an alias.
// Append-only.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace slmtune::store {

struct JournalLine {
  std::string action;  // claim | publish
  int64_t number = 0;
  std::string alias;   // that moved; may be empty
  std::string reason;  // may be empty
};

// Appends durably, with the time of now.
void append_journal(const std::filesystem::path& path, const JournalLine& line);

// Highest number any line names; 0 when there is none. A line torn by a crash is passed over.
int64_t highest_journal_number(const std::filesystem::path& path);

}  // namespace slmtune::store
