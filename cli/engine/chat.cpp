#include <unistd.h>

#include <iostream>

#include "cli/engine/answer.h"
#include "cli/engine/commands.h"
#include "cli/output.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

std::vector<data::Message> opening(const ChatOptions& options) {
  if (options.system.empty()) return {};
  return {{"system", options.system}};
}

// Answers `line` within `history`, which grows by both turns.
void reply(LoadedModel& loaded, const ChatOptions& options, const Common& common,
           std::vector<data::Message>& history, const std::string& line) {
  history.push_back({"user", line});
  std::vector<int32_t> ids =
      data::prompt_ids(history, loaded.text.tokenizer, need_chat(loaded.text));
  if (common.json) {
    Answer result = answer(loaded, ids, options.sampling);
    print_json({{"text", result.text}, {"ids", result.ids}});
    history.push_back({"assistant", result.text});
    return;
  }
  Answer result =
      answer(loaded, ids, options.sampling, [](const std::string& piece) { print(piece); });
  print("\n");
  history.push_back({"assistant", result.text});
}

}  // namespace

ExitCode run_chat(const ChatOptions& options, const Common& common) {
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  auto chat_template =
      options.chat_template.empty() ? std::nullopt : std::optional(options.chat_template);
  LoadedModel loaded = load_source(resolve_source(options.model, adapter, GgufFiles::kTaken),
                                   options.device, chat_template);
  need_chat(loaded.text);
  bool asks = isatty(STDIN_FILENO) == 1 && stdout_is_terminal();
  if (asks) log_info("one line is one turn; /reset forgets the conversation, /quit ends");
  std::vector<data::Message> history = opening(options);
  std::string line;
  for (;;) {
    if (asks) print("> ");
    if (!std::getline(std::cin, line)) break;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line == "/quit") break;
    if (line == "/reset") {
      history = opening(options);
    } else if (!is_utf8(line)) {
      throw UserError("U004", "stdin", "the line is not UTF-8", "send UTF-8 text");
    } else if (!line.empty()) {
      reply(loaded, options, common, history, line);
    }
  }
  if (asks) print("\n");
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
