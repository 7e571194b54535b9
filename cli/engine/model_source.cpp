#include "cli/engine/model_source.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "export/gguf/gguf_source.h"
#include "lora/attach.h"
#include "lora/peft_files.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

bool has(const fs::path& folder, const char* name) {
  return fs::exists(folder / name);
}

// The base that an adapter folder names: as written, or where the snapshot's manifest found it.
fs::path base_of_adapter(const fs::path& folder) {
  fs::path config = folder / "adapter_config.json";
  fs::path base = json_text(read_json(config), "base_model_name_or_path", config.string());
  if (has(base, "config.json")) return base;
  if (has(folder, "manifest.json")) {
    fs::path recorded = store::read_manifest(folder).base_path;
    if (!recorded.empty() && has(recorded, "config.json")) return recorded;
  }
  throw UserError("N004", config.string(), "its base model '" + base.string() + "' is not there",
                  "name the base folder and pass this folder with --adapter");
}

void refuse_file(const fs::path& path) {
  if (exporting::is_gguf(path))
    throw UserError("U005", path.string(), "a GGUF file cannot be used here",
                    "name the Hugging Face folder it was made from; generate, chat, eval and "
                    "inspect take a GGUF file");
  if (has_pickle_name(path)) refuse_pickle(path);
  throw UserError("U005", path.string(), "this is a file, not a model folder",
                  "name the folder that holds config.json");
}

ModelSource from_folder(const std::string& text) {
  fs::path folder = text;
  if (has(folder, "adapter_config.json")) {
    ModelSource source{text, base_of_adapter(folder), folder, std::nullopt};
    if (has(folder, "manifest.json")) source.snapshot = folder;
    return source;
  }
  if (has(folder, "config.json")) {
    ModelSource source{text, folder, std::nullopt, std::nullopt};
    if (has(folder, "manifest.json")) source.snapshot = folder;
    return source;
  }
  if (fs::is_directory(folder / "snapshots"))
    throw UserError("U005", text, "this is a store; which of its snapshots?",
                    "for example '" + text + "#latest'");
  throw UserError("N004", text, "no config.json or adapter_config.json in this folder",
                  "name a Hugging Face model folder, a snapshot or an adapter folder");
}

// The folder of a snapshot that is named by number or alias.
std::optional<fs::path> find_snapshot(const std::string& text) {
  if (text.find('#') == std::string::npos || fs::exists(text)) return std::nullopt;
  auto found = store::parse_snapshot_ref(text, fs::current_path());
  return found ? std::optional(found->folder) : std::nullopt;
}

ModelSource resolve_plain(const std::string& text, GgufFiles gguf) {
  if (auto snapshot = find_snapshot(text)) {
    ModelSource source = from_folder(snapshot->string());
    source.label = text;
    return source;
  }
  if (!fs::exists(text))
    throw UserError("N004", text, "no such model folder or snapshot",
                    "a snapshot is named STORE#42 or STORE#latest");
  if (gguf == GgufFiles::kTaken && exporting::is_gguf(text))
    return {text, text, std::nullopt, std::nullopt};
  if (!fs::is_directory(text)) refuse_file(text);
  return from_folder(text);
}

ModelSource resolve_unchecked(const std::string& text, const std::optional<std::string>& adapter,
                              GgufFiles gguf) {
  if (!adapter) return resolve_plain(text, gguf);
  ModelSource source = resolve_plain(text, gguf);
  if (exporting::is_gguf(source.base))
    throw UserError("U006", "--adapter", "an adapter cannot be put on a GGUF file",
                    "name the Hugging Face folder that the adapter was trained on");
  if (source.adapter)
    throw UserError("U006", "--adapter", "'" + text + "' is an adapter already",
                    "name its base model, or leave --adapter out");
  fs::path folder = find_snapshot(*adapter).value_or(*adapter);
  if (!has(folder, "adapter_config.json"))
    throw UserError("N003", "--adapter", "no adapter_config.json in '" + *adapter + "'",
                    "name a PEFT folder or a LoRA snapshot");
  source.adapter = folder;
  source.label = *adapter;
  return source;
}

}  // namespace

ModelSource resolve_source(const std::string& text, const std::optional<std::string>& adapter,
                           GgufFiles gguf) {
  ModelSource source = resolve_unchecked(text, adapter, gguf);
  // A bit that flipped on the disk is found before it answers anybody.
  for (const fs::path& folder : {source.base, source.adapter.value_or("")})
    if (!folder.empty() && has(folder, "manifest.json")) store::verify_snapshot(folder);
  return source;
}

namespace {

// `detect` finds the template that belongs to the model.
template <typename Detect>
TextSide text_side(data::Tokenizer tokenizer, const std::optional<std::string>& chat_template,
                   Detect detect) {
  TextSide text{std::move(tokenizer), nullptr, {}};
  if (chat_template) {
    text.chat = &data::ChatTemplate::by_name(*chat_template);
    return text;
  }
  try {
    text.chat = &detect();
  } catch (const Error& error) {
    if (error.code() != "F040" && error.code() != "F041") throw;
    text.why_no_chat = error.diagnostics().front();
  }
  return text;
}

TextSide gguf_text_side(const exporting::GgufFile& file,
                        const std::optional<std::string>& chat_template) {
  return text_side(exporting::gguf_tokenizer(file), chat_template, [&]() -> decltype(auto) {
    return data::ChatTemplate::detect(exporting::gguf_chat_template(file), file.path().string());
  });
}

}  // namespace

TextSide load_text_side(const fs::path& base, const std::optional<std::string>& chat_template) {
  if (exporting::is_gguf(base))
    return gguf_text_side(exporting::GgufFile::open(base), chat_template);
  return text_side(data::Tokenizer::load(base), chat_template,
                   [&]() -> decltype(auto) { return data::ChatTemplate::detect(base); });
}

const data::ChatTemplate& need_chat(const TextSide& text) {
  if (text.chat != nullptr) return *text.chat;
  std::vector<std::string> names;
  for (const data::ChatTemplate& row : data::ChatTemplate::all()) names.emplace_back(row.name);
  const Diagnostic& why = *text.why_no_chat;
  throw FileFormatError(why.code, why.where, why.what,
                        "choose one with --template: " + quoted_list(names));
}

void check_vocabulary(const data::Tokenizer& tokenizer, const models::ModelConfig& config,
                      const std::string& where) {
  if (tokenizer.size() > config.vocab_size)
    throw FileFormatError("F033", where,
                          fmt::format("the tokenizer has {} ids but the model's vocabulary only {}",
                                      tokenizer.size(), config.vocab_size),
                          "take tokenizer files and weights of the same model");
}

kernels::DeviceChoice announce_device(const std::string& device, const std::string& dtype,
                                      int64_t hidden_size) {
  kernels::prepare_process();
  kernels::DeviceChoice choice = kernels::choose_device(
      device.empty() ? "auto" : device, dtype.empty() ? "auto" : dtype, hidden_size);
  log_info("device: " + choice.line);
  return choice;
}

namespace {

LoadedModel with_adapter(const ModelSource& source, std::unique_ptr<models::CausalLM> model,
                         TextSide text) {
  LoadedModel loaded{source, std::move(text), std::move(model), std::nullopt};
  check_vocabulary(loaded.text.tokenizer, loaded.model->config(), source.base.string());
  if (source.adapter) {
    loaded.lora = lora::load_peft(*loaded.model, *source.adapter);
    lora::set_training(*loaded.model, false);
  }
  return loaded;
}

LoadedModel load_gguf(const ModelSource& source, const DeviceFlags& flags,
                      const std::optional<std::string>& chat_template) {
  const exporting::GgufSource gguf = exporting::GgufSource::open(source.base);
  TextSide text = gguf_text_side(gguf.file(), chat_template);
  check_vocabulary(text.tokenizer, gguf.config(), source.base.string());
  const kernels::DeviceChoice device =
      announce_device(flags.device, flags.dtype, gguf.config().hidden_size);
  return {source, std::move(text),
          exporting::load_gguf_model(gguf, {device.dtype, device.device, "none"}), std::nullopt};
}

}  // namespace

LoadedModel load_source(const ModelSource& source, const DeviceFlags& flags,
                        const std::optional<std::string>& chat_template) {
  if (exporting::is_gguf(source.base)) return load_gguf(source, flags, chat_template);
  TextSide text = load_text_side(source.base, chat_template);
  const models::ModelConfig config = models::ModelConfig::load(source.base);
  kernels::DeviceChoice device = announce_device(flags.device, flags.dtype, config.hidden_size);
  return with_adapter(source,
                      models::load_model(source.base, {device.dtype, device.device, "none"}),
                      std::move(text));
}

LoadedModel load_for_export(const ModelSource& source) {
  kernels::prepare_process();
  TextSide text = load_text_side(source.base, std::nullopt);
  return with_adapter(source, models::load_skeleton(source.base), std::move(text));
}

}  // namespace slmtune::cli
