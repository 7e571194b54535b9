// Adapter folders and checkpoints: their JSON, and weights that do not fit it.
#include <fmt/format.h>

#include "core/sealed_json.h"
#include "core/sha256.h"
#include "lora/attach.h"
#include "lora/peft_files.h"
#include "tests/hostile/bad_files.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/tiny_model.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folders.h"

namespace slmtune::testing {
namespace {

constexpr const char *kConfig = "adapter_config.json", *kTensors = "adapter_model.safetensors";

// A good adapter folder, changed, and loaded into the model it was made for.
BadFile adapter_row(const std::string& name, const std::string& code, const std::string& part,
                    const std::function<void(const TempFolder& folder)>& change) {
  return {name, code, part, [change](const TempFolder& folder) {
            const auto model = tiny_model("LlamaForCausalLM");
            const lora::LoraConfig config{.rank = 4, .alpha = 8.0, .targets = {"q_proj"}};
            lora::attach(*model, config, 3);
            lora::save_peft(*model, config, "base", folder.path());
            change(folder);
            lora::load_peft(*tiny_model("LlamaForCausalLM"), folder.path());
          }};
}

BadFile adapter_config_row(const std::string& name, const std::string& code,
                           const std::string& part, const std::string& key, const Json& value) {
  return adapter_row(name, code, part, [key, value](const TempFolder& folder) {
    Json json = read_json(folder.path() / kConfig);
    json[key] = value;
    folder.write(kConfig, json.dump());
  });
}

BadFile adapter_bytes_row(const std::string& name, const std::string& code, const std::string& part,
                          const char* file, const std::string& bytes) {
  return adapter_row(name, code, part,
                     [file, bytes](const TempFolder& folder) { folder.write(file, bytes); });
}

BadFile adapter_pickle_row(const char* file) {
  return adapter_row(std::string("only ") + file, "F015", "save it with save_pretrained",
                     [file](const TempFolder& folder) {
                       std::filesystem::remove(folder.path() / kTensors);
                       folder.write(file, "PK\x03\x04");
                     });
}

// Each tensor of the adapter under `renamed` of its name, of `dtype`.
void rewrite_tensors(const TempFolder& folder, DType dtype,
                     const std::function<std::string(const std::string&)>& renamed) {
  std::vector<TensorSource> tensors;
  {
    const auto file = SafetensorsFile::open(folder.path() / kTensors);
    for (const auto& [name, view] : file.tensors())
      tensors.push_back(tensor_source(renamed(name), models::borrow_tensor(view).clone(), dtype));
  }
  write_safetensors(folder.path() / kTensors, tensors);
}

void write_checkpoint(const TempFolder& folder) {
  const std::string empty = safetensors_bytes("{}");
  for (const char* name : train::kCheckpointFiles) folder.write(name, empty);
  train::TrainState state;
  state.step = 10;
  state.identity = {{"data", "aa"}};
  train::write_state(folder.path(), state);
}

BadFile checkpoint_row(const std::string& name, const std::string& code, const std::string& part,
                       const std::function<void(const TempFolder& folder)>& change) {
  return {name, code, part, [change](const TempFolder& folder) {
            write_checkpoint(folder);
            change(folder);
            train::read_verified_state(folder.path());
          }};
}

// The state changed, and sealed again as if it had been saved so.
void rewrite_state(const TempFolder& folder, const std::function<void(Json& state)>& change) {
  Json state = read_json(folder.path() / "state.json");
  state.erase("state_sha256");
  change(state);
  folder.write("state.json", sealed(OrderedJson(state), "state_sha256"));
}

BadFile state_row(const std::string& name, const std::string& code, const std::string& part,
                  const std::function<void(Json& state)>& change) {
  return checkpoint_row(name, code, part,
                        [change](const TempFolder& folder) { rewrite_state(folder, change); });
}

BadFile state_text_row(const std::string& name, const std::string& code, const std::string& part,
                       const std::string& text) {
  return checkpoint_row(name, code, part,
                        [text](const TempFolder& folder) { folder.write("state.json", text); });
}

BadFile weights_row(const std::string& name, const std::string& part,
                    const std::function<void(const std::filesystem::path& weights)>& change) {
  return checkpoint_row(name, "F081", part, [change](const TempFolder& folder) {
    change(folder.path() / train::kCheckpointFiles[0]);
  });
}

// `bytes` in place of the weights, with size and hash put right.
BadFile forged_weights_row(const std::string& name, const std::string& code,
                           const std::string& part, const std::string& bytes) {
  return checkpoint_row(name, code, part, [bytes](const TempFolder& folder) {
    const char* file = train::kCheckpointFiles[0];
    folder.write(file, bytes);
    rewrite_state(folder, [&](Json& state) {
      state["files"][file] = {{"bytes", bytes.size()}, {"sha256", sha256(bytes)}};
    });
    const auto model = tiny_model("LlamaForCausalLM");
    lora::attach(*model, {.rank = 4, .alpha = 8.0, .targets = {"q_proj"}}, 3);
    train::AdamW optimizer(models::trainable_tensors(*model), {});
    train::load_checkpoint(folder.path(), *model, optimizer, {{"data", "aa"}});
  });
}

std::vector<BadFile> adapter_configs() {
  const char* slow = "(([a-z0-9_.]+)+)+[!?]";
  return {
      adapter_bytes_row("a config that is a web page", "F002", "syntax error", kConfig, "<html>"),
      adapter_bytes_row("a config with a key twice", "F006", "key 'r'", kConfig,
                        R"({"peft_type":"LORA","r":4,"r":8})"),
      adapter_bytes_row("a config that is a text", "F060", "not a JSON object", kConfig,
                        "\"LORA\""),
      adapter_config_row("a method with an escape code", "F061", "'?[2J'", "peft_type", "\x1b[2J"),
      adapter_config_row("a rank that is true", "F060", "'r'", "r", true),
      adapter_config_row("a rank that is a fraction", "F060", "'r'", "r", 4.5),
      adapter_config_row("a rank below 0", "F060", "'r'", "r", -4),
      adapter_config_row("a rank of 2^64-1", "F060", "'r'", "r", ~0ull),
      adapter_config_row("an alpha of 0", "F060", "'lora_alpha'", "lora_alpha", 0),
      adapter_config_row("an alpha that is null", "F060", "'lora_alpha'", "lora_alpha", nullptr),
      adapter_config_row("a dropout of 1", "F060", "'lora_dropout'", "lora_dropout", 1.0),
      adapter_config_row("a dropout below 0", "F060", "'lora_dropout'", "lora_dropout", -0.5),
      adapter_config_row("targets that are a number", "F060", "'target_modules'", "target_modules",
                         5),
      adapter_config_row("targets that are an object", "F060", "'target_modules'", "target_modules",
                         {{"a", 1}}),
      adapter_config_row("a target expression that is none", "R061", "not a regular expression",
                         "target_modules", "(q"),
      adapter_config_row("a target expression of 5,000 characters", "R061", "longer than 4096",
                         "target_modules", std::string(5000, 'q')),
      adapter_config_row("a rank pattern below 1", "F060", "'rank_pattern'", "rank_pattern",
                         {{"q_proj", 0}}),
      adapter_config_row("an alpha pattern that is a text", "F060", "'alpha_pattern'",
                         "alpha_pattern", {{"q_proj", "8"}}),
      adapter_config_row("two patterns for one module", "F061", "two patterns", "rank_pattern",
                         {{"q_proj", 4}, {"self_attn.q_proj", 8}}),
      adapter_config_row("a pattern that takes for ever", "R061", "takes too long", "rank_pattern",
                         {{slow, 4}}),
      adapter_config_row("another rank than the tensors have", "F062", "right base model", "r", 8)};
}

}  // namespace

BadFiles bad_adapters() {
  BadFiles table{"adapter", adapter_configs()};
  for (const char* file :
       {"adapter_model.bin", "adapter_model.pt", "adapter_model.pth", "adapter_model.ckpt"})
    table.rows.push_back(adapter_pickle_row(file));
  for (const BadFile& row :
       {adapter_bytes_row("weights that are a torch zip", "F015", "can run code", kTensors,
                          "PK\x03\x04\x14" + std::string(60, '\1')),
        adapter_bytes_row("weights that are cut", "F012", "is the download complete", kTensors,
                          safetensors_bytes("{}", "", 64)),
        adapter_bytes_row("weights without tensors", "F063", "no adapter tensors", kTensors,
                          safetensors_bytes("{}")),
        adapter_row("weights that are whole numbers", "F055", "I32",
                    [](const TempFolder& folder) {
                      rewrite_tensors(folder, DType::kI32,
                                      [](const std::string& name) { return name; });
                    }),
        adapter_row("names with an escape code", "F061", "'?[2J",
                    [](const TempFolder& folder) {
                      rewrite_tensors(folder, DType::kF32,
                                      [](const std::string& name) { return "\x1b[2J" + name; });
                    }),
        adapter_row("names of another tool", "F061", "not part of a LoRA adapter",
                    [](const TempFolder& folder) {
                      rewrite_tensors(folder, DType::kF32,
                                      [](const std::string& name) { return name.substr(17); });
                    })})
    table.rows.push_back(row);
  return table;
}

BadFiles bad_checkpoints() {
  const char* weights = train::kCheckpointFiles[0];
  return {
      "checkpoint",
      {state_text_row("a cut state", "F002", "syntax error", "{\"format\": 1,"),
       state_text_row("a state with a key twice", "F006", "key 'step'", R"({"step":1,"step":2})"),
       state_text_row("a state that is a list", "F081", "not the state of a checkpoint", "[]"),
       state_row("a later format", "F081", "not the state of a checkpoint",
                 [](Json& s) { s["format"] = 99; }),
       state_row("a format that is a text", "F004", "'format'", [](Json& s) { s["format"] = "1"; }),
       state_row("no step", "F003", "'step'", [](Json& s) { s.erase("step"); }),
       state_row("a step that is a text", "F004", "'step'", [](Json& s) { s["step"] = "10"; }),
       state_row("a step of 2^64-1", "F004", "'step'", [](Json& s) { s["step"] = ~0ull; }),
       state_row("a step below 0", "F081", "negative", [](Json& s) { s["step"] = -1; }),
       state_row("a time that is a text", "F004", "'seconds'", [](Json& s) { s["seconds"] = "x"; }),
       state_row("a time below 0", "F081", "negative", [](Json& s) { s["seconds"] = -1.0; }),
       state_row("a loss that is a text", "F004", "'last_loss'",
                 [](Json& s) { s["last_loss"] = "x"; }),
       state_row("no identity", "F081", "'identity'", [](Json& s) { s.erase("identity"); }),
       state_row("an identity that is a number", "F081", "no text",
                 [](Json& s) { s["identity"]["data"] = 1; }),
       state_row("no list of files", "F081", "'files'", [](Json& s) { s.erase("files"); }),
       state_row("a file without a record", "F081", weights,
                 [weights](Json& s) { s["files"].erase(weights); }),
       state_row("a file with a record that is a text", "F081", weights,
                 [weights](Json& s) { s["files"][weights] = "x"; }),
       state_row("a size below 0", "F081", "size",
                 [weights](Json& s) { s["files"][weights]["bytes"] = -8; }),
       state_row("a size of 2^64-1", "F004", "'bytes'",
                 [weights](Json& s) { s["files"][weights]["bytes"] = ~0ull; }),
       state_row("a hash that is a number", "F004", "'sha256'",
                 [weights](Json& s) { s["files"][weights]["sha256"] = 1; }),
       state_row("another hash", "F081", "changed since",
                 [weights](Json& s) { s["files"][weights]["sha256"] = "00"; }),
       checkpoint_row("a digit that changed", "F081", "changed since",
                      [](const TempFolder& folder) {
                        std::string text = TempFolder::read(folder.path() / "state.json");
                        text.replace(text.find("10"), 2, "20");
                        folder.write("state.json", text);
                      }),
       weights_row("weights that are missing", "missing",
                   [](const auto& file) { std::filesystem::remove(file); }),
       weights_row("weights that are cut", "size",
                   [](const auto& file) { std::filesystem::resize_file(file, 9); }),
       weights_row("weights that are empty", "size",
                   [](const auto& file) { std::filesystem::resize_file(file, 0); }),
       weights_row("a byte that flipped", "changed since",
                   [](const auto& file) { std::fstream(file).seekp(9).write("x", 1); }),
       forged_weights_row("weights that are a torch zip", "F015", "can run code",
                          "PK\x03\x04\x14" + std::string(60, '\1')),
       forged_weights_row("weights without the model's tensors", "F080", "is missing",
                          safetensors_bytes("{}")),
       forged_weights_row("weights that are no safetensors", "F010", "claims",
                          std::string(64, '\x7f'))}};
}

}  // namespace slmtune::testing
