// Finds a model folder's Jinja text and the template of ours that renders the same.
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "data/chat/chat_template.h"

namespace slmtune::data {
namespace {

constexpr uint64_t kLimit = 1 << 20;  // published templates have up to 20 kB

// "chat_template": a text, or a list of {name, template} of which "default" counts.
std::string template_member(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {};
  const Json json = read_json(path);
  if (!json.is_object() || !json.contains("chat_template")) return {};
  const Json& member = json["chat_template"];
  if (member.is_string()) return member.get<std::string>();
  if (!member.is_array()) return {};
  for (const Json& entry : member)
    if (entry.is_object() && entry.value("name", Json()) == "default" && entry.contains("template"))
      return json_text(entry, "template", path.string());
  return {};
}

}  // namespace

std::string chat_template_text(const std::filesystem::path& model_folder) {
  // transformers lets the file of its own win over tokenizer_config.json.
  const std::filesystem::path jinja = model_folder / "chat_template.jinja";
  if (std::filesystem::exists(jinja)) return read_text_file(jinja, kLimit);
  for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
    const std::filesystem::path path = model_folder / name;
    std::string text = template_member(path);
    if (text.size() > kLimit)
      throw FileFormatError("F001", path.string(),
                            "its 'chat_template' is larger than " + human_bytes(kLimit),
                            "check that this is the right file");
    if (!text.empty()) return text;
  }
  return {};
}

const ChatTemplate& ChatTemplate::detect(const std::filesystem::path& model_folder) {
  return detect(chat_template_text(model_folder), model_folder.string());
}

const ChatTemplate& ChatTemplate::detect(const std::string& jinja, const std::string& where) {
  std::vector<std::string> names;
  for (const ChatTemplate& one : all()) names.emplace_back(one.name);
  const std::string choice = "set model.template to " + quoted_list(names);
  if (jinja.empty()) throw FileFormatError("F041", where, "the model has no chat template", choice);
  for (const ChatTemplate& one : all())
    if (one.recognise(jinja)) return one;
  throw FileFormatError("F040", where, "the model's chat template is none that slmtune knows",
                        choice + " if one of them prints the same");
}

}  // namespace slmtune::data
