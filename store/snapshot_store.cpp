#include "store/snapshot_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/folder_removal.h"
#include "core/text.h"
#include "core/version.h"
#include "store/internal/store_state.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStagingPrefix = ".staging-";

// A whole text of digits, greater than 0, that has a number after it.
std::optional<int64_t> parse_number(std::string_view text) {
  int64_t number = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = error == std::errc() && stop == text.data() + text.size();
  const bool in_range = number > 0 && number < std::numeric_limits<int64_t>::max();
  return whole && in_range ? std::optional(number) : std::nullopt;
}

// Numbers of the folders in `folder` (none when it is missing) whose names are `prefix` and digits
// as folder() writes them.
std::vector<int64_t> numbered_folders(const fs::path& folder, std::string_view prefix) {
  std::vector<int64_t> numbers;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !entry.is_directory()) continue;
    auto number = parse_number(std::string_view(name).substr(prefix.size()));
    if (number && name == fmt::format("{}{:04}", prefix, *number)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

SnapshotStore SnapshotStore::open(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path / "snapshots", ignored))
    throw UserError("N002", path.string(), "no store here",
                    "train first, or name the folder that the recipe's 'store' key gives");
  return SnapshotStore(path);
}

SnapshotStore SnapshotStore::create_or_open(const fs::path& path) {
  make_folder(path / "snapshots");
  return SnapshotStore(path);
}

fs::path SnapshotStore::folder(int64_t number) const {
  return path_ / "snapshots" / fmt::format("{:04}", number);
}

fs::path SnapshotStore::staging(int64_t number) const {
  return path_ / "snapshots" / fmt::format("{}{:04}", kStagingPrefix, number);
}

std::vector<int64_t> SnapshotStore::published() const {
  return numbered_folders(path_ / "snapshots", "");
}

SnapshotStore::State SnapshotStore::state() const {
  State state{journal(), read_aliases(aliases_path()), published(), {}};
  state.withdrawn = withdrawn_numbers(state.journal);
  // Not what the file says: a crash right after a snapshot was published leaves it one behind.
  state.aliases.erase("latest");
  for (int64_t number : state.published)
    if (!state.withdrawn.count(number)) state.aliases["latest"] = number;
  for (const char* alias : {"candidate", "previous"})
    if (state.aliases.count(alias) && state.withdrawn.count(state.aliases[alias]))
      state.aliases.erase(alias);
  if (state.aliases.count("production") && !state.aliases.count("previous"))
    if (int64_t previous =
            step_back(*this, production_history(state.journal, state.aliases), state.withdrawn))
      state.aliases["previous"] = previous;
  return state;
}

Aliases SnapshotStore::aliases() const {
  return state().aliases;
}

int64_t SnapshotStore::next_number() const {
  using Place = std::pair<const char*, const char*>;
  int64_t highest = highest_number(journal());
  for (const auto& [folder, prefix] :
       {Place("snapshots", ""), Place("snapshots", kStagingPrefix), Place("exports", "")})
    for (int64_t number : numbered_folders(path_ / folder, prefix))
      highest = std::max(highest, number);
  return highest + 1;
}

int64_t SnapshotStore::claim() {
  JournalWriter writer(journal_path());
  int64_t number = next_number();
  // mkdir decides between two processes.
  while (mkdir(staging(number).c_str(), 0755) != 0) {
    if (errno != EEXIST)
      throw_io_error(staging(number).string(), "cannot create the folder", errno);
    ++number;
  }
  try {
    writer.append({.action = "claim", .number = number});
  } catch (...) {
    discard(number);
    throw;
  }
  return number;
}

SnapshotInfo SnapshotStore::publish(Manifest manifest, const std::string& reason) {
  const fs::path from = staging(manifest.number), to = folder(manifest.number);
  SLMTUNE_ASSERT(fs::is_directory(from), "publish of a number that was not claimed");
  if (manifest.created.empty()) manifest.created = utc_now();
  if (manifest.program_version.empty()) manifest.program_version = version();
  manifest.files = seal_files(from);
  manifest.content = content_hash(manifest.files);
  write_manifest(from, manifest);
  seal_file(from / kManifestName);
  publish_folder(from, to);
  JournalWriter writer(journal_path());
  record_publish(manifest.number, reason, writer);
  return show(manifest.number);
}

void SnapshotStore::record_publish(int64_t number, const std::string& reason,
                                   JournalWriter& writer) {
  const State now = state();
  auto tells_of_it = [&](const JournalLine& line) {
    return line.action == "publish" && line.number == number;
  };
  if (std::none_of(now.journal.lines.begin(), now.journal.lines.end(), tells_of_it))
    writer.append({.action = "publish", .number = number, .alias = "latest", .reason = reason});
  Aliases after = now.aliases;
  if (!after.count("production") || after["production"] != number) after["candidate"] = number;
  write_aliases(aliases_path(), after);
}

void SnapshotStore::discard(int64_t number) const noexcept {
  std::error_code ignored;
  fs::remove_all(staging(number), ignored);
}

int64_t SnapshotStore::sweep() {
  JournalWriter writer(journal_path());
  const std::vector<int64_t> left = numbered_folders(path_ / "snapshots", kStagingPrefix);
  for (int64_t number : left) {
    // The folder alone may know of the number.
    writer.append({.action = "abandon", .number = number});
    std::error_code error;
    fs::remove_all(staging(number), error);
    if (error) throw_io_error(staging(number).string(), "cannot remove", error.value());
  }
  const State now = state();
  if (now.aliases.count("latest")) {
    const int64_t latest = now.aliases.at("latest");
    // The file has the number since the publication wrote it, last of all.
    if (read_aliases(aliases_path())["latest"] < latest)
      record_publish(latest, "its run was stopped right after publishing it", writer);
  }
  remove_temporaries(path_);
  empty_trash();
  return static_cast<int64_t>(left.size());
}

void SnapshotStore::remove(int64_t number, const std::string& reason, JournalWriter& writer) {
  writer.append({.action = "remove", .number = number, .reason = reason});
  hide_folder(folder(number));
}

void SnapshotStore::empty_trash() {
  remove_hidden(path_ / "snapshots");
  remove_hidden(path_ / "exports");
  std::error_code missing;
  for (const auto& run : fs::directory_iterator(path_ / "runs", missing))
    remove_hidden(run.path());  // their checkpoints
}

std::vector<SnapshotInfo> SnapshotStore::list() const {
  std::vector<SnapshotInfo> result;
  const State now = state();
  for (int64_t number : now.published) {
    try {
      result.push_back(show(number, now));
    } catch (const FileFormatError& error) {
      if (error.code() != "S005") throw;
      result.push_back({number,
                        folder(number),
                        {},
                        {},
                        now.withdrawn.count(number) > 0,
                        error.diagnostics().front().what});
    }
  }
  return result;
}

SnapshotInfo SnapshotStore::show(int64_t number) const {
  return show(number, state());
}

SnapshotInfo SnapshotStore::show(int64_t number, const State& state) const {
  if (!fs::exists(folder(number)))
    throw UserError("S001", path_.string(), fmt::format("there is no snapshot #{}", number),
                    "'slmtune snapshots list' shows what is there");
  SnapshotInfo info{
      number, folder(number), read_manifest(folder(number)), {}, state.withdrawn.count(number) > 0,
      {}};
  if (info.manifest.number != number)
    throw FileFormatError("S005", (info.path / kManifestName).string(),
                          fmt::format("it is the manifest of snapshot #{}", info.manifest.number),
                          "restore this snapshot from a backup");
  for (const auto& [alias, target] : state.aliases)
    if (target == number) info.aliases.push_back(alias);
  return info;
}

std::optional<SnapshotInfo> SnapshotStore::of_run(const std::string& run) const {
  if (run.empty()) return std::nullopt;
  std::vector<SnapshotInfo> all = list();
  auto found =
      std::find_if(all.rbegin(), all.rend(), [&](auto& info) { return info.manifest.run == run; });
  return found == all.rend() ? std::nullopt : std::optional(std::move(*found));
}

SnapshotInfo SnapshotStore::verify(int64_t number) const {
  SnapshotInfo info = show(number);
  verify_snapshot(info.path);
  return info;
}

int64_t SnapshotStore::number_of(const std::string& text) const {
  std::string name = text.starts_with('#') ? text.substr(1) : text;
  if (!is_alias_name(name))
    throw UserError("S003", path_.string(), "'" + shown(text) + "' is no number and no alias",
                    "write it as #42 or #latest");
  if (auto number = parse_number(name)) {
    if (!fs::exists(folder(*number))) show(*number);  // says S001
    return *number;
  }
  const Aliases all = aliases();
  auto found = all.find(name);
  if (found != all.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [alias, number] : all) names.push_back(alias);
  throw UserError(
      "S002", path_.string(), "there is no alias '" + name + "'",
      names.empty() ? "the store has no snapshot yet" : "the aliases are " + quoted_list(names));
}

}  // namespace slmtune::store
