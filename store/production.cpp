// The moves of SnapshotStore that need no store lock: promote, rollback, withdraw.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "store/internal/store_state.h"

namespace slmtune::store {
namespace {

int64_t named(const Aliases& aliases, const char* alias) {
  auto found = aliases.find(alias);
  return found == aliases.end() ? 0 : found->second;
}

[[noreturn]] void nowhere_to_go(const SnapshotStore& store, const std::vector<PassedOver>& passed) {
  std::string what = "there is no earlier snapshot to go back to";
  for (const PassedOver& one : passed) what += fmt::format("; #{}: {}", one.number, one.why);
  throw UserError("S009", store.path().string(), what,
                  "choose one with 'slmtune snapshots promote'");
}

}  // namespace

int64_t step_back(const SnapshotStore& store, const std::vector<int64_t>& history,
                  const std::set<int64_t>& withdrawn, const Refused& refused,
                  std::vector<PassedOver>* passed) {
  for (size_t i = history.size() - std::min<size_t>(history.size(), 1); i-- > 0;) {
    const int64_t number = history[i];
    if (number == history.back()) continue;
    std::string why;
    if (!std::filesystem::exists(store.folder(number)))
      why = "it was removed";
    else if (withdrawn.count(number))
      why = "it is withdrawn";
    else if (auto found = refused.find(number); found != refused.end())
      why = found->second;
    if (why.empty()) return number;
    if (passed) passed->push_back({number, why});
  }
  return 0;
}

// "" when the content is whole.
std::string SnapshotStore::why_not(int64_t number) const {
  try {
    verify(number);
    return "";
  } catch (const Error& error) {
    return error.diagnostics().front().what;
  }
}

void SnapshotStore::move_production(ProductionMove& move, const JournalLine& line,
                                    JournalWriter& writer) {
  writer.append(line);
  State after = state();
  after.aliases["production"] = move.to;
  if (named(after.aliases, "candidate") == move.to) after.aliases.erase("candidate");
  after.aliases.erase("previous");
  move.previous =
      step_back(*this, production_history(after.journal, after.aliases), after.withdrawn);
  if (move.previous) after.aliases["previous"] = move.previous;
  write_aliases(aliases_path(), after.aliases);
}

ProductionMove SnapshotStore::promote(int64_t number, const std::string& reason) {
  auto refuse_withdrawn = [&](const SnapshotInfo& info) {
    if (info.is_withdrawn)
      throw UserError("S008", info.path.string(), fmt::format("snapshot #{} is withdrawn", number),
                      "train again without the rows that were to be forgotten");
  };
  refuse_withdrawn(show(number));
  verify(number);  // before the lock: the content never changes, and hashing may take a while
  JournalWriter writer(journal_path());
  refuse_withdrawn(show(number));  // gc or forget may have been faster
  const Aliases before = aliases();
  ProductionMove move{named(before, "production"), number, named(before, "previous"), {}};
  if (move.changed())
    move_production(move, {"promote", number, "production", move.from, reason, "", ""}, writer);
  return move;
}

ProductionMove SnapshotStore::rollback(const std::string& reason) {
  Refused refused;
  for (int64_t checked = 0;;) {
    {
      JournalWriter writer(journal_path());
      const State now = state();
      ProductionMove move{named(now.aliases, "production"), 0, 0, {}};
      if (!move.from)
        throw UserError("S009", path_.string(), "nothing is in production",
                        "choose a snapshot with 'slmtune snapshots promote'");
      move.to = step_back(*this, production_history(now.journal, now.aliases), now.withdrawn,
                          refused, &move.passed);
      if (!move.to) nowhere_to_go(*this, move.passed);
      if (move.to == checked) {
        move_production(move, {"rollback", move.to, "production", move.from, reason, "", ""},
                        writer);
        return move;
      }
      checked = move.to;
    }
    if (std::string why = why_not(checked); !why.empty()) refused[checked] = why;
  }
}

std::vector<int64_t> SnapshotStore::withdraw(const std::vector<int64_t>& numbers,
                                             const std::string& reason) {
  JournalWriter writer(journal_path());
  const std::set<int64_t> already = withdrawn_numbers(journal());
  std::vector<int64_t> marked;
  for (int64_t number : numbers) {
    if (already.count(number)) continue;
    writer.append({.action = "withdraw", .number = number, .reason = reason});
    marked.push_back(number);
  }
  State after = state();  // without aliases of what is withdrawn
  if (!after.aliases.count("previous"))
    if (int64_t previous =
            step_back(*this, production_history(after.journal, after.aliases), after.withdrawn))
      after.aliases["previous"] = previous;
  write_aliases(aliases_path(), after.aliases);
  return marked;
}

}  // namespace slmtune::store
