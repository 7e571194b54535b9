// Text generation with a KV cache.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "eval/sampling_options.h"
#include "models/causal_lm.h"

namespace slmtune::eval {

// Tokens after `prompt`, without the stop token. `on_token` (may be empty) sees each as it is made;
// returning false stops. Same model, prompt, options: same tokens. UserError D030 when prompt +
// max_tokens leave the model's context.
std::vector<int32_t> generate(models::CausalLM& model, std::span<const int32_t> prompt,
                              std::span<const int32_t> stop_ids, const SamplingOptions& options,
                              const std::function<bool(int32_t)>& on_token = {});

}  // namespace slmtune::eval
