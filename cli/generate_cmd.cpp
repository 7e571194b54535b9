#include <memory>

#include "cli/answer.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

struct GenerateOptions {
  std::string model, adapter, prompt, file, system, chat_template;
  bool raw = false, has_prompt = false;
  SamplingFlags sampling;
  DeviceFlags device;
};

std::string prompt_of(const GenerateOptions& options) {
  if (options.has_prompt != options.file.empty())
    throw UserError(options.has_prompt ? "U006" : "U003", "slmtune",
                    options.has_prompt ? "--prompt and --file exclude each other"
                                       : "--prompt or --file is required",
                    "see 'slmtune generate --help'");
  std::string text =
      options.has_prompt ? options.prompt : read_text_file(options.file, 16ull << 20);
  if (!is_utf8(text))
    throw UserError("U004", options.has_prompt ? "--prompt" : options.file,
                    "the prompt is not UTF-8", "save it as UTF-8");
  return text;
}

std::vector<int32_t> prompt_tokens(const GenerateOptions& options, const std::string& prompt,
                                   const LoadedModel& loaded) {
  const data::Tokenizer& tokenizer = loaded.text.tokenizer;
  if (!options.raw) {
    std::vector<data::Message> messages;
    if (!options.system.empty()) messages.push_back({"system", options.system});
    messages.push_back({"user", prompt});
    return data::prompt_ids(messages, tokenizer, need_chat(loaded.text));
  }
  std::vector<int32_t> ids = tokenizer.encode(prompt);
  if (tokenizer.adds_bos() && tokenizer.bos() && (ids.empty() || ids.front() != *tokenizer.bos()))
    ids.insert(ids.begin(), *tokenizer.bos());
  return ids;
}

ExitCode run_generate(const GenerateOptions& options, const Common& common) {
  std::string prompt = prompt_of(options);
  if (options.raw && !options.system.empty())
    throw UserError("U006", "slmtune", "--raw and --system exclude each other",
                    "--raw uses the prompt as it is");
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  auto chat_template =
      options.chat_template.empty() ? std::nullopt : std::optional(options.chat_template);
  LoadedModel loaded =
      load_source(resolve_source(options.model, adapter), options.device, chat_template);
  std::vector<int32_t> ids = prompt_tokens(options, prompt, loaded);
  if (common.json) {
    Answer result = answer(loaded, ids, options.sampling);
    print_json({{"text", result.text}, {"ids", result.ids}});
  } else {
    answer(loaded, ids, options.sampling, [](const std::string& piece) { print(piece); });
    print("\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void setup_generate(CLI::App& app, Program& program) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "answer one prompt");
  command->add_option("MODEL", options->model, "snapshot (STORE#42, STORE#latest) or model folder")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to put on the model (default: none)");
  CLI::Option* prompt = command->add_option("--prompt", options->prompt,
                                            "the question, or with --raw the text to go on from");
  command->add_option("--file", options->file, "file with the prompt, instead of --prompt");
  command->add_flag("--raw", options->raw,
                    "no chat template: the model continues the prompt (off by default)");
  command->add_option("--system", options->system,
                      "system message before the prompt (default: the template's)");
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  add_sampling_flags(*command, options->sampling);
  add_device_flags(*command, options->device);
  finish_command(*command, program,
                 "slmtune generate runs/faq#latest --prompt 'When are you open?' --greedy");
  command->callback([options, prompt, &program] {
    options->has_prompt = prompt->count() > 0;
    program.run = [options, &program] { return run_generate(*options, program.common); };
  });
}

}  // namespace slmtune::cli
