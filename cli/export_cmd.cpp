#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"
#include "export/mixtures/mixture.h"

namespace slmtune::cli {
namespace {

std::string encoding_words() {
  std::string words;
  for (const std::string& name : exporting::mixture_names())
    words += (words.empty() ? "" : ", ") + name;
  return words;
}

void add_verify_options(CLI::App& command, ExportOptions& options) {
  command.add_flag("--verify,!--no-verify", options.verify,
                   "gguf: read the written file again and compare its answers with the trained "
                   "model's before it is published (on by default)");
  command.add_option("--data", options.data,
                     "JSONL file with held-out rows for --verify and --imatrix auto (default: the "
                     "run's validation rows, else a text of the program's own)");
  command.add_option("--verify-prompts", options.prompts, "most rows that answers are compared on")
      ->capture_default_str()
      ->check(whole_number(1, 100000));
  command
      .add_option(
          "--max-perplexity-increase", options.max_perplexity_increase,
          "refuse a file whose perplexity is higher by a larger share, such as 0.05 (default: "
          "the recipe's, else by the encoding: 0.02 with 16 bits to 0.4 with 4)")
      ->check(decimal(0.0, 1000.0));
  command
      .add_option("--min-greedy-agreement", options.min_greedy_agreement,
                  "refuse a file that agrees in a smaller share of the tokens of greedy answers "
                  "(default: the recipe's, else by the encoding: 0.9 with 16 bits to 0.5 with 4)")
      ->check(decimal(0.0, 1.0));
}

}  // namespace

void setup_export(CLI::App& app, Program& program) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand(
      "export", "write a model for llama.cpp, Ollama or LM Studio (gguf) or transformers (hf)");
  command->add_option("MODEL", options->model, "snapshot (STORE#42, STORE#latest) or model folder")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to merge into the model (default: none)");
  command
      ->add_option("--format", options->format,
                   "gguf: one file, adapter merged; gguf-lora: the adapter alone, for llama.cpp's "
                   "--lora; hf: a Hugging Face folder, adapter merged")
      ->capture_default_str()
      ->check(one_of({"gguf", "gguf-lora", "hf"}));
  command->add_option("--encoding", options->encoding,
                      "how GGUF stores the weights: " + encoding_words() + " (default: q8_0)");
  command->add_option("--imatrix", options->imatrix,
                      "importance matrix that the encoding rounds by: a file of llama.cpp's "
                      "llama-imatrix, or auto to collect it on held-out rows (default: none)");
  command->add_option("--to", options->to, "new file, or new folder for hf")->required();
  add_verify_options(*command, *options);
  add_device_flags(*command, options->device);
  finish_command(*command, program,
                 "slmtune export runs/faq#latest --encoding q4_k_m --to out/faq.gguf\n"
                 "  slmtune export runs/faq#42 --encoding q4_k_m --imatrix auto --to out/faq.gguf\n"
                 "  slmtune export models/base --adapter adapters/faq --format gguf-lora --to "
                 "out/faq-lora.gguf\n"
                 "  slmtune export runs/faq#latest --format hf --to out/faq");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().export_model(*options, program.common); };
  });
}

}  // namespace slmtune::cli
