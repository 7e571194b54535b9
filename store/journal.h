// journal.jsonl of a store: one line for every number taken, every move of an alias and every
// removal; append-only. Each line ends with "crc", the CRC-32C of the line without that member:
//
//   {"time":"2026-01-31T09:05:07Z","user":"ann","action":"promote","number":7,"alias":"production",
//    "from":6,"reason":"better on the golden set","crc":"1a2b3c4d"}
//
// The line of a move is written before aliases.json is replaced: a crash in between leaves a line
// whose move did not happen, which the `from` of the next one, or aliases.json itself, tells.
// The line of a deploy ("target":"office") is written before the target is touched as well; one of
// action refuse says afterwards that the target kept what it had.
// Lines of older versions, without user, from and crc, stay readable.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace slmtune::store {

struct JournalLine {
  // claim | publish | promote | rollback | withdraw | remove | abandon; of a deploy to `target`:
  // deploy | rollback, and refuse when it came to nothing
  std::string action = {};
  int64_t number = 0;
  std::string alias = {};            // that moves; may be empty
  std::optional<int64_t> from = {};  // what the alias named before, 0 = nothing
  std::string reason = {};           // may be empty
  std::string time = {}, user = {};  // filled when the line is written
  std::string target = {};           // of a deploy; then `from` is what it served before
};

struct JournalProblem {
  int64_t line = 0;      // counts from 1
  bool is_torn = false;  // cut off by a crash; otherwise changed after it was written
};

struct Journal {
  std::vector<JournalLine> lines;        // without those that have a problem
  std::vector<JournalProblem> problems;  // in order
};

// A missing file is an empty journal. F001 over 256 MiB, W001, W003.
Journal read_journal(const std::filesystem::path& path);

int64_t highest_number(const Journal& journal);  // that a line names; 0 = none
std::set<int64_t> withdrawn_numbers(const Journal& journal);

// What the deploys put at each target: the snapshot that serves there, or is about to, and the one
// that a rollback goes back to.
struct TargetMove {
  int64_t number = 0, from = 0;  // 0 = nothing
};
std::map<std::string, TargetMove> deployed_numbers(const Journal& journal);

// Appends to a journal, which stays locked against other writers meanwhile; whoever moves an alias
// holds one over both. Short: the store's `lock` is another one, held for hours.
class JournalWriter {
 public:
  // Waits for another writer, then BusyError L001. W003, W004.
  explicit JournalWriter(std::filesystem::path path,
                         std::chrono::milliseconds patience = std::chrono::seconds(5));
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  void append(JournalLine line);  // durable

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace slmtune::store
