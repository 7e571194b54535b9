#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"

namespace slmtune::cli {
namespace {

void setup_preview(CLI::App& group, Program& program, const std::shared_ptr<DataOptions>& options) {
  CLI::App* command = group.add_subcommand(
      "preview", "the first rows as the model sees them, with what is trained set apart");
  command->add_option("RECIPE", options->what, "recipe or JSONL file")->required();
  command->add_option("--rows", options->rows, "how many rows")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 30));
  command->add_option("--model", options->model,
                      "folder or GGUF file whose tokenizer and template are used (default: the "
                      "recipe's, else plain roles)");
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  command->add_option("--format", options->format, "shape of the rows")->capture_default_str();
  command->add_flag("--ids", options->ids,
                    "token ids below each row (on by default where a tokenizer is known)");
  command->add_flag("--no-ids", options->no_ids, "no token ids (off by default)");
  finish_command(*command, program, "slmtune data preview recipes/quickstart/faq.yaml --rows 5");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().data_preview(*options, program.common); };
  });
}

void setup_tokenize(CLI::App& group, Program& program,
                    const std::shared_ptr<DataOptions>& options) {
  CLI::App* command = group.add_subcommand(
      "tokenize", "one JSON object per row: ids, and labels with -100 where nothing is trained");
  command->add_option("FILE", options->what, "JSONL file")->required();
  command
      ->add_option("--model", options->model,
                   "folder or GGUF file whose tokenizer and template are used")
      ->required();
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  command->add_option("--format", options->format, "shape of the rows")->capture_default_str();
  finish_command(*command, program,
                 "slmtune data tokenize --model models/Qwen2.5-0.5B-Instruct data/faq.jsonl");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().data_tokenize(*options, program.common); };
  });
}

}  // namespace

void setup_data(CLI::App& app, Program& program) {
  CLI::App* group =
      app.add_subcommand("data", "look at rows: preview, tokenize")->require_subcommand(1);
  group->footer("Example:\n  slmtune data preview recipes/quickstart/faq.yaml");
  setup_preview(*group, program, std::make_shared<DataOptions>());
  setup_tokenize(*group, program, std::make_shared<DataOptions>());
}

}  // namespace slmtune::cli
