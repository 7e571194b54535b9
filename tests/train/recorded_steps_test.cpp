#include "train/recorded_steps.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include "core/error.h"
#include "tests/train/tiny_training.h"
#include "train/optimizer.h"

namespace slmtune::train {
namespace {

using namespace testing;

TEST(GraphShape, GrowsByAtMostAnEighth) {
  EXPECT_EQ(filled_up(1), 64);
  EXPECT_EQ(filled_up(64), 64);
  EXPECT_EQ(filled_up(65), 72);
  EXPECT_EQ(filled_up(2048), 2048);
  EXPECT_EQ(filled_up(2049), 2304);
  int64_t sizes = 0;
  for (int64_t count = 65; count <= 16'384; ++count) {
    const int64_t filled = filled_up(count);
    ASSERT_GE(filled, count);
    ASSERT_LE(8 * (filled - count), filled);
    ASSERT_EQ(filled_up(filled), filled);
    sizes += filled == count;
  }
  EXPECT_EQ(sizes, 8 * 8);  // eight octaves
}

data::MicroBatch batch_of(std::vector<uint64_t> chosen, const data::Dataset& rows) {
  return data::pack(rows.rows, chosen, 1 << 20, true).front();
}

TEST(GraphShape, FillsUpWithARowThatCarriesNoLoss) {
  const data::Dataset rows = tiny_rows(12);
  const data::MicroBatch batch = batch_of({0, 1, 2, 3, 4, 5}, rows);
  const GraphShape shape = graph_shape(batch);
  const FilledBatch filled = fill_up(batch, shape);
  const auto tokens = static_cast<int64_t>(batch.ids.size());
  ASSERT_LT(tokens, shape.tokens) << "the case says nothing";
  EXPECT_EQ(std::ssize(filled.ids), shape.tokens);
  EXPECT_EQ(std::ssize(filled.positions), shape.tokens);
  EXPECT_EQ(filled.positions[static_cast<size_t>(tokens)], 0);
  for (const auto* labels : {&filled.label_rows, &filled.targets, &filled.weights})
    EXPECT_EQ(std::ssize(*labels), shape.labels);
  EXPECT_EQ(std::ranges::count(filled.weights, 1), batch.trained);
  EXPECT_EQ(shape.rows, 8);
  EXPECT_EQ(filled.starts, (std::vector<int64_t>{0, batch.starts[1], batch.starts[2],
                                                 batch.starts[3], batch.starts[4], batch.starts[5],
                                                 tokens, shape.tokens, shape.tokens}));
}

TEST(GraphShape, RecordsWhatAGpuCanRecord) {
  const GraphFacts good{.on_gpu = true, .parameters = 1'500'000'000, .all_fused = true};
  EXPECT_TRUE(records_steps(good));
  const auto without = [&](auto&& change) {
    GraphFacts facts = good;
    change(facts);
    return records_steps(facts);
  };
  EXPECT_FALSE(without([](GraphFacts& facts) { facts.on_gpu = false; }));
  EXPECT_FALSE(without([](GraphFacts& facts) { facts.parameters = 7'000'000'000; }));
  EXPECT_FALSE(without([](GraphFacts& facts) { facts.draws_random = true; }));
  EXPECT_FALSE(without([](GraphFacts& facts) { facts.all_fused = false; }));
  EXPECT_FALSE(without([](GraphFacts& facts) { facts.offloads = true; }));
  EXPECT_FALSE(without([](GraphFacts& facts) { facts.turns_by_length = true; }));
}

at::Tensor gradients_of(models::CausalLM& model) {
  std::vector<at::Tensor> all;
  for (const auto& [name, tensor] : models::trainable_tensors(model))
    all.push_back(tensor.grad().flatten().clone());
  return at::cat(all);
}

// One that steps are recorded of, and its like.
struct TwoModels {
  const data::Dataset rows = tiny_rows(24);
  std::unique_ptr<models::CausalLM> recorded = tiny_lora_model(), plain = tiny_lora_model();
  std::unique_ptr<Optimizer> optimizer = make_optimizer(models::trainable_tensors(*recorded), {}),
                             other = make_optimizer(models::trainable_tensors(*plain), {});

  void expect_same_step(RecordedSteps& steps, const std::vector<uint64_t>& chosen) {
    const data::MicroBatch batch = batch_of(chosen, rows);
    optimizer->zero_grad();
    other->zero_grad();
    const double found = steps.loss_sum(batch).item<double>();
    const at::Tensor expected = loss_sum(*plain, to_tensors(batch, at::kCPU), 1024);
    expected.backward();
    EXPECT_NEAR(found, expected.item<double>(), 1e-5 * found);
    const at::Tensor wanted = gradients_of(*plain);
    EXPECT_LT((gradients_of(*recorded) - wanted).norm().item<double>(),
              1e-5 * wanted.norm().item<double>());
  }
};

TEST(RecordedSteps, GiveTheLossAndGradientsOfThePlainPass) {
  TwoModels two;
  RecordedSteps steps(*two.recorded, 1024);
  const std::vector<std::vector<uint64_t>> batches = {
      {0, 1, 2, 3}, {4, 5, 6, 7}, {0, 1, 2, 3},    {8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
      {0, 1, 2, 3}, {19},         {20, 21, 22, 23}};
  for (const std::vector<uint64_t>& chosen : batches)
    two.expect_same_step(steps, chosen);
  EXPECT_GT(steps.recorded(), 0u);
}

// The first size is recorded; what `fail` throws, the second one ends with.
void expect_plain_steps_after(const std::function<void()>& fail) {
  TwoModels two;
  int tries = 0;
  RecordedSteps steps(*two.recorded, 1024,
                      [&](at::Device device, const kernels::RecordedWork* share,
                          const std::function<void()>& work) {
                        if (++tries > 1) fail();
                        return kernels::record_work(device, share, work);
                      });
  const std::vector<uint64_t> small = {0, 1}, large = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  for (const auto& chosen : {small, small, small, large, large, large, small})
    two.expect_same_step(steps, chosen);
  EXPECT_EQ(tries, 2);  // it is not tried again
}

TEST(RecordedSteps, AreStartedOneByOneWhereTheDeviceCannotRecord) {
  expect_plain_steps_after([] { TORCH_CHECK(false, "operation not permitted when capturing"); });
  expect_plain_steps_after([] { throw UnavailableError("G004", "", "recording a step", ""); });
}

TEST(RecordedSteps, AreForgottenWhereNoMemoryIsLeftForThem) {
  expect_plain_steps_after(
      [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory."); });
}

TEST(RecordedSteps, OtherErrorsPassThrough) {
  auto model = tiny_lora_model();
  const data::Dataset rows = tiny_rows(4);
  const auto optimizer = make_optimizer(models::trainable_tensors(*model), {});
  RecordedSteps steps(*model, 1024,
                      [](at::Device, const kernels::RecordedWork*,
                         const std::function<void()>&) -> std::unique_ptr<kernels::RecordedWork> {
                        throw UnavailableError("G014", "", "the GPU is in use", "");
                      });
  const data::MicroBatch batch = batch_of({0, 1}, rows);
  steps.loss_sum(batch);
  EXPECT_THROW(steps.loss_sum(batch), UnavailableError);
}

TEST(RecordedSteps, LeaveABatchWithoutLabelsAlone) {
  data::Dataset rows = tiny_rows(4);
  untrain(rows);
  auto model = tiny_lora_model();
  const auto optimizer = make_optimizer(models::trainable_tensors(*model), {});
  optimizer->zero_grad();
  RecordedSteps steps(*model, 1024);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(steps.loss_sum(batch_of({0, 1}, rows)).item<double>(), 0.0);
  EXPECT_EQ(gradients_of(*model).abs().max().item<double>(), 0.0);
}

TEST(RecordedSteps, TrainAsTheLoopDoesWithoutThem) {
  const auto trained = [](bool records) {
    TinyRun tiny(tiny_lora_model());
    tiny.job.records_steps = records;
    tiny.job.reads_late = records;
    run_sft(tiny.job);
    std::vector<double> losses;
    for (const auto& line : log_lines(tiny.run.path()))
      losses.push_back(line["loss"].get<double>());
    return losses;
  };
  const std::vector<double> with = trained(true), without = trained(false);
  ASSERT_EQ(with.size(), without.size());
  for (size_t i = 0; i < with.size(); ++i) EXPECT_NEAR(with[i], without[i], 1e-4 * without[i]);
}

}  // namespace
}  // namespace slmtune::train
