#include "eval/generation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/stop.h"
#include "eval/sampler.h"

namespace slmtune::eval {
namespace {

void check_length(const models::CausalLM& model, size_t prompt, int64_t max_tokens) {
  if (prompt == 0)
    throw UserError("D031", "", "the prompt has no token", "give at least one character");
  const int64_t limit = model.config().max_positions, used = static_cast<int64_t>(prompt);
  if (limit <= 0 || (max_tokens <= limit && used <= limit - max_tokens)) return;
  throw UserError("D030", "",
                  "the prompt's " + std::to_string(used) + " tokens and " +
                      std::to_string(max_tokens) +
                      " tokens to be made exceed the model's context of " + std::to_string(limit),
                  used < limit ? "set --max-tokens to " + std::to_string(limit - used) + " or less"
                               : "shorten the prompt");
}

// One thread for models so small that waking a second one for each operator costs more than it
// computes: the quick start's model answers five times faster so on a busy machine. The choice
// depends on the model alone.
class OneThreadForSmallModels {
 public:
  explicit OneThreadForSmallModels(const models::CausalLM& model) : before_(at::get_num_threads()) {
    if (model.device.is_cpu() && products_per_token(model.config()) < kFewProducts)
      at::set_num_threads(1);
  }
  ~OneThreadForSmallModels() {
    if (at::get_num_threads() != before_) at::set_num_threads(before_);
  }
  OneThreadForSmallModels(const OneThreadForSmallModels&) = delete;
  OneThreadForSmallModels& operator=(const OneThreadForSmallModels&) = delete;

 private:
  static constexpr int64_t kFewProducts = 16'000'000;

  static int64_t products_per_token(const models::ModelConfig& config) {
    const int64_t attention =
        2 * config.hidden_size * config.head_dim * (config.heads + config.kv_heads);
    const int64_t mlp = 3 * config.hidden_size * config.intermediate_size;
    return config.layers * (attention + mlp) + config.hidden_size * config.vocab_size;
  }

  int before_;
};

// Runs `ids` at the end of `cache` and returns the last token's logits, float32 on the CPU.
at::Tensor last_logits(models::CausalLM& model, std::span<const int32_t> ids,
                       models::KvCache& cache) {
  const auto count = static_cast<int64_t>(ids.size());
  const std::vector<int64_t> wide(ids.begin(), ids.end());
  const at::Tensor input = at::tensor(wide, at::kLong).to(model.device);
  const models::Layout layout = models::Layout::single(count, cache.length);
  const at::Tensor hidden = model.hidden(input, layout, &cache);
  return model.logits(hidden.narrow(0, count - 1, 1))
      .reshape({-1})
      .to(at::kCPU, at::kFloat)
      .contiguous();
}

}  // namespace

std::vector<int32_t> generate(models::CausalLM& model, std::span<const int32_t> prompt,
                              std::span<const int32_t> stop_ids, const SamplingOptions& options,
                              const std::function<bool(int32_t)>& on_token) {
  check_length(model, prompt.size(), options.max_tokens);
  const c10::InferenceMode no_gradients;
  const OneThreadForSmallModels threads(model);
  Sampler sampler(options);
  models::KvCache cache;
  std::vector<int32_t> made;
  std::vector<int32_t> input(prompt.begin(), prompt.end());
  while (static_cast<int64_t>(made.size()) < options.max_tokens) {
    check_stop();
    const at::Tensor logits = last_logits(model, input, cache);
    const int32_t id =
        sampler.next({logits.const_data_ptr<float>(), static_cast<size_t>(logits.numel())});
    if (std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end()) break;
    made.push_back(id);
    if (on_token && !on_token(id)) break;
    input.assign(1, id);
  }
  return made;
}

}  // namespace slmtune::eval
