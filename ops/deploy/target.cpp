#include "ops/deploy/target.h"

#include <algorithm>
#include <map>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "ops/deploy/address.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kKinds = {"folder", "llama-server", "ollama", "lmstudio"};

// Which kinds a key belongs to; those that are not here belong to all.
const std::map<std::string, std::vector<std::string>>& kinds_of_keys() {
  static const std::map<std::string, std::vector<std::string>> table = {
      {"path", {"folder", "lmstudio"}},
      {"server", {"llama-server"}},
      {"port", {"llama-server"}},
      {"host", {"llama-server"}},
      {"arguments", {"llama-server"}},
      {"url", {"ollama"}},
      {"base", {"ollama"}},
      {"context", {"ollama"}},
      {"token_file", {"llama-server", "ollama"}},
      {"allow_remote", {"ollama"}},
      {"wait_seconds", {"llama-server", "ollama"}},
  };
  return table;
}

bool belongs(const std::string& key, const std::string& kind) {
  auto row = kinds_of_keys().find(key);
  return row == kinds_of_keys().end() ||
         std::find(row->second.begin(), row->second.end(), kind) != row->second.end();
}

// Arguments that slmtune gives itself, or that would show a secret in the list of processes.
void check_arguments(const Target& target, YamlReader& yaml) {
  for (const char* own : {"-m", "--model", "--port", "--host", "-a", "--alias", "--api-key-file"})
    for (const std::string& argument : target.arguments)
      if (argument == own || argument.starts_with(std::string(own) + "="))
        yaml.wrong_value(
            "R008", "arguments",
            "'arguments' must not hold " + std::string(own) + ", which slmtune gives itself",
            "write port, host, model and token_file as keys of their own");
  for (const std::string& argument : target.arguments)
    if (argument == "--api-key" || argument.starts_with("--api-key="))
      yaml.wrong_value("R008", "arguments", "a key in 'arguments' is visible to everybody",
                       "put it into a file and name that with 'token_file'");
}

void check_paths(const Target& target, YamlReader& yaml) {
  const auto check = [&](const char* key, const std::optional<std::string>& path) {
    if (path && !fs::path(*path).is_absolute())
      yaml.wrong_value("R008", key, "'" + std::string(key) + "' must be a whole path",
                       "a deploy may be started from any folder");
  };
  check("path", target.path);
  check("token_file", target.token_file);
  // A bare name is looked for in PATH.
  if (target.server && target.server->find('/') != std::string::npos)
    check("server", target.server);
}

bool is_part(std::string_view text) {
  return !text.empty() && text.size() <= 100 && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
         });
}

// "faq", or "publisher/faq" where the target has such names.
void check_model(const Target& target, YamlReader& yaml) {
  if (!target.model) return;
  const size_t slash = target.model->find('/');
  const std::string_view name = *target.model;
  const bool may_have_owner = target.kind == "ollama" || target.kind == "lmstudio";
  const bool is_good =
      slash == std::string_view::npos
          ? is_part(name)
          : may_have_owner && is_part(name.substr(0, slash)) && is_part(name.substr(slash + 1));
  if (!is_good)
    yaml.wrong_value("R008", "model", "'model' must be made of letters, digits, '.', '_' and '-'",
                     may_have_owner ? "at most one '/' may stand between owner and name" : "");
}

void check_target(Target& target, YamlReader& yaml) {
  for (const auto& [key, kinds] : kinds_of_keys())
    if (yaml.has(key) && !belongs(key, target.kind))
      yaml.conflict(key, yaml.where("kind"),
                    "'" + key + "' has no meaning with kind " + target.kind,
                    "it belongs to " + quoted_list(kinds));
  if (target.kind == "folder" && !target.path)
    yaml.mistake("R006", "", "'path' is missing", "name the folder that the models go to");
  if (target.kind == "llama-server" && !target.server)
    yaml.mistake("R006", "", "'server' is missing", "name the program llama-server");
  check_paths(target, yaml);
  check_arguments(target, yaml);
  check_model(target, yaml);
  if (target.kind == "ollama") {
    const std::string problem = address_problem(target.url, target.allow_remote);
    if (!problem.empty()) yaml.wrong_value("V006", "url", problem, address_advice());
  }
}

std::vector<Field<Target>> places() {
  using T = Target;
  return {
      field(&T::path, {.key = "path",
                       .meaning = "folder that the models go to; LM Studio's own when absent",
                       .example = "/srv/models/faq"}),
      field(&T::server, {.key = "server",
                         .meaning = "the program llama-server",
                         .example = "/usr/local/bin/llama-server"}),
      field(&T::port, {.key = "port",
                       .meaning = "where it answers; auto takes a free one for each model, so that "
                                  "the old one answers until the new one does",
                       .range = from_to(1, 65535),
                       .words = {"auto"}}),
      field(&T::host, {.key = "host",
                       .meaning = "what it listens on",
                       .words = {"127.0.0.1", "0.0.0.0", "::1", "::"}}),
      field(&T::arguments, {.key = "arguments",
                            .meaning = "passed on to the program",
                            .example = "[--ctx-size, '4096']"}),
      field(&T::url, {.key = "url", .meaning = "address of Ollama"}),
      field(&T::base,
            {.key = "base",
             .meaning = "model in Ollama that the adapter alone is pushed onto, where its "
                        "version takes adapters",
             .example = "qwen2.5:0.5b-instruct-fp16"}),
      field(&T::context, {.key = "context",
                          .meaning = "context that Ollama reserves memory for",
                          .unit = "tokens",
                          .range = from_to(16, 1 << 24)}),
      field(&T::token_file, {.key = "token_file",
                             .meaning = "file whose first line is the server's API key",
                             .example = "/etc/slmtune/office.key"}),
      field(&T::allow_remote,
            {.key = "allow_remote", .meaning = "lets 'url' be on another machine, by https"}),
  };
}

// A key that does not belong to the kind is not written.
Field<Target> of_its_kind(Field<Target> field) {
  auto text = field.text;
  const std::string key = field.facts.key;
  field.text = [text, key](const Target& target) {
    return target.kind.empty() || belongs(key, target.kind) ? text(target) : "";
  };
  return field;
}

bool is_target_name(const std::string& name) {
  return is_part(name) && name.size() <= 64;
}

Target parse(YamlReader yaml, const std::string& name, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) yaml.set(setting);
  Target target = Target::fields().read(yaml);
  yaml.finish();
  target.name = name;
  return target;
}

// "path=models" with the path made whole, as the file must have it.
std::string with_whole_path(const std::string& setting) {
  for (const std::string key : {"path", "server", "token_file"}) {
    if (!setting.starts_with(key + "=")) continue;
    const std::string value = setting.substr(key.size() + 1);
    const bool is_bare = key == "server" && value.find('/') == std::string::npos;
    if (value.empty() || value == "null" || is_bare) return setting;
    return key + "=" + yaml_text(fs::absolute(value).lexically_normal().string());
  }
  return setting;
}

}  // namespace

const FieldTable<Target>& Target::fields() {
  using T = Target;
  static const FieldTable<T> table(
      [] {
        std::vector<Field<T>> fields = {
            field(&T::kind, {.key = "kind",
                             .meaning = "what takes the model",
                             .words = kKinds,
                             .is_required = true}),
            field(&T::encoding, {.key = "encoding",
                                 .meaning = "how the GGUF stores the weights; auto: as the "
                                            "snapshot's recipe exports it, else q8_0"}),
            field(&T::model, {.key = "model",
                              .meaning = "the model's name at the target; null = the recipe's name",
                              .example = "faq"}),
        };
        for (Field<T>& place : places()) fields.push_back(of_its_kind(std::move(place)));
        fields.push_back(field(&T::keep, {.key = "keep",
                                          .meaning = "models that stay at the target, the present "
                                                     "one included",
                                          .range = from_to(2, 1000)}));
        fields.push_back(of_its_kind(
            field(&T::wait_seconds, {.key = "wait_seconds",
                                     .meaning = "how long a model may take to be loaded",
                                     .unit = "seconds",
                                     .range = from_to(1, 86400)})));
        return fields;
      }(),
      check_target);
  return table;
}

fs::path deploy_folder(const fs::path& store) {
  return store / "deploy";
}

fs::path target_file(const fs::path& store, const std::string& name) {
  return deploy_folder(store) / (name + ".yaml");
}

fs::path target_lock(const fs::path& store, const std::string& name) {
  return deploy_folder(store) / (name + ".lock");
}

Target read_target(const fs::path& store, const std::string& name, const std::string& kind,
                   const std::vector<std::string>& settings) {
  if (!is_target_name(name))
    throw UserError("U004", "--target", "'" + shown(name) + "' is no name of a target",
                    "it is made of letters, digits, '.', '_' and '-'");
  const fs::path file = target_file(store, name);
  std::vector<std::string> whole;
  for (const std::string& setting : settings) whole.push_back(with_whole_path(setting));
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    if (kind.empty())
      throw UserError("V004", file.string(), "no such target",
                      "the first deploy describes it: --kind folder --set path=/srv/models, for "
                      "example");
    return parse(YamlReader::from_string("kind: " + kind + "\n", "--kind"), name, whole);
  }
  const Target target = parse(YamlReader::from_file(file), name, {});
  const Target wanted = parse(YamlReader::from_file(file), name, whole);
  const bool same_kind = kind.empty() || kind == target.kind;
  if (!same_kind || Target::fields().block(target, 0) != Target::fields().block(wanted, 0))
    throw UserError("U006", same_kind ? "--set" : "--kind",
                    "target '" + name + "' is described otherwise",
                    "change it in " + file.string() + ", or give the target another name");
  return target;
}

void keep_target(const fs::path& store, const Target& target) {
  const fs::path file = target_file(store, target.name);
  std::error_code ignored;
  if (fs::exists(file, ignored)) return;
  make_folder(deploy_folder(store));
  write_file(file, Target::fields().block(target, 0));
}

}  // namespace slmtune::ops
