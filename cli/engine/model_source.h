// From what a user names to a loaded model: STORE#42, STORE#production, a snapshot's or adapter's
// folder, or a Hugging Face folder, perhaps with --adapter; or a GGUF file where it is only asked.
//
//   ModelSource source = resolve_source("runs/faq#latest", std::nullopt);
//   LoadedModel loaded = load_source(source, {});
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "kernels/device.h"
#include "lora/lora_config.h"
#include "models/causal_lm.h"

namespace slmtune::cli {

struct ModelSource {
  std::string label;                              // for people: as the user named it
  std::filesystem::path base;                     // Hugging Face folder or GGUF file
  std::optional<std::filesystem::path> adapter;   // PEFT folder
  std::optional<std::filesystem::path> snapshot;  // folder of the snapshot, when it is one
};

// Whether a command can work with the rounded weights of a GGUF file. Training and exporting
// cannot.
enum class GgufFiles { kRefused, kTaken };

// N003/N004/S… not there, F060 adapter without its base, U005 a kind of file that cannot be used
// here, U006 an adapter for a GGUF file. Snapshots are compared with their manifests, byte for
// byte: S004, S005, S006.
ModelSource resolve_source(const std::string& text, const std::optional<std::string>& adapter,
                           GgufFiles gguf = GgufFiles::kRefused);

// Tokenizer and chat template. Base models have no template: `chat` is null then and `why_no_chat`
// says why.
struct TextSide {
  data::Tokenizer tokenizer;
  const data::ChatTemplate* chat = nullptr;
  std::optional<Diagnostic> why_no_chat;  // F040 unknown, F041 none
};

// Of a folder or a GGUF file. `chat_template` names a row of the registry; absent = recognised.
TextSide load_text_side(const std::filesystem::path& base,
                        const std::optional<std::string>& chat_template);

// The template, or UserError F040/F041 that says what to do without one.
const data::ChatTemplate& need_chat(const TextSide& text);

struct LoadedModel {
  ModelSource source;
  TextSide text;
  std::unique_ptr<models::CausalLM> model;
  std::optional<lora::LoraConfig> lora;  // of the adapter, when there is one
};

// The base's weights, with the adapter attached and switched to inference; those of a GGUF file
// decoded into the type that is computed with.
LoadedModel load_source(const ModelSource& source, const DeviceFlags& flags,
                        const std::optional<std::string>& chat_template = std::nullopt);

// For merging and exporting: the adapter on a model without values (models::load_skeleton), which
// are read from the base's files when they are written. It cannot be asked anything.
LoadedModel load_for_export(const ModelSource& source);

// F033 when the tokenizer has ids that the model's embedding lacks.
void check_vocabulary(const data::Tokenizer& tokenizer, const models::ModelConfig& config,
                      const std::string& where);

// Device of a run with a model of this hidden size; says the line on stderr.
kernels::DeviceChoice announce_device(const std::string& device, const std::string& dtype,
                                      int64_t hidden_size);

}  // namespace slmtune::cli
