#include "train/loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "tests/support/tensor_bytes.h"
#include "tests/train/tiny_training.h"

namespace slmtune::train {
namespace {

using slmtune::testing::TensorBytes;
using testing::kVocabulary;
using testing::tiny_lora_model;
using testing::tiny_model;
using testing::tiny_rows;

using Gradients = std::vector<std::pair<std::string, at::Tensor>>;

std::vector<data::MicroBatch> batches_of(const data::Dataset& dataset, int64_t budget, bool pack) {
  std::vector<uint64_t> rows(dataset.rows.size());
  std::iota(rows.begin(), rows.end(), uint64_t{0});
  return data::pack(dataset.rows, rows, budget, pack);
}

// Loss sum and gradients over all micro-batches.
double loss_and_gradients(models::CausalLM& model, const std::vector<data::MicroBatch>& batches,
                          int64_t chunk, Gradients& gradients) {
  double sum = 0.0;
  auto tensors = models::trainable_tensors(model);
  for (auto& [name, tensor] : tensors) tensor.mutable_grad() = at::Tensor();
  for (const data::MicroBatch& batch : batches) {
    at::Tensor loss = loss_sum(model, to_tensors(batch, at::kCPU), chunk);
    loss.backward();
    sum += loss.item<double>();
  }
  gradients.clear();
  for (auto& [name, tensor] : tensors) gradients.emplace_back(name, tensor.grad().clone());
  return sum;
}

void expect_close(const Gradients& a, const Gradients& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    double difference = (a[i].second - b[i].second).norm().item<double>();
    EXPECT_LE(difference, tolerance * (1e-3 + b[i].second.norm().item<double>())) << a[i].first;
  }
}

// −Σ log p(target), written the obvious way.
double plain_loss(models::CausalLM& model, const data::Dataset& dataset) {
  at::NoGradGuard no_gradient;
  double sum = 0.0;
  for (const data::Row view : dataset.rows) {
    const data::Tokens row = view.tokens();
    at::Tensor ids = at::tensor(row.ids, at::kInt).to(at::kLong);
    at::Tensor logits =
        model.logits(model.hidden(ids, models::Layout::single(ids.size(0)))).to(at::kDouble);
    for (size_t i = 1; i < row.ids.size(); ++i)
      if (row.labels[i] != data::kNotTrained)
        sum -=
            at::log_softmax(logits[static_cast<int64_t>(i) - 1], 0)[row.labels[i]].item<double>();
  }
  return sum;
}

TEST(Loss, EqualsThePlainFormula) {
  auto model = tiny_model();
  data::Dataset rows = tiny_rows(6);
  at::NoGradGuard no_gradient;
  double sum = 0.0;
  for (const auto& batch : batches_of(rows, 64, true))
    sum += loss_sum(*model, to_tensors(batch, at::kCPU), 1024).item<double>();
  EXPECT_NEAR(sum, plain_loss(*model, rows), 1e-3);
}

TEST(Loss, PackedEqualsUnpackedInLossAndGradients) {
  auto model = tiny_lora_model();
  data::Dataset rows = tiny_rows(9);
  Gradients packed, single;
  double a = loss_and_gradients(*model, batches_of(rows, 4096, true), 1024, packed);
  double b = loss_and_gradients(*model, batches_of(rows, 4096, false), 1024, single);
  EXPECT_NEAR(a, b, 1e-5 * b);
  expect_close(packed, single, 1e-5);
}

TEST(Loss, ChunkedEqualsWholeForAnAdapter) {
  auto model = tiny_lora_model(0.0, at::kDouble);
  auto batches = batches_of(tiny_rows(9), 4096, true);
  Gradients whole, chunked;
  double a = loss_and_gradients(*model, batches, 100000, whole);
  for (int64_t chunk : {1, 7, 16}) {
    double b = loss_and_gradients(*model, batches, chunk, chunked);
    EXPECT_NEAR(a, b, 1e-5 * a) << chunk;
    expect_close(chunked, whole, 1e-6);
  }
}

// The gradient of the head itself: through the tied embedding, and through a head of its own.
TEST(Loss, ChunkedEqualsAutogradForEveryParameter) {
  for (bool tied : {true, false}) {
    auto model = tiny_model(at::kDouble, tied);
    testing::require_all_gradients(*model);
    auto batches = batches_of(tiny_rows(9), 4096, true);
    ASSERT_EQ(batches.size(), 1u);
    Gradients chunked, reference;
    double loss = loss_and_gradients(*model, batches, 7, chunked);

    BatchTensors tensors = to_tensors(batches[0], at::kCPU);
    auto parameters = models::trainable_tensors(*model);
    for (auto& [name, tensor] : parameters) tensor.mutable_grad() = at::Tensor();
    at::Tensor hidden =
        model->hidden(tensors.ids, tensors.layout).index_select(0, tensors.label_rows);
    at::Tensor whole =
        at::cross_entropy_loss(model->logits(hidden), tensors.targets, {}, at::Reduction::Sum);
    whole.backward();
    for (auto& [name, tensor] : parameters) reference.emplace_back(name, tensor.grad().clone());
    EXPECT_NEAR(loss, whole.item<double>(), 1e-9 * loss);
    expect_close(chunked, reference, 1e-9);
  }
}

// 400 label rows of 20,000 logits would be 32 MB; a chunk of 25 is 2 MB.
TEST(Loss, NeverHoldsMoreLogitsThanOneChunk) {
  auto model = tiny_model(at::kFloat, true, 20'000);
  lora::LoraConfig config;
  config.rank = 4;
  lora::attach(*model, config, 3);
  data::MicroBatch batch;
  for (int32_t place = 0; place < 401; ++place) {
    batch.ids.push_back(place * 37);
    batch.labels.push_back(place * 37);
    batch.positions.push_back(place % 100);
  }
  batch.starts = {0, 401};
  batch.trained = 400;
  const BatchTensors tensors = to_tensors(batch, at::kCPU);
  const auto bytes = std::make_shared<TensorBytes>();
  {
    const c10::DebugInfoGuard watching(c10::DebugInfoKind::PROFILER_STATE, bytes);
    loss_sum(*model, tensors, 25).backward();
  }
  constexpr int64_t kChunkBytes = 25 * 20'000 * 4;
  EXPECT_GE(bytes->most, kChunkBytes);
  EXPECT_LT(bytes->most, 3 * kChunkBytes);
}

// Embedding and head in bfloat16 under float32, as beside weights of fewer bits, and their very
// values in float32.
TEST(Loss, OfNarrowTablesIsThatOfTheirValues) {
  for (bool tied : {true, false}) {
    auto narrow = tiny_model(at::kFloat, tied), wide = tiny_model(at::kFloat, tied);
    for (auto* model : {narrow.get(), wide.get()}) {
      model->for_each_parameter([&](const std::string&, at::Tensor& tensor) {
        if (tensor.dim() != 2 || tensor.size(0) != kVocabulary) return;
        tensor = tensor.to(at::kBFloat16);
        if (model == wide.get()) tensor = tensor.to(at::kFloat);
      });
      lora::LoraConfig config;
      config.rank = 4;
      config.init = "pissa";  // both matrices get a gradient
      lora::attach(*model, config, 3);
    }
    EXPECT_EQ(narrow->head().weight.scalar_type(), at::kBFloat16);
    const auto batches = batches_of(tiny_rows(9), 4096, true);
    const BatchTensors tensors = to_tensors(batches[0], at::kCPU);
    Gradients found, expected;
    const double loss = loss_and_gradients(*wide, batches, 16, expected);
    EXPECT_NEAR(loss_and_gradients(*narrow, batches, 16, found), loss, 1e-6 * loss);
    expect_close(found, expected, 1e-5);
    EXPECT_TRUE(at::allclose(token_losses(*narrow, tensors, 7), token_losses(*wide, tensors, 7)));
    const at::Tensor hidden = wide->hidden(tensors.ids, tensors.layout);
    EXPECT_TRUE(at::equal(narrow->hidden(tensors.ids, tensors.layout), hidden));
    EXPECT_TRUE(at::allclose(narrow->logits(hidden), wide->logits(hidden), 1e-5, 1e-6));
  }
}

TEST(Loss, ScalesWithTheIncomingGradient) {
  auto model = tiny_lora_model(0.0, at::kDouble);
  auto batches = batches_of(tiny_rows(3), 4096, true);
  Gradients one;
  loss_and_gradients(*model, batches, 5, one);
  auto tensors = models::trainable_tensors(*model);
  for (auto& [name, tensor] : tensors) tensor.mutable_grad() = at::Tensor();
  (loss_sum(*model, to_tensors(batches[0], at::kCPU), 5) * 0.25).backward();
  Gradients quarter;
  for (auto& [name, tensor] : tensors) quarter.emplace_back(name, tensor.grad() * 4.0);
  expect_close(quarter, one, 1e-6);
}

TEST(Loss, OfABatchWithoutLabelsIsZeroWithoutGradient) {
  auto model = tiny_lora_model();
  data::Dataset rows = tiny_rows(2);
  testing::untrain(rows);
  at::Tensor loss = loss_sum(*model, to_tensors(batches_of(rows, 4096, true)[0], at::kCPU), 16);
  EXPECT_EQ(loss.item<double>(), 0.0);
  EXPECT_FALSE(loss.requires_grad());
}

TEST(Loss, HasNoGradientWhenGradModeIsOff) {
  auto model = tiny_lora_model();
  at::NoGradGuard no_gradient;
  at::Tensor loss =
      loss_sum(*model, to_tensors(batches_of(tiny_rows(2), 4096, true)[0], at::kCPU), 16);
  EXPECT_FALSE(loss.requires_grad());
  EXPECT_GT(loss.item<double>(), 0.0);
}

// Σ weight · loss, where every token has a weight of its own.
double weighted_loss_and_gradients(models::CausalLM& model, const BatchTensors& tensors,
                                   const at::Tensor& weights, int64_t chunk, Gradients& gradients) {
  auto parameters = models::trainable_tensors(model);
  for (auto& [name, tensor] : parameters) tensor.mutable_grad() = at::Tensor();
  const at::Tensor losses = token_losses(model, tensors, chunk);
  EXPECT_EQ(losses.sizes(), tensors.targets.sizes());
  const at::Tensor loss = (losses * weights).sum();
  loss.backward();
  gradients.clear();
  for (auto& [name, tensor] : parameters) gradients.emplace_back(name, tensor.grad().clone());
  return loss.item<double>();
}

// With a frozen head, and with one that trains (tied or not).
TEST(TokenLosses, TakeAWeightOfTheirOwnEach) {
  for (const std::string head : {"frozen", "tied", "own"}) {
    auto model = head == "frozen" ? tiny_lora_model(0.0, at::kDouble)
                                  : tiny_model(at::kDouble, head == "tied");
    if (head != "frozen") testing::require_all_gradients(*model);
    const BatchTensors tensors = to_tensors(batches_of(tiny_rows(5), 4096, true)[0], at::kCPU);
    const at::Tensor weights = at::linspace(-1.0, 2.0, tensors.targets.size(0), at::kDouble);
    Gradients chunked, reference;
    const double loss = weighted_loss_and_gradients(*model, tensors, weights, 7, chunked);

    auto parameters = models::trainable_tensors(*model);
    for (auto& [name, tensor] : parameters) tensor.mutable_grad() = at::Tensor();
    const at::Tensor logits = model->logits(
        model->hidden(tensors.ids, tensors.layout).index_select(0, tensors.label_rows));
    const at::Tensor whole =
        (at::cross_entropy_loss(logits, tensors.targets, {}, at::Reduction::None) * weights).sum();
    whole.backward();
    for (auto& [name, tensor] : parameters) reference.emplace_back(name, tensor.grad().clone());
    EXPECT_NEAR(loss, whole.item<double>(), 1e-9 * std::abs(loss)) << head;
    expect_close(chunked, reference, 1e-9);
  }
}

TEST(TokenLosses, OfABatchWithoutLabelsAreNone) {
  auto model = tiny_lora_model();
  data::Dataset rows = tiny_rows(2);
  testing::untrain(rows);
  const BatchTensors tensors = to_tensors(batches_of(rows, 4096, true)[0], at::kCPU);
  EXPECT_EQ(token_losses(*model, tensors, 16).size(0), 0);
}

// The loops of the CPU against LibTorch's operators in float64, on one set of weights.
TEST(Loss, FloatAndBFloat16AreCloseToFloat64) {
  auto exact_model = tiny_model(at::kDouble);
  const BatchTensors tensors = to_tensors(batches_of(tiny_rows(9), 4096, true)[0], at::kCPU);
  const at::NoGradGuard no_gradient;
  const double exact = loss_sum(*exact_model, tensors, 16).item<double>();
  EXPECT_NEAR(loss_sum(*tiny_model(), tensors, 16).item<double>(), exact, 1e-5 * exact);
  EXPECT_NEAR(loss_sum(*tiny_model(at::kBFloat16), tensors, 16).item<double>(), exact,
              2e-2 * exact);
}

TEST(BatchTensors, TargetsAreTheNextLabelsWithinARow) {
  data::MicroBatch batch;
  batch.ids = {4, 5, 6, 7, 8};
  batch.labels = {data::kNotTrained, 5, data::kNotTrained, data::kNotTrained, 8};
  batch.positions = {0, 1, 2, 0, 1};
  batch.starts = {0, 3, 5};
  batch.trained = 2;
  BatchTensors tensors = to_tensors(batch, at::kCPU);
  EXPECT_TRUE(at::equal(tensors.label_rows, at::tensor({0, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(tensors.targets, at::tensor({5, 8}, at::kLong)));
  EXPECT_TRUE(at::equal(tensors.layout.positions, at::tensor({0, 1, 2, 0, 1}, at::kLong)));
}

}  // namespace
}  // namespace slmtune::train
