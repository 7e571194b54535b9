// What `slmtune inspect` says about a GGUF file: the model in it, how its weights are stored, and
// whether slmtune can run it; then every key and tensor.
#include <fmt/format.h>

#include <map>

#include "cli/engine/inspect.h"
#include "core/error.h"
#include "core/shape.h"
#include "core/text.h"
#include "data/chat/chat_template.h"
#include "export/encodings/encoding.h"
#include "export/gguf/ggml_types.h"
#include "export/gguf/gguf_source.h"
#include "export/mixtures/mixture.h"

namespace slmtune::cli {
namespace {

using exporting::GgufFile;
using exporting::GgufTensor;

// Longer arrays (vocabularies, merges) are only counted.
constexpr size_t kShownItems = 8;

template <typename Held>
OrderedJson json_of(const Held& value) {
  return value;
}

template <typename Item>
OrderedJson json_of(const std::vector<Item>& items) {
  if (items.size() > kShownItems) return {{"length", items.size()}};
  return items;
}

OrderedJson value_json(const exporting::GgufValue& value) {
  return std::visit([](const auto& held) { return json_of(held); }, value);
}

std::string value_text(const OrderedJson& value) {
  if (value.is_object()) return fmt::format("array of {}", value["length"].get<size_t>());
  return shown(value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), 100);
}

std::string text_or(const GgufFile& file, const std::string& key, const std::string& fallback) {
  const auto* text = file.value<std::string>(key);
  return text != nullptr ? *text : fallback;
}

std::string type_name(const GgufTensor& tensor) {
  if (const auto* encoding = exporting::find_encoding(tensor.type))
    return std::string(encoding->name);
  return std::string(exporting::find_ggml_type(tensor.type)->name);
}

std::string file_type_name(const GgufFile& file) {
  const auto* number = file.value<uint32_t>("general.file_type");
  if (number == nullptr) return "not named";
  for (const exporting::Mixture& mixture : exporting::mixtures())
    if (mixture.file_type == *number) return std::string(mixture.name);
  return fmt::format("file type {}", *number);
}

struct Stored {
  uint64_t tensors = 0, bytes = 0;
};

// Size and encodings of all tensors.
Inspection describe_weights(const GgufFile& file) {
  std::map<std::string, Stored> by_type;
  uint64_t parameters = 0, bytes = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    Stored& stored = by_type[type_name(tensor)];
    ++stored.tensors;
    stored.bytes += tensor.bytes;
    parameters += static_cast<uint64_t>(shape_elements(tensor.shape));
    bytes += tensor.bytes;
  }
  std::string list;
  OrderedJson encodings = OrderedJson::array();
  for (const auto& [name, stored] : by_type) {
    list += fmt::format("{}{} of {} ({})", list.empty() ? "" : ", ", stored.tensors, name,
                        human_bytes(stored.bytes));
    encodings.push_back({{"name", name}, {"tensors", stored.tensors}, {"bytes", stored.bytes}});
  }
  const std::string type = file_type_name(file);
  return {fmt::format("weights: {}, {} parameters, {}\n  {} tensors: {}\n", type, parameters,
                      human_bytes(bytes), file.tensors().size(), list),
          {{"file_type", type},
           {"parameters", parameters},
           {"bytes", bytes},
           {"encodings", encodings}}};
}

std::string gguf_template(const GgufFile& file) {
  const std::string jinja = text_or(file, "tokenizer.chat_template", "");
  if (jinja.empty()) return "none";
  for (const data::ChatTemplate& known : data::ChatTemplate::all())
    if (known.recognise(jinja)) return std::string(known.name);
  return "unknown";
}

Inspection describe_text(const GgufFile& file) {
  const std::string model = text_or(file, "tokenizer.ggml.model", "none");
  const std::string kind = model == "gpt2"    ? "byte-level BPE"
                           : model == "llama" ? "SentencePiece"
                                              : model;
  const std::string pre = text_or(file, "tokenizer.ggml.pre", "none");
  const auto* tokens = file.value<std::vector<std::string>>("tokenizer.ggml.tokens");
  const size_t count = tokens != nullptr ? tokens->size() : 0;
  const std::string chat = gguf_template(file);
  return {fmt::format("tokenizer: {}, {} tokens, split {}\nchat template: {}\n", shown(kind), count,
                      shown(pre), chat),
          {{"tokenizer", {{"kind", kind}, {"tokens", count}, {"split", pre}}}, {"template", chat}}};
}

// Whether `slmtune generate` can take the file, by reading all but the weights' values.
Inspection describe_use(const std::filesystem::path& path) {
  try {
    const auto source = exporting::GgufSource::open(path);
    exporting::gguf_tokenizer(source.file());
    return {"slmtune can run it\n", {{"runs", true}}};
  } catch (const FileFormatError& error) {
    const Diagnostic& why = error.diagnostics().front();
    return {fmt::format("slmtune cannot run it: {} ({})\n", why.what, why.code),
            {{"runs", false}, {"why", why.what}, {"code", why.code}}};
  }
}

}  // namespace

Inspection inspect_gguf(const std::filesystem::path& path) {
  const GgufFile file = GgufFile::open(path);
  const std::string architecture = text_or(file, "general.architecture", "not named");
  const std::string name = text_or(file, "general.name", "not named");
  const auto* context = file.value<uint32_t>(architecture + ".context_length");
  Inspection result;
  result.text = fmt::format("GGUF: architecture {}, name {}, context {}\n", shown(architecture),
                            shown(name), context ? std::to_string(*context) : "not named");
  result.json = {
      {"schema", 1},           {"kind", "gguf"},
      {"path", path.string()}, {"architecture", architecture},
      {"name", name},          {"context", context ? OrderedJson(*context) : OrderedJson()}};
  for (const Inspection& part : {describe_weights(file), describe_text(file), describe_use(path)}) {
    result.text += part.text;
    result.json.update(part.json);
  }
  result.text += fmt::format("{} keys:\n", file.metadata().size());
  OrderedJson metadata = OrderedJson::object(), tensors = OrderedJson::array();
  for (const auto& [key, value] : file.metadata()) {
    metadata[key] = value_json(value);
    result.text += fmt::format("  {:<44} {}\n", shown(key, 200), value_text(metadata[key]));
  }
  result.text += fmt::format("{} tensors:\n", file.tensors().size());
  for (const GgufTensor& tensor : file.tensors()) {
    const std::string type = type_name(tensor);
    result.text +=
        fmt::format("  {:<44} {:<6} {}\n", shown(tensor.name, 200), type, shape_text(tensor.shape));
    tensors.push_back(
        {{"name", tensor.name}, {"type", type}, {"shape", tensor.shape}, {"bytes", tensor.bytes}});
  }
  result.json["metadata"] = metadata;
  result.json["tensors"] = tensors;
  return result;
}

}  // namespace slmtune::cli
