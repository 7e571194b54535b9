#include "store/aliases.h"

#include <algorithm>
#include <cctype>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

// The numbers that production went through, and a way back from the newest move.
class History {
 public:
  void follow(const JournalLine& line) {
    if (line.from) agree_with(*line.from);
    before_ = numbers_;
    if (line.action == "rollback") {
      auto found = std::find(numbers_.rbegin(), numbers_.rend(), line.number);
      if (found != numbers_.rend()) numbers_.erase(found.base(), numbers_.end());
    }
    push(line.number);
  }

  // `now` is what production named: the newest move did not happen if that disagrees.
  void agree_with(int64_t now) {
    if (current() != now) numbers_ = before_;
    if (current() != now) push(now);
    before_ = numbers_;
  }

  std::vector<int64_t> numbers() const { return numbers_; }

 private:
  int64_t current() const { return numbers_.empty() ? 0 : numbers_.back(); }
  void push(int64_t number) {
    if (number > 0 && current() != number) numbers_.push_back(number);
  }

  std::vector<int64_t> numbers_, before_;
};

}  // namespace

bool is_alias_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

Aliases read_aliases(const fs::path& path) {
  Aliases aliases;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return aliases;
  auto damaged = [&] {
    return FileFormatError("S007", path.string(), "not a table of aliases and numbers",
                           "correct it by hand; journal.jsonl lists every move");
  };
  Json json;
  try {
    json = read_json(path, 1 << 20);
  } catch (const FileFormatError&) {
    throw damaged();
  }
  if (!json.is_object()) throw damaged();
  for (const auto& [alias, number] : json.items()) {
    // What does not fit 64 bits with a sign comes out negative.
    if (!number.is_number_integer() || number.get<int64_t>() < 1 || !is_alias_name(alias))
      throw damaged();
    aliases[alias] = number.get<int64_t>();
  }
  return aliases;
}

void write_aliases(const fs::path& path, const Aliases& aliases) {
  write_file(path, Json(aliases).dump(2) + "\n");
}

std::vector<int64_t> production_history(const Journal& journal, const Aliases& aliases) {
  History history;
  for (const JournalLine& line : journal.lines)
    if (line.alias == "production") history.follow(line);
  auto production = aliases.find("production");
  if (production == aliases.end()) return {};
  history.agree_with(production->second);
  std::vector<int64_t> numbers = history.numbers();
  auto previous = aliases.find("previous");
  // Without its journal a store still knows one step back.
  if (numbers.size() == 1 && previous != aliases.end() && previous->second != numbers[0])
    numbers.insert(numbers.begin(), previous->second);
  return numbers;
}

}  // namespace slmtune::store
