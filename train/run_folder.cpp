#include "train/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ranges>
#include <sstream>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "train/event_file.h"

namespace slmtune::train {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxLogBytes = 4ull << 30;
constexpr const char* kRecipeName = "recipe.yaml";
constexpr const char* kOutcomeName = "outcome.json";
constexpr const char* kLogName = "log.jsonl";

// The id at the end of a run's name; 0 for any other folder.
int64_t id_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const size_t dash = name.rfind('-');
  int64_t id = 0;
  if (dash == name.npos) return 0;
  const char* end = name.data() + name.size();
  auto [stop, error] = std::from_chars(name.data() + dash + 1, end, id);
  return error == std::errc() && stop == end ? id : 0;
}

// Oldest first.
std::vector<fs::path> run_folders(const fs::path& store) {
  std::vector<fs::path> folders;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(store / "runs", missing))
    if (fs::exists(entry.path() / kRecipeName)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    return std::pair(id_of(a), a) < std::pair(id_of(b), b);
  });
  return folders;
}

// "20260131T090507Z-0042"
std::string name_of(int64_t id) {
  std::string time;
  for (char c : utc_now())
    if (c != '-' && c != ':') time += c;
  return fmt::format("{}-{:04}", time, id);
}

std::string tag_of(const std::string& key) {
  return key.starts_with("valid_") ? "valid/" + key.substr(6) : "train/" + key;
}

// Whether a checkpoint of `step` includes what the line tells.
bool is_done(const std::string& line, int64_t step, bool validated) {
  Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || !record.contains("step")) return false;
  const Json& value = record["step"];
  if (!value.is_number_integer()) return false;
  const auto of_line = value.get<int64_t>();
  if (of_line == step && record.contains("valid_loss")) return validated;
  return of_line <= step;
}

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {}

RunFolder RunFolder::create(const fs::path& store, const std::string& recipe_text) {
  std::error_code missing;
  int64_t id = 0;
  for (const auto& entry : fs::directory_iterator(store / "runs", missing)) {
    const int64_t of_entry = id_of(entry.path());
    id = std::max(id, of_entry);
    // Cut short before its recipe was written; the store's lock keeps others from being there now.
    if (of_entry > 0 && !fs::exists(entry.path() / kRecipeName, missing))
      fs::remove_all(entry.path(), missing);
  }
  const fs::path folder = store / "runs" / name_of(id + 1);
  make_folder(folder);
  write_file(folder / kLogName, "");  // its entry is on the disk before its lines are
  write_file(folder / kRecipeName, recipe_text);
  return RunFolder(folder);
}

RunFolder RunFolder::open(const fs::path& folder) {
  if (!fs::is_directory(folder) || !fs::exists(folder / kRecipeName))
    throw UserError("N001", folder.string(), "no run folder here",
                    "a run is a folder STORE/runs/<time>-<id> with a recipe.yaml");
  return RunFolder(folder);
}

std::vector<RunFolder> RunFolder::unfinished(const fs::path& store) {
  std::vector<RunFolder> runs;
  for (const fs::path& folder : std::views::reverse(run_folders(store))) {
    RunFolder run(folder);
    if (run.is_complete()) break;
    runs.push_back(std::move(run));
  }
  return runs;
}

bool RunFolder::is_complete() const {
  return fs::exists(path_ / "summary.json");
}

void RunFolder::log(int64_t step, const OrderedJson& record) {
  append_line(path_ / kLogName, record.dump());
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : record.items()) {
    if (!value.is_number() || key == "step" || !std::isfinite(value.get<double>())) continue;
    scalars.emplace_back(tag_of(key), value.get<double>());
  }
  if (events_.empty()) events_ = start_event_file(path_, step);
  append_scalars(events_, step, scalars);
}

void RunFolder::sync_log() const {
  if (fs::exists(path_ / kLogName)) sync_file(path_ / kLogName);
}

void RunFolder::rewind(int64_t step, bool validated) {
  const fs::path log = path_ / kLogName;
  if (fs::exists(log)) {
    std::istringstream lines(read_text_file(log, kMaxLogBytes));
    std::string kept, line;
    while (std::getline(lines, line))
      if (is_done(line, step, validated)) kept += line + '\n';
    write_file(log, kept);
  }
  events_ = start_event_file(path_, step + 1);
}

void RunFolder::finish(const OrderedJson& summary) {
  write_file(path_ / "summary.json", summary.dump(2) + "\n");
  std::error_code ignored;  // it has served; if it stays, nobody reads it
  fs::remove(path_ / kOutcomeName, ignored);
}

void RunFolder::set_outcome(const OrderedJson& outcome) {
  write_file(path_ / kOutcomeName, outcome.dump(2) + "\n");
}

OrderedJson RunFolder::outcome() const {
  const fs::path file = path_ / kOutcomeName;
  if (!fs::exists(file)) return nullptr;
  OrderedJson outcome = OrderedJson::parse(read_text_file(file), nullptr, false);
  return outcome.is_object() ? outcome : OrderedJson(nullptr);
}

}  // namespace slmtune::train
