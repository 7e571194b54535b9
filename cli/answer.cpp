#include "cli/answer.h"

#include "cli/option_checks.h"

namespace slmtune::cli {

void add_sampling_flags(CLI::App& command, SamplingFlags& flags) {
  eval::SamplingOptions& options = flags.options;
  command.add_flag("--greedy", flags.greedy,
                   "always the most likely token (off by default: sampled)");
  command.add_option("--max-tokens", options.max_tokens, "longest answer, in tokens")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 20));
  command.add_option("--seed", options.seed, "same seed, same answer")
      ->capture_default_str()
      ->check(whole_number(0, INT64_MAX));
  command
      .add_option("--temperature", options.temperature,
                  "below 1 more predictable, above 1 more varied")
      ->capture_default_str()
      ->check(decimal(0.01, 100.0));
  command.add_option("--top-k", options.top_k, "choose among the k most likely tokens; 0 = all")
      ->capture_default_str()
      ->check(whole_number(0, 1 << 30));
  command
      .add_option("--top-p", options.top_p,
                  "choose among the most likely tokens of this summed probability")
      ->capture_default_str()
      ->check(decimal(0.0, 1.0));
}

Answer answer(LoadedModel& loaded, std::span<const int32_t> prompt, const SamplingFlags& flags,
              const std::function<void(const std::string&)>& on_text) {
  eval::SamplingOptions options = flags.options;
  options.greedy = flags.greedy;
  data::StreamDecoder decoder(loaded.text.tokenizer);
  Answer result;
  auto add = [&](const std::string& piece) {
    result.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  auto on_token = [&](int32_t id) {
    add(decoder.push(id));
    return true;
  };
  result.ids =
      eval::generate(*loaded.model, prompt, loaded.text.tokenizer.stop_ids(), options, on_token);
  add(decoder.finish());
  return result;
}

}  // namespace slmtune::cli
