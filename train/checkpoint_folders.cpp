#include "train/checkpoint_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/folder_removal.h"
#include "core/log.h"
#include "core/sealed_json.h"
#include "core/sha256.h"

namespace slmtune::train {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kStateFormat = 2;
constexpr const char* kPrefix = "step-";
constexpr const char* kDamagedHelp =
    "use an earlier checkpoint; if this happens again, check the disk";

[[noreturn]] void damaged(const fs::path& file, const std::string& what) {
  throw FileFormatError("F081", file.string(), what, kDamagedHelp);
}

std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  auto [stop, error] = std::from_chars(name.data() + std::string_view(kPrefix).size(), end, step);
  if (error != std::errc() || stop != end || step < 0) return std::nullopt;
  return step;
}

// Whether the folder is out of sight; room that cannot be freed does not stop a training run.
bool hide(const fs::path& folder) {
  try {
    hide_folder(folder);
    return true;
  } catch (const IoError& error) {
    log_warning("an old checkpoint stays: " + error.diagnostics().front().where + ": " +
                error.diagnostics().front().what);
    return false;
  }
}

OrderedJson optional_json(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

std::optional<double> optional_number(const Json& object, const std::string& key,
                                      const std::string& where) {
  if (!object.contains(key) || object[key].is_null()) return std::nullopt;
  return json_number(object, key, where);
}

const Json& object_member(const Json& object, const std::string& key, const fs::path& file) {
  if (!object.contains(key) || !object[key].is_object())
    damaged(file, "'" + key + "' is missing or no object");
  return object[key];
}

std::map<std::string, double> numbers_member(const Json& object, const std::string& key,
                                             const fs::path& file) {
  std::map<std::string, double> numbers;
  const Json& member = object_member(object, key, file);
  for (const auto& [name, value] : member.items())
    numbers[name] = json_number(member, name, file.string());
  return numbers;
}

constexpr const char* kSealName = "state_sha256";

void check_seal(const fs::path& file) {
  if (!is_seal_whole(read_text_file(file), kSealName))
    damaged(file, "the file changed since it was saved");
}

Json state_json(const fs::path& file) {
  Json json = read_json(file);
  if (!json.is_object() || json_integer(json, "format", file.string()) != kStateFormat)
    damaged(file, "not the state of a checkpoint that this version can read");
  return json;
}

TrainState parse_state(const Json& json, const fs::path& file) {
  const std::string where = file.string();
  TrainState state;
  state.step = json_integer(json, "step", where);
  state.rows_seen = json_integer(json, "rows_seen", where);
  state.tokens_seen = json_integer(json, "tokens_seen", where);
  state.seconds = json_number(json, "seconds", where);
  state.first_loss = optional_number(json, "first_loss", where);
  state.last_loss = optional_number(json, "last_loss", where);
  state.valid_loss = optional_number(json, "valid_loss", where);
  state.best_valid_loss = optional_number(json, "best_valid_loss", where);
  state.valid_step = json_integer(json, "valid_step", where);
  state.best_valid_step = json_integer(json, "best_valid_step", where);
  state.skipped_steps = json_integer(json, "skipped_steps", where);
  state.bad_steps = json_integer(json, "bad_steps", where);
  if (state.step < 0 || state.rows_seen < 0 || state.tokens_seen < 0 || !(state.seconds >= 0.0) ||
      state.skipped_steps < 0 || state.bad_steps < 0)
    damaged(file, "a count is negative");
  if (json.contains("halvings")) state.halvings = read_halvings(json["halvings"], where);
  state.gpu_kwh = optional_number(json, "gpu_kwh", where);
  const Json& identity = object_member(json, "identity", file);
  for (const auto& [key, value] : identity.items()) {
    if (!value.is_string()) damaged(file, "'identity' holds something that is no text");
    state.identity[key] = value.get<std::string>();
  }
  state.metrics = numbers_member(json, "metrics", file);
  state.valid_metrics = numbers_member(json, "valid_metrics", file);
  return state;
}

void verify_files(const fs::path& folder, const Json& files, const fs::path& state_file) {
  for (const char* name : kCheckpointFiles) {
    const Json& entry = object_member(files, name, state_file);
    fs::path file = folder / name;
    std::error_code missing;
    uintmax_t bytes = fs::file_size(file, missing);
    if (missing) damaged(file, "the file is missing from the checkpoint");
    if (json_integer(entry, "bytes", state_file.string()) != static_cast<int64_t>(bytes))
      damaged(file, "the file does not have the size it was saved with");
    if (json_text(entry, "sha256", state_file.string()) != sha256_file(file))
      damaged(file, "the file changed since it was saved");
  }
}

}  // namespace

fs::path checkpoint_path(const fs::path& run, int64_t step) {
  return run / "checkpoints" / fmt::format("{}{:06}", kPrefix, step);
}

std::vector<CheckpointFolder> checkpoint_folders(const fs::path& run) {
  std::vector<CheckpointFolder> folders;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", missing)) {
    std::optional<int64_t> step = step_of(entry.path().filename().string());
    if (step && fs::exists(entry.path() / "state.json")) folders.push_back({*step, entry.path()});
  }
  std::sort(folders.begin(), folders.end(),
            [](const auto& a, const auto& b) { return a.step < b.step; });
  return folders;
}

void remove_old_checkpoints(const fs::path& run, int64_t newest_step, int64_t best_step, int keep) {
  int kept = 0;
  bool all_hidden = true;
  std::vector<CheckpointFolder> folders = checkpoint_folders(run);
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    const bool belongs = folder->step <= newest_step;
    if (belongs && kept < keep)
      ++kept;
    else if (!belongs || folder->step != best_step)
      all_hidden = hide(folder->path) && all_hidden;
  }
  if (all_hidden) sweep_checkpoints(run);
}

void sweep_checkpoints(const fs::path& run) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", ignored))
    if (entry.path().filename().string().starts_with('.')) fs::remove_all(entry.path(), ignored);
}

void write_state(const fs::path& folder, const TrainState& state) {
  OrderedJson json = {{"format", kStateFormat},
                      {"step", state.step},
                      {"rows_seen", state.rows_seen},
                      {"tokens_seen", state.tokens_seen},
                      {"seconds", state.seconds},
                      {"first_loss", optional_json(state.first_loss)},
                      {"last_loss", optional_json(state.last_loss)},
                      {"valid_loss", optional_json(state.valid_loss)},
                      {"metrics", state.metrics},
                      {"valid_metrics", state.valid_metrics},
                      {"best_valid_loss", optional_json(state.best_valid_loss)},
                      {"valid_step", state.valid_step},
                      {"best_valid_step", state.best_valid_step},
                      {"skipped_steps", state.skipped_steps},
                      {"bad_steps", state.bad_steps},
                      {"halvings", halvings_json(state.halvings)},
                      {"gpu_kwh", optional_json(state.gpu_kwh)},
                      {"identity", state.identity},
                      {"files", OrderedJson::object()}};
  for (const char* name : kCheckpointFiles)
    json["files"][name] = {{"bytes", fs::file_size(folder / name)},
                           {"sha256", sha256_file(folder / name)}};
  write_file(folder / "state.json", sealed(json, kSealName));
}

TrainState read_state(const fs::path& folder) {
  const fs::path file = folder / "state.json";
  TrainState state = parse_state(state_json(file), file);
  check_seal(file);
  return state;
}

TrainState read_verified_state(const fs::path& folder) {
  const fs::path file = folder / "state.json";
  const Json json = state_json(file);
  TrainState state = parse_state(json, file);
  check_seal(file);
  verify_files(folder, object_member(json, "files", file), file);
  return state;
}

}  // namespace slmtune::train
