#include "store/journal.h"

#include <algorithm>
#include <fstream>

#include "core/atomic_file.h"
#include "core/json.h"
#include "core/text.h"

namespace slmtune::store {

void append_journal(const std::filesystem::path& path, const JournalLine& line) {
  OrderedJson record = {{"time", utc_now()}, {"action", line.action}, {"number", line.number}};
  if (!line.alias.empty()) record["alias"] = line.alias;
  if (!line.reason.empty()) record["reason"] = line.reason;
  append_line(path, record.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), true);
}

int64_t highest_journal_number(const std::filesystem::path& path) {
  int64_t highest = 0;
  std::ifstream stream(path);
  for (std::string text; std::getline(stream, text);) {
    Json record = Json::parse(text, nullptr, false);
    if (record.is_object() && record.contains("number") && record["number"].is_number_integer())
      highest = std::max(highest, record["number"].get<int64_t>());
  }
  return highest;
}

}  // namespace slmtune::store
