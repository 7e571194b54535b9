#include "cli/engine/answer.h"
#include "cli/engine/commands.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

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
  return data::plain_ids(prompt, tokenizer);
}

}  // namespace

ExitCode run_generate(const GenerateOptions& options, const Common& common) {
  std::string prompt = prompt_of(options);
  if (options.raw && !options.system.empty())
    throw UserError("U006", "slmtune", "--raw and --system exclude each other",
                    "--raw uses the prompt as it is");
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  auto chat_template =
      options.chat_template.empty() ? std::nullopt : std::optional(options.chat_template);
  LoadedModel loaded = load_source(resolve_source(options.model, adapter, GgufFiles::kTaken),
                                   options.device, chat_template);
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

}  // namespace slmtune::cli
