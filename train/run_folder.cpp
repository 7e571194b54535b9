#include "train/run_folder.h"

#include <algorithm>
#include <cmath>
#include <random>
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

// "20260131T090507Z-1a2b": sorts by time; the digits keep two runs of one second apart.
std::string fresh_name() {
  std::string name;
  for (char c : utc_now())
    if (c != '-' && c != ':') name += c;
  std::random_device random;
  constexpr char kDigits[] = "0123456789abcdef";
  name += '-';
  for (int i = 0; i < 4; ++i) name += kDigits[random() & 15];
  return name;
}

std::string tag_of(const std::string& key) {
  return key.starts_with("valid_") ? "valid/" + key.substr(6) : "train/" + key;
}

bool is_up_to(const std::string& line, int64_t step) {
  Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || !record.contains("step")) return false;
  const Json& value = record["step"];
  return value.is_number_integer() && value.get<int64_t>() <= step;
}

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {}

RunFolder RunFolder::create(const fs::path& store, const std::string& recipe_text) {
  fs::path runs = store / "runs", folder;
  do folder = runs / fresh_name();
  while (fs::exists(folder));
  make_folder(folder);
  write_file(folder / "recipe.yaml", recipe_text);
  return RunFolder(folder);
}

RunFolder RunFolder::open(const fs::path& folder) {
  if (!fs::is_directory(folder) || !fs::exists(folder / "recipe.yaml"))
    throw UserError("N001", folder.string(), "no run folder here",
                    "a run is a folder STORE/runs/<time>-<id> with a recipe.yaml");
  return RunFolder(folder);
}

std::optional<RunFolder> RunFolder::find_resumable(const fs::path& store,
                                                   const std::string& recipe_text) {
  std::vector<fs::path> folders;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(store / "runs", missing))
    folders.push_back(entry.path());
  std::sort(folders.rbegin(), folders.rend());
  for (const fs::path& folder : folders) {
    if (!fs::exists(folder / "recipe.yaml") || fs::exists(folder / "summary.json")) continue;
    if (read_text_file(folder / "recipe.yaml") == recipe_text) return RunFolder(folder);
  }
  return std::nullopt;
}

void RunFolder::log(int64_t step, const OrderedJson& record) {
  append_line(path_ / "log.jsonl", record.dump());
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : record.items()) {
    if (!value.is_number() || key == "step" || !std::isfinite(value.get<double>())) continue;
    scalars.emplace_back(tag_of(key), value.get<double>());
  }
  if (events_.empty()) events_ = start_event_file(path_, step);
  append_scalars(events_, step, scalars);
}

void RunFolder::rewind(int64_t step) {
  fs::path log = path_ / "log.jsonl";
  if (fs::exists(log)) {
    std::istringstream lines(read_text_file(log, kMaxLogBytes));
    std::string kept, line;
    while (std::getline(lines, line))
      if (is_up_to(line, step)) kept += line + '\n';
    write_file(log, kept);
  }
  events_ = start_event_file(path_, step + 1);
}

void RunFolder::finish(const OrderedJson& summary) {
  write_file(path_ / "summary.json", summary.dump(2) + "\n");
}

}  // namespace slmtune::train
