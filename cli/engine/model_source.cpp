#include "cli/engine/model_source.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/safetensors.h"
#include "core/text.h"
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
  if (path.extension() == ".gguf")
    throw UserError("U005", path.string(), "a GGUF file cannot be used here",
                    "name the Hugging Face folder it was made from; 'slmtune inspect' shows what a "
                    "GGUF file holds");
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

ModelSource resolve_plain(const std::string& text) {
  if (auto snapshot = find_snapshot(text)) {
    ModelSource source = from_folder(snapshot->string());
    source.label = text;
    return source;
  }
  if (!fs::exists(text))
    throw UserError("N004", text, "no such model folder or snapshot",
                    "a snapshot is named STORE#42 or STORE#latest");
  if (!fs::is_directory(text)) refuse_file(text);
  return from_folder(text);
}

ModelSource resolve_unchecked(const std::string& text, const std::optional<std::string>& adapter) {
  if (!adapter) return resolve_plain(text);
  ModelSource source = resolve_plain(text);
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

ModelSource resolve_source(const std::string& text, const std::optional<std::string>& adapter) {
  ModelSource source = resolve_unchecked(text, adapter);
  // A bit that flipped on the disk is found before it answers anybody.
  for (const fs::path& folder : {source.base, source.adapter.value_or("")})
    if (!folder.empty() && has(folder, "manifest.json")) store::verify_snapshot(folder);
  return source;
}

TextSide load_text_side(const fs::path& folder, const std::optional<std::string>& chat_template) {
  TextSide text{data::Tokenizer::load(folder), nullptr, {}};
  if (chat_template) {
    text.chat = &data::ChatTemplate::by_name(*chat_template);
    return text;
  }
  try {
    text.chat = &data::ChatTemplate::detect(folder);
  } catch (const Error& error) {
    if (error.code() != "F040" && error.code() != "F041") throw;
    text.why_no_chat = error.diagnostics().front();
  }
  return text;
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

LoadedModel load(const ModelSource& source, const models::LoadOptions& options, TextSide text) {
  LoadedModel loaded{source, std::move(text), models::load_model(source.base, options),
                     std::nullopt};
  check_vocabulary(loaded.text.tokenizer, loaded.model->config(), source.base.string());
  if (source.adapter) {
    loaded.lora = lora::load_peft(*loaded.model, *source.adapter);
    lora::set_training(*loaded.model, false);
  }
  return loaded;
}

}  // namespace

LoadedModel load_source(const ModelSource& source, const DeviceFlags& flags,
                        const std::optional<std::string>& chat_template) {
  TextSide text = load_text_side(source.base, chat_template);
  const models::ModelConfig config = models::ModelConfig::load(source.base);
  kernels::DeviceChoice device = announce_device(flags.device, flags.dtype, config.hidden_size);
  return load(source, {device.dtype, device.device, "none"}, std::move(text));
}

LoadedModel load_for_export(const ModelSource& source) {
  kernels::prepare_process();
  TextSide text = load_text_side(source.base, std::nullopt);
  return load(source, {at::kBFloat16, at::kCPU, "none"}, std::move(text));
}

}  // namespace slmtune::cli
