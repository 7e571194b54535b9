#include "train/embedding_noise.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace slmtune::train {
namespace {

at::Tensor with_noise(const at::Tensor& embedded, const models::Layout& layout, double alpha) {
  if (!at::GradMode::is_enabled()) return embedded;
  at::Tensor noise = at::zeros_like(embedded.detach());
  for (size_t row = 0; row + 1 < layout.starts.size(); ++row) {
    const int64_t tokens = layout.starts[row + 1] - layout.starts[row];
    const double size = alpha / std::sqrt(static_cast<double>(tokens * embedded.size(1)));
    noise.narrow(0, layout.starts[row], tokens).uniform_(-size, size);
  }
  return embedded + noise;
}

}  // namespace

EmbeddingNoise::EmbeddingNoise(models::CausalLM& model, double alpha) : model_(model) {
  if (alpha > 0.0)
    model.on_embedding = [alpha](const at::Tensor& embedded, const models::Layout& layout) {
      return with_noise(embedded, layout, alpha);
    };
}

EmbeddingNoise::~EmbeddingNoise() {
  model_.on_embedding = nullptr;
}

}  // namespace slmtune::train
