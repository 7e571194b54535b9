// NEFTune (Jain et al. 2023, https://arxiv.org/abs/2310.05914): while training, uniform noise of
// ±alpha / √(T·D) on the embeddings, with T the tokens of the row and D the width of the model.
#pragma once
#include "models/causal_lm.h"

namespace slmtune::train {

// Adds noise to the embeddings of `model` while it lives and gradients are recorded, so not in a
// validation and not in the reference of DPO. Drawn from LibTorch's default generator, row by row,
// as transformers draws it for one row. alpha 0: none.
class EmbeddingNoise {
 public:
  EmbeddingNoise(models::CausalLM& model, double alpha);
  ~EmbeddingNoise();
  EmbeddingNoise(const EmbeddingNoise&) = delete;
  EmbeddingNoise& operator=(const EmbeddingNoise&) = delete;

 private:
  models::CausalLM& model_;
};

}  // namespace slmtune::train
