#include "train/checkpoint.h"

#include <ATen/ATen.h>

#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "core/error.h"
#include "tests/support/counts.h"
#include "tests/support/raises.h"
#include "tests/train/tiny_training.h"
#include "train/checkpoint_folders.h"

namespace slmtune::train {
namespace {

using slmtune::testing::raises;
using slmtune::testing::TempFolder;
using testing::tiny_lora_model;
using testing::tiny_model;

struct Saved {
  Saved() : optimizer(models::trainable_tensors(*model), TrainConfig{}) {
    state.identity = {{"data", "aa"}, {"base", "bb"}};
  }
  void save(int64_t step) {
    state.step = step;
    save_checkpoint(folder.path(), *model, optimizer, state);
  }
  std::filesystem::path at_step(const std::string& name) const {
    return folder.path() / "checkpoints" / name;
  }
  TempFolder folder;
  std::unique_ptr<models::CausalLM> model = tiny_lora_model();
  AdamW optimizer;
  TrainState state;
};

void flip_last_byte(const std::filesystem::path& file) {
  std::string bytes = TempFolder::read(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(file, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string code_of_load(Saved& saved, const std::filesystem::path& checkpoint) {
  try {
    load_checkpoint(checkpoint, *saved.model, saved.optimizer, saved.state.identity);
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST(Checkpoint, BringsBackStateAndTensors) {
  Saved saved;
  saved.state.tokens_seen = 77;
  saved.state.valid_loss = 1.25;
  saved.save(200);
  auto checkpoint = latest_checkpoint(saved.folder.path());
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->filename(), "step-000200");

  auto tensors = models::trainable_tensors(*saved.model);
  std::vector<at::Tensor> before;
  for (auto& [name, tensor] : tensors) {
    before.push_back(tensor.detach().clone());
    tensor.detach().add_(1.0);
  }
  TrainState state =
      load_checkpoint(*checkpoint, *saved.model, saved.optimizer, saved.state.identity);
  EXPECT_EQ(state.step, 200);
  EXPECT_EQ(state.tokens_seen, 77);
  EXPECT_EQ(state.valid_loss, 1.25);
  EXPECT_FALSE(state.best_valid_loss);
  for (size_t i = 0; i < tensors.size(); ++i) EXPECT_TRUE(at::equal(tensors[i].second, before[i]));
}

TEST(Checkpoint, HoldsOnlyTheAdapterForLora) {
  Saved saved;
  saved.save(1);
  auto file = SafetensorsFile::open(saved.at_step("step-000001") / "model.safetensors");
  EXPECT_EQ(file.tensors().size(), models::trainable_tensors(*saved.model).size());
  for (const auto& [name, view] : file.tensors())
    EXPECT_NE(name.find(".lora_"), std::string::npos) << name;
}

TEST(Checkpoint, KeepsTheLastTwo) {
  Saved saved;
  for (int64_t step : {10, 20, 30}) saved.save(step);
  EXPECT_FALSE(std::filesystem::exists(saved.at_step("step-000010")));
  EXPECT_TRUE(std::filesystem::exists(saved.at_step("step-000020")));
  EXPECT_TRUE(std::filesystem::exists(saved.at_step("step-000030")));
}

TEST(Checkpoint, RemovesNewerOnesOfAnAbandonedContinuation) {
  Saved saved;
  for (int64_t step : {10, 20, 15}) saved.save(step);
  EXPECT_FALSE(std::filesystem::exists(saved.at_step("step-000020")));
  EXPECT_EQ(latest_checkpoint(saved.folder.path())->filename(), "step-000015");
}

TEST(Checkpoint, SweepsWhatAnInterruptedSaveLeft) {
  Saved saved;
  saved.folder.write("checkpoints/.step-000005.partial/model.safetensors", "half");
  saved.save(6);
  EXPECT_FALSE(std::filesystem::exists(saved.at_step(".step-000005.partial")));
}

TEST(Checkpoint, FallsBackWhenAByteFlipped) {
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    Saved saved;
    saved.save(10);
    saved.save(20);
    flip_last_byte(saved.at_step("step-000020") / name);
    ::testing::internal::CaptureStderr();
    auto checkpoint = latest_checkpoint(saved.folder.path());
    std::string warning = ::testing::internal::GetCapturedStderr();
    ASSERT_TRUE(checkpoint);
    EXPECT_EQ(checkpoint->filename(), "step-000010");
    EXPECT_NE(warning.find(name), std::string::npos) << warning;
    EXPECT_EQ(code_of_load(saved, saved.at_step("step-000020")), "F081");
  }
}

TEST(Checkpoint, FallsBackWhenAFileIsCutMissingOrNoState) {
  Saved saved;
  saved.save(10);
  saved.save(20);
  auto newest = saved.at_step("step-000020");
  std::filesystem::resize_file(newest / "model.safetensors", 20);
  EXPECT_EQ(latest_checkpoint(saved.folder.path())->filename(), "step-000010");
  std::filesystem::remove(newest / "model.safetensors");
  EXPECT_EQ(latest_checkpoint(saved.folder.path())->filename(), "step-000010");
  saved.folder.write("checkpoints/step-000020/state.json", "{\"format\": 1");
  EXPECT_EQ(latest_checkpoint(saved.folder.path())->filename(), "step-000010");
  saved.folder.write("checkpoints/step-000020/state.json", "{\"format\": 1, \"files\": []}");
  EXPECT_EQ(latest_checkpoint(saved.folder.path())->filename(), "step-000010");
  std::filesystem::remove(newest / "state.json");
  EXPECT_EQ(latest_checkpoint(saved.folder.path())->filename(), "step-000010");
}

TEST(Checkpoint, ThereIsNoneInAFreshRun) {
  TempFolder folder;
  EXPECT_FALSE(latest_checkpoint(folder.path()));
}

TEST(Checkpoint, ReplacesADamagedOneOfTheSameStep) {
  Saved saved;
  saved.save(10);
  flip_last_byte(saved.at_step("step-000010") / "model.safetensors");
  saved.save(10);
  EXPECT_TRUE(latest_checkpoint(saved.folder.path()));
}

TEST(Checkpoint, NamesEveryFieldThatChangedWithBothValues) {
  Saved saved;
  saved.save(10);
  const Identity now = {{"data", "other"}, {"new", "1"}};
  EXPECT_TRUE(raises(
      "T010",
      {"'base' is absent, but the run was started with bb",
       "'data' is other, but the run was started with aa",
       "'new' is 1, but the run was started with absent", "--resume-as-new"},
      [&] { load_checkpoint(saved.at_step("step-000010"), *saved.model, saved.optimizer, now); }));
  EXPECT_EQ(error_row("T010").exit, ExitCode::kRecipe);
}

TEST(Checkpoint, LendsItsWeightsToAnyIdentity) {
  Saved saved;
  saved.save(10);
  auto other = tiny_lora_model();
  for (auto& [name, tensor] : models::trainable_tensors(*other)) tensor.detach().zero_();
  AdamW optimizer(models::trainable_tensors(*other), TrainConfig{});
  load_weights(saved.at_step("step-000010"), *other, optimizer);
  auto left = models::trainable_tensors(*saved.model), right = models::trainable_tensors(*other);
  for (size_t i = 0; i < left.size(); ++i)
    EXPECT_TRUE(at::equal(left[i].second, right[i].second)) << left[i].first;
}

TEST(Checkpoint, KeepsThatOfTheBestValidationBesideTheLastTwo) {
  Saved saved;
  saved.save(10);
  saved.state.best_valid_step = 20;
  for (int64_t step : {20, 30, 40, 50}) saved.save(step);
  std::vector<int64_t> steps;
  for (const CheckpointFolder& folder : checkpoint_folders(saved.folder.path()))
    steps.push_back(folder.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{20, 40, 50}));
}

TEST(Checkpoint, IsComparedWithMemoryWhenItIsReadBack) {
  Saved saved;
  saved.save(10);
  const auto file = saved.at_step("step-000010") / "model.safetensors";
  const NamedTensors weights = models::trainable_tensors(*saved.model);
  EXPECT_NO_THROW(check_read_back(file, weights));
  flip_last_byte(file);
  EXPECT_TRUE(
      raises("W001", {file.string(), "read back"}, [&] { check_read_back(file, weights); }));
}

// A save that fails, here because the disk is full, leaves the older checkpoints as they are.
TEST(Checkpoint, RemovesNoOlderOneWhenASaveFails) {
  Saved saved;
  saved.save(10);
  saved.save(20);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{2048, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  EXPECT_THROW(saved.save(30), IoError);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(std::filesystem::exists(saved.at_step("step-000030")));
  EXPECT_EQ(read_verified_state(saved.at_step("step-000010")).step, 10);
  EXPECT_EQ(read_verified_state(saved.at_step("step-000020")).step, 20);
}

// One flipped bit anywhere in state.json.
TEST(Checkpoint, FindsEveryFlippedBitOfItsState) {
  Saved saved;
  saved.save(10);
  const auto file = saved.at_step("step-000010") / "state.json";
  const std::string bytes = TempFolder::read(file);
  const size_t step = slmtune::testing::full_counts() ? 1 : 7;
  for (size_t bit = 0; bit < bytes.size() * 8; bit += step) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    std::ofstream(file, std::ios::binary) << changed;
    EXPECT_THROW(read_state(file.parent_path()), Error) << "bit " << bit;
  }
}

TEST(Checkpoint, RefusesAnotherAdapter) {
  Saved saved;
  saved.save(10);
  auto other = tiny_model();
  lora::LoraConfig config;
  config.rank = 2;
  lora::attach(*other, config, 1);
  AdamW optimizer(models::trainable_tensors(*other), TrainConfig{});
  try {
    load_checkpoint(saved.at_step("step-000010"), *other, optimizer, saved.state.identity);
    FAIL();
  } catch (const FileFormatError& error) {
    EXPECT_EQ(error.code(), "F080");
  }
}

}  // namespace
}  // namespace slmtune::train
