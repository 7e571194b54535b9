#include "ops/deploy/deploy_state.h"

#include <algorithm>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/sealed_json.h"
#include "ops/deploy/target.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSeal = "state_sha256";

OrderedJson to_json(const Deployed& one) {
  OrderedJson json = {{"number", one.number}, {"file", one.file.string()}, {"sha256", one.sha256},
                      {"bytes", one.bytes},   {"time", one.time},          {"name", one.name}};
  if (one.is_adapter) json["adapter"] = true;
  if (one.is_checked) json["checked"] = true;
  if (one.is_return) json["return"] = true;
  if (one.pid) {
    json["pid"] = one.pid;
    json["start_ticks"] = one.start_ticks;
  }
  if (one.port) json["port"] = one.port;
  if (!one.digest.empty()) json["digest"] = one.digest;
  return json;
}

Deployed from_json(const Json& json) {
  Deployed one;
  one.number = json.at("number").get<int64_t>();
  one.file = json.at("file").get<std::string>();
  one.sha256 = json.at("sha256").get<std::string>();
  one.bytes = json.at("bytes").get<uint64_t>();
  one.time = json.at("time").get<std::string>();
  one.name = json.at("name").get<std::string>();
  one.is_adapter = json.value("adapter", false);
  one.is_checked = json.value("checked", false);
  one.is_return = json.value("return", false);
  one.pid = json.value("pid", int64_t{0});
  one.start_ticks = json.value("start_ticks", uint64_t{0});
  one.port = json.value("port", int64_t{0});
  one.digest = json.value("digest", "");
  return one;
}

OrderedJson optional_json(const std::optional<Deployed>& one) {
  return one ? to_json(*one) : OrderedJson(nullptr);
}

std::optional<Deployed> optional_from(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(from_json(json));
}

FileFormatError damaged(const fs::path& file) {
  return {"V008", file.string(), "the record of what this target serves is damaged",
          "remove it and deploy again; what the target serves goes on meanwhile"};
}

}  // namespace

void DeployState::exchange() {
  leaving = current;
  if (pending->is_return) {
    if (!earlier.empty()) earlier.pop_back();
  } else if (current && !current->same_file(*pending)) {
    earlier.push_back(*current);
  }
  current = pending;
  current->is_return = false;
  pending.reset();
}

bool DeployState::has_name(const std::string& name) const {
  const auto fits = [&](const Deployed& one) { return one.name == name; };
  return (current && fits(*current)) || std::any_of(earlier.begin(), earlier.end(), fits);
}

std::string DeployState::free_name(const std::string& stem, const std::string& extension,
                                   const Deployed& wanted) const {
  constexpr size_t kHashPart = 8;
  const auto takes = [&](const Deployed& one) {
    return one.name == stem + extension && !one.same_file(wanted);
  };
  const bool is_taken =
      (current && takes(*current)) || std::any_of(earlier.begin(), earlier.end(), takes);
  return stem + (is_taken ? "-" + wanted.sha256.substr(0, kHashPart) : "") + extension;
}

fs::path state_file(const fs::path& store, const std::string& target) {
  return deploy_folder(store) / (target + ".json");
}

DeployState read_state(const fs::path& store, const std::string& target) {
  DeployState state;
  state.target = target;
  const fs::path file = state_file(store, target);
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return state;
  const std::string text = read_text_file(file, 4 << 20);
  if (!is_seal_whole(text, kSeal)) throw damaged(file);
  try {
    const Json json = Json::parse(text);
    state.kind = json.at("kind").get<std::string>();
    state.current = optional_from(json.at("current"));
    state.pending = optional_from(json.at("pending"));
    state.leaving = optional_from(json.at("leaving"));
    for (const Json& one : json.at("earlier")) state.earlier.push_back(from_json(one));
    state.failed_number = json.value("failed_number", int64_t{0});
    state.failed_code = json.value("failed_code", "");
    state.failed_time = json.value("failed_time", "");
    state.is_paused = json.value("paused", false);
  } catch (const Json::exception&) {
    throw damaged(file);
  }
  return state;
}

void write_state(const fs::path& store, const DeployState& state) {
  OrderedJson json = {{"schema", 1},
                      {"target", state.target},
                      {"kind", state.kind},
                      {"current", optional_json(state.current)},
                      {"pending", optional_json(state.pending)},
                      {"leaving", optional_json(state.leaving)},
                      {"earlier", OrderedJson::array()}};
  for (const Deployed& one : state.earlier) json["earlier"].push_back(to_json(one));
  if (state.failed_number) {
    json["failed_number"] = state.failed_number;
    json["failed_code"] = state.failed_code;
    json["failed_time"] = state.failed_time;
  }
  if (state.is_paused) json["paused"] = true;
  make_folder(deploy_folder(store));
  write_file(state_file(store, state.target), sealed(std::move(json), kSeal));
}

std::vector<std::string> deployed_targets(const fs::path& store) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(deploy_folder(store), missing))
    if (entry.path().extension() == ".json" && !entry.path().filename().string().starts_with('.'))
      names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace slmtune::ops
