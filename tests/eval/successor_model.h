// A model whose next token is known: after token t comes successor[t], with logit `margin` above
// all others. Checks that the cache and the positions it is given go on where they stopped.
#pragma once
#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "core/error.h"
#include "models/causal_lm.h"

namespace slmtune::eval {

class SuccessorModel : public models::CausalLM {
 public:
  SuccessorModel(int64_t vocabulary, std::map<int32_t, int32_t> successor,
                 int64_t max_positions = 64, double margin = 8.0)
      : CausalLM(facts(vocabulary, max_positions)), table_(at::zeros({vocabulary, vocabulary})) {
    for (const auto& [from, to] : successor) table_[from][to] = margin;
  }

  at::Tensor hidden(const at::Tensor& ids, const models::Layout& layout,
                    models::KvCache* cache) override {
    ++calls;
    if (cache) {
      SLMTUNE_ASSERT(layout.positions[0].item<int64_t>() == cache->length,
                     "positions continue the cache");
      cache->length += ids.size(0);
    }
    return table_.index_select(0, ids);
  }
  at::Tensor logits(const at::Tensor& hidden) override { return hidden; }
  models::Head head() const override { return {at::eye(config_.vocab_size)}; }
  void for_each_linear(const std::function<void(const std::string&, models::Linear&)>&) override {}
  void for_each_parameter(const std::function<void(const std::string&, at::Tensor&)>&) override {}

  int calls = 0;

 private:
  static models::ModelConfig facts(int64_t vocabulary, int64_t max_positions) {
    models::ModelConfig config;
    config.vocab_size = vocabulary;
    config.max_positions = max_positions;
    return config;
  }
  at::Tensor table_;  // [V, V]
};

}  // namespace slmtune::eval
