#include "store/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include "core/error.h"
#include "core/folder_removal.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSecondsPerWeek = 7 * 24 * 3600;

uint64_t bytes_of(const fs::path& folder) {
  uint64_t bytes = 0;
  std::error_code ignored;  // something that goes away meanwhile counts nothing
  for (const auto& entry : fs::recursive_directory_iterator(folder, ignored))
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  return bytes;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.'))
      folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

using Reasons = std::map<int64_t, std::string>;  // number → why it stays

void add_moves(const Journal& journal, const RetentionRule& rule, Reasons& reasons) {
  if (rule.weeks == 0) return;
  const int64_t since = rule.now - rule.weeks * kSecondsPerWeek;
  for (const JournalLine& line : journal.lines) {
    if (line.alias != "production" && line.target.empty()) continue;
    const auto time = seconds_of_utc(line.time);
    if (time && *time < since) continue;
    const std::string why = fmt::format(
        "{} in the last {} weeks",
        line.target.empty() ? "in production" : "deployed to " + line.target, rule.weeks);
    reasons.emplace(line.number, why);
    if (line.from) reasons.emplace(*line.from, why);
  }
}

// What serves is in use for as long as it serves, however long ago it was deployed.
void add_deployed(const Journal& journal, Reasons& reasons) {
  for (const auto& [target, move] : deployed_numbers(journal)) {
    if (move.number) reasons.emplace(move.number, "deployed to " + target);
    if (move.from) reasons.emplace(move.from, "deployed to " + target + " before");
  }
}

// Snapshots that serve as a base model of other snapshots, here or in a store beside this one.
void add_bases(const SnapshotStore& store, Reasons& reasons) {
  const fs::path home = fs::absolute(store.path()).lexically_normal();
  const fs::path beside =
      home.has_filename() ? home.parent_path() : home.parent_path().parent_path();
  for (const fs::path& other : folders_in(beside))
    for (const fs::path& snapshot : folders_in(other / "snapshots")) {
      std::error_code ignored;
      if (!fs::exists(snapshot / kManifestName, ignored)) continue;
      try {
        const fs::path base = read_manifest(snapshot).base_path;
        const fs::path folder = base.has_filename() ? base : base.parent_path();
        if (!fs::equivalent(folder.parent_path(), store.path() / "snapshots", ignored)) continue;
        reasons.emplace(read_manifest(folder).number,
                        fmt::format("base of {}#{}", other.filename().string(),
                                    read_manifest(snapshot).number));
      } catch (const Error&) {
        continue;  // `verify` reports a damaged manifest
      }
    }
}

// Those that stay whatever is asked for.
Reasons protected_numbers(const SnapshotStore& store, const RetentionRule& rule) {
  Reasons reasons;
  for (const auto& [alias, number] : store.aliases()) {
    std::string& why = reasons[number];
    why += (why.empty() ? "" : ", ") + alias;
  }
  const Journal journal = store.journal();
  add_moves(journal, rule, reasons);
  add_deployed(journal, reasons);
  add_bases(store, reasons);
  return reasons;
}

void plan_snapshots(const SnapshotStore& store, const RetentionRule& rule,
                    std::vector<Holding>& plan) {
  const Reasons reasons = protected_numbers(store, rule);
  const std::set<int64_t> withdrawn = withdrawn_numbers(store.journal());
  const std::vector<int64_t> numbers = store.published();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const int64_t number = numbers[i], newer = static_cast<int64_t>(numbers.size() - 1 - i);
    Holding holding{Holding::Kind::kSnapshot, number, store.folder(number), 0, false, ""};
    holding.bytes = bytes_of(holding.path);
    if (auto reason = reasons.find(number); reason != reasons.end()) {
      holding.why = reason->second;
    } else if (withdrawn.count(number)) {
      holding.goes = true;
      holding.why = "withdrawn";
    } else if (rule.keep && newer >= *rule.keep) {
      holding.goes = true;
      holding.why = fmt::format("older than the newest {}", *rule.keep);
    } else {
      holding.why = rule.keep ? fmt::format("one of the newest {}", *rule.keep) : "all stay";
    }
    plan.push_back(std::move(holding));
  }
}

// Exports follow their snapshot, whose holdings are in `plan`.
void plan_exports(const SnapshotStore& store, std::vector<Holding>& plan) {
  std::map<int64_t, bool> goes;
  for (const Holding& holding : plan) goes[holding.number] = holding.goes;
  for (const fs::path& folder : folders_in(store.path() / "exports")) {
    const std::string name = folder.filename().string();
    int64_t number = 0;
    auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || stop != name.data() + name.size() || number < 1) continue;
    auto snapshot = goes.find(number);
    Holding holding{Holding::Kind::kExports, number, folder, bytes_of(folder), true, ""};
    holding.goes = snapshot == goes.end() || snapshot->second;
    holding.why = fmt::format("of snapshot #{}{}", number, holding.goes ? ", which goes" : "");
    if (snapshot == goes.end()) holding.why = fmt::format("snapshot #{} is gone", number);
    plan.push_back(std::move(holding));
  }
}

void plan_checkpoints(const SnapshotStore& store, std::vector<Holding>& plan) {
  for (const fs::path& run : folders_in(store.path() / "runs")) {
    std::error_code ignored;
    const fs::path folder = run / "checkpoints";
    if (!fs::is_directory(folder, ignored)) continue;
    const bool finished = fs::exists(run / "summary.json", ignored);
    plan.push_back({Holding::Kind::kCheckpoints, 0, folder, bytes_of(folder), finished,
                    finished ? "the run is finished" : "the run can be resumed"});
  }
}

}  // namespace

std::optional<int64_t> seconds_of_utc(const std::string& text) {
  if (text.size() != 20 || text[10] != 'T' || text.back() != 'Z') return std::nullopt;
  auto part = [&](size_t at, size_t length) {
    int value = -1;
    auto [stop, error] = std::from_chars(&text[at], &text[at] + length, value);
    return error == std::errc() && stop == &text[at] + length ? value : -1;
  };
  const int year = part(0, 4), month = part(5, 2), day = part(8, 2);
  const int hour = part(11, 2), minute = part(14, 2), second = part(17, 2);
  if (std::min({year, month, day, hour, minute, second}) < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

std::vector<Holding> plan_retention(const SnapshotStore& store, const RetentionRule& rule) {
  std::vector<Holding> plan;
  plan_snapshots(store, rule, plan);
  plan_exports(store, plan);
  plan_checkpoints(store, plan);
  return plan;
}

std::vector<Holding> apply_retention(SnapshotStore& store, const RetentionRule& rule) {
  std::vector<Holding> plan;
  {
    JournalWriter writer(store.journal_path());  // no alias moves between the plan and the renames
    plan = plan_retention(store, rule);
    for (const Holding& holding : plan) {
      if (!holding.goes) continue;
      if (holding.kind == Holding::Kind::kSnapshot)
        store.remove(holding.number, "gc: " + holding.why, writer);
      else
        hide_folder(holding.path);
    }
  }
  store.empty_trash();
  return plan;
}

}  // namespace slmtune::store
