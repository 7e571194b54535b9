#include "store/snapshot_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "core/version.h"
#include "store/journal.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStagingPrefix = ".staging-";

// A whole text of digits, greater than 0.
std::optional<int64_t> parse_number(std::string_view text) {
  int64_t number = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = error == std::errc() && stop == text.data() + text.size();
  return whole && number > 0 ? std::optional(number) : std::nullopt;
}

// Numbers of the folders in `folder` whose names are `prefix` and digits.
std::vector<int64_t> numbered_folders(const fs::path& folder, std::string_view prefix) {
  std::vector<int64_t> numbers;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !entry.is_directory()) continue;
    if (auto number = parse_number(std::string_view(name).substr(prefix.size())))
      numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

bool is_alias_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
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
  std::vector<int64_t> numbers = numbered_folders(path_ / "snapshots", "");
  std::erase_if(numbers,
                [&](int64_t number) { return !fs::exists(folder(number)); });  // "7" is not "0007"
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

int64_t SnapshotStore::highest_number() const {
  int64_t highest = highest_journal_number(path_ / "journal.jsonl");
  for (std::string_view prefix : {std::string_view(""), std::string_view(kStagingPrefix)})
    for (int64_t number : numbered_folders(path_ / "snapshots", prefix))
      highest = std::max(highest, number);
  return highest;
}

int64_t SnapshotStore::claim() {
  int64_t number = highest_number() + 1;
  // mkdir decides between two processes.
  while (mkdir(staging(number).c_str(), 0755) != 0) {
    if (errno != EEXIST)
      throw_io_error(staging(number).string(), "cannot create the folder", errno);
    ++number;
  }
  append_journal(path_ / "journal.jsonl", {"claim", number, "", ""});
  return number;
}

SnapshotInfo SnapshotStore::publish(Manifest manifest, const std::string& reason) {
  const fs::path from = staging(manifest.number), to = folder(manifest.number);
  SLMTUNE_ASSERT(fs::is_directory(from), "publish of a number that was not claimed");
  if (manifest.created.empty()) manifest.created = utc_now();
  if (manifest.program_version.empty()) manifest.program_version = version();
  manifest.files = record_files(from);
  write_file(from / "manifest.json", manifest_to_json(manifest).dump(2) + "\n");
  publish_folder(from, to);
  move_alias("latest", manifest.number, "publish", reason);
  return show(manifest.number);
}

int64_t SnapshotStore::sweep() {
  std::vector<int64_t> numbers = numbered_folders(path_ / "snapshots", kStagingPrefix);
  for (int64_t number : numbers) {
    std::error_code error;
    fs::remove_all(staging(number), error);
    if (error) throw_io_error(staging(number).string(), "cannot remove", error.value());
  }
  return static_cast<int64_t>(numbers.size());
}

std::vector<SnapshotInfo> SnapshotStore::list() const {
  std::vector<SnapshotInfo> result;
  for (int64_t number : published()) {
    try {
      result.push_back(show(number));
    } catch (const FileFormatError& error) {
      if (error.code() != "S005") throw;
      result.push_back({number, folder(number), {}, {}, error.diagnostics().front().what});
    }
  }
  return result;
}

SnapshotInfo SnapshotStore::show(int64_t number) const {
  if (!fs::exists(folder(number)))
    throw UserError("S001", path_.string(), fmt::format("there is no snapshot #{}", number),
                    "'slmtune snapshots list' shows what is there");
  SnapshotInfo info{number, folder(number), read_manifest(folder(number)), {}, {}};
  if (info.manifest.number != number)
    throw FileFormatError("S005", (info.path / "manifest.json").string(),
                          fmt::format("it is the manifest of snapshot #{}", info.manifest.number),
                          "restore this snapshot from a backup");
  for (const auto& [alias, target] : aliases())
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

std::map<std::string, int64_t> SnapshotStore::aliases() const {
  std::map<std::string, int64_t> result;
  const fs::path path = path_ / "aliases.json";
  if (fs::exists(path)) {
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
      if (!number.is_number_integer() || !is_alias_name(alias)) throw damaged();
      result[alias] = number.get<int64_t>();
    }
  }
  // A crash between the rename and the move of the alias leaves it one behind.
  std::vector<int64_t> numbers = published();
  if (!numbers.empty()) result["latest"] = numbers.back();
  return result;
}

void SnapshotStore::move_alias(const std::string& alias, int64_t number, const std::string& action,
                               const std::string& reason) {
  std::map<std::string, int64_t> all = aliases();
  all[alias] = number;
  write_file(path_ / "aliases.json", Json(all).dump(2) + "\n");
  append_journal(path_ / "journal.jsonl", {action, number, alias, reason});
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
  std::map<std::string, int64_t> all = aliases();
  auto found = all.find(name);
  if (found != all.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [alias, number] : all) names.push_back(alias);
  throw UserError(
      "S002", path_.string(), "there is no alias '" + name + "'",
      names.empty() ? "the store has no snapshot yet" : "the aliases are " + quoted_list(names));
}

}  // namespace slmtune::store
