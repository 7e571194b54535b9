// A GPU's memory that is full in the middle of a run, acted by an objective that has no room for
// large micro-batches: what it throws is what LibTorch's allocator throws.
#include "train/out_of_memory.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "tests/train/tiny_training.h"
#include "train/loop.h"
#include "train/loss.h"

namespace slmtune::train {
namespace {

using testing::log_lines;
using testing::tiny_lora_model;
using testing::TinyRun;

constexpr int64_t kEndless = 1'000'000;

// As sft, with room for micro-batches of so many tokens.
class Scarce : public Objective {
 public:
  Scarce(const TrainJob& job, int64_t room) : job_(job), room_(room) {}

  BatchLoss loss(Part, const data::MicroBatch& batch) override {
    ++calls;
    const at::Tensor sum = loss_sum(*job_.model, to_tensors(batch, at::kCPU), 1024);
    if (calls == one_failure || std::ssize(batch.ids) > room_)
      TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate 2.00 GiB.");
    largest = std::max<int64_t>(largest, std::ssize(batch.ids));
    return {sum, batch.trained, {}};
  }

  int64_t calls = 0, one_failure = -1, largest = 0;

 private:
  const TrainJob& job_;
  const int64_t room_;
};

// Rows of 3 to 20 tokens in two micro-batches a step.
struct ScarceRun : TinyRun {
  ScarceRun() : TinyRun(tiny_lora_model()) {
    job.config.batch_rows = 8;
    job.config.micro_batch_tokens = 64;
  }
  TrainResult train_with(int64_t room) {
    Scarce objective(job, room);
    return run_loop(job, objective);
  }
};

std::vector<double> losses(const TinyRun& run) {
  std::vector<double> values;
  for (const OrderedJson& line : log_lines(run.run.path()))
    if (line.contains("loss")) values.push_back(line["loss"].get<double>());
  return values;
}

void expect_same_training(ScarceRun& a, ScarceRun& b) {
  const std::vector<double> first = losses(a), second = losses(b);
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(first[i], second[i], 1e-5) << "step " << i;
  const auto weights = models::trainable_tensors(*b.model);
  for (size_t i = 0; const auto& [name, tensor] : models::trainable_tensors(*a.model))
    EXPECT_TRUE(at::allclose(tensor, weights[i++].second, 1e-4, 1e-5)) << name;
}

TEST(OutOfMemory, HalvedMicroBatchesTrainTheSame) {
  ScarceRun plenty, scarce;
  plenty.train_with(kEndless);
  const TrainResult result = scarce.train_with(30);
  ASSERT_EQ(result.state.halvings.size(), 1u);
  EXPECT_EQ(result.state.halvings[0].step, 1);
  EXPECT_EQ(result.state.halvings[0].from, 64);
  EXPECT_LE(result.state.halvings[0].to, 30);
  EXPECT_EQ(result.ended, "done");
  expect_same_training(plenty, scarce);
}

// The first micro-batch of the step has left its gradients behind.
TEST(OutOfMemory, AStepThatFailsInItsMiddleIsDoneAgainAsAWhole) {
  ScarceRun plenty, scarce;
  plenty.train_with(kEndless);
  Scarce objective(scarce.job, kEndless);
  objective.one_failure = 4;
  const TrainResult result = run_loop(scarce.job, objective);
  ASSERT_EQ(result.state.halvings.size(), 1u);
  EXPECT_EQ(result.state.halvings[0].step, 2);
  expect_same_training(plenty, scarce);
}

TEST(OutOfMemory, IsInTheLog) {
  ScarceRun scarce;
  const TrainResult result = scarce.train_with(30);
  const std::vector<OrderedJson> lines = log_lines(scarce.run.path());
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0]["out_of_memory"], true);
  EXPECT_EQ(lines[0]["micro_batch_tokens"], result.state.halvings[0].to);
}

TEST(OutOfMemory, EndsTheRunAfterThreeHalvings) {
  ScarceRun scarce;
  scarce.job.config.batch_rows = 20;
  scarce.job.config.micro_batch_tokens = 1024;
  try {
    scarce.train_with(2);
    FAIL() << "no error";
  } catch (const UnavailableError& error) {
    EXPECT_EQ(error.code(), "G013");
    EXPECT_EQ(error.exit_code(), ExitCode::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("after 3 halvings"), std::string::npos)
        << error.what();
  }
}

TEST(OutOfMemory, EndsTheRunWhenASingleRowIsTooLong) {
  ScarceRun scarce;
  scarce.job.pack = false;  // every row alone
  try {
    scarce.train_with(2);
    FAIL() << "no error";
  } catch (const UnavailableError& error) {
    EXPECT_EQ(error.code(), "G013");
    EXPECT_NE(std::string(error.what()).find("a single row of"), std::string::npos) << error.what();
  }
}

TEST(OutOfMemory, OtherErrorsAreNotTakenForIt) {
  ScarceRun scarce;
  class Broken : public Objective {
    BatchLoss loss(Part, const data::MicroBatch&) override { TORCH_CHECK(false, "a mistake"); }
  } broken;
  EXPECT_THROW(run_loop(scarce.job, broken), c10::Error);
  EXPECT_TRUE(log_lines(scarce.run.path()).empty());
}

TEST(OutOfMemory, OfOurOwnKernelsCountsToo) {
  try {
    throw UnavailableError("G013", "", "rms_norm failed on the GPU: out of memory", "");
  } catch (...) {
    EXPECT_EQ(out_of_memory_text(), "rms_norm failed on the GPU: out of memory");
  }
}

std::string told(const std::function<void()>& fail) {
  try {
    fail();
  } catch (...) {
    return out_of_memory_text();
  }
  return "nothing";
}

TEST(OutOfMemory, OfTheDriverAndOfCublasCountsToo) {
  EXPECT_EQ(told([] {
              throw c10::AcceleratorError({"f", "file", 1}, 2, "CUDA error: out of memory\nmore");
            }),
            "CUDA error: out of memory");
  const std::string text = told([] {
    TORCH_CHECK(false,
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`");
  });
  EXPECT_NE(text.find("CUBLAS_STATUS_ALLOC_FAILED"), std::string::npos) << text;
  EXPECT_THROW(told([] {
                 throw c10::AcceleratorError({"f", "file", 1}, 700, "CUDA error: illegal address");
               }),
               c10::AcceleratorError);
}

TEST(OutOfMemory, OtherErrorsOfTheGpuGoOn) {
  const auto ask = [] {
    try {
      throw UnavailableError("G004", "", "rms_norm failed on the GPU: illegal address", "");
    } catch (...) {
      out_of_memory_text();
    }
  };
  EXPECT_THROW(ask(), UnavailableError);
}

TEST(OutOfMemory, InAValidationHalvesToo) {
  ScarceRun scarce;
  const data::Dataset valid = testing::tiny_rows(12, 6);
  scarce.job.valid = &valid;
  scarce.job.config.batch_rows = 1;
  const TrainResult result = scarce.train_with(30);
  EXPECT_EQ(result.state.halvings.size(), 1u);
  EXPECT_TRUE(result.valid_loss.has_value());
}

// What was found out before step 1 costs no step later.
TEST(OutOfMemory, InTheRehearsalHalvesBeforeTheFirstStep) {
  ScarceRun scarce;
  scarce.job.on_rehearsal = [](const Rehearsal& rehearsal) { EXPECT_LE(rehearsal.tokens, 30); };
  const TrainResult result = scarce.train_with(30);
  ASSERT_EQ(result.state.halvings.size(), 2u);  // 64, 32, 16
  for (const Halving& halving : result.state.halvings) EXPECT_EQ(halving.step, 1);
  EXPECT_EQ(result.ended, "done");
}

TEST(OutOfMemory, ARunThatGoesOnKeepsItsHalvedMicroBatches) {
  ScarceRun scarce;
  scarce.job.config.max_steps = 4;
  scarce.job.should_stop = [&] { return log_lines(scarce.run.path()).size() >= 3; };
  const TrainResult part = scarce.train_with(30);
  ASSERT_EQ(part.ended, "stopped");
  ASSERT_EQ(part.state.halvings.size(), 1u);

  scarce.job.should_stop = nullptr;
  scarce.job.resume_from = latest_checkpoint(scarce.run.path());
  ASSERT_TRUE(scarce.job.resume_from.has_value());
  Scarce objective(scarce.job, kEndless);
  const TrainResult rest = run_loop(scarce.job, objective);
  EXPECT_EQ(rest.ended, "done");
  EXPECT_EQ(rest.state.halvings.size(), 1u);
  EXPECT_LE(objective.largest, 30);
}

}  // namespace
}  // namespace slmtune::train
