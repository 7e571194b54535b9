#include <algorithm>

#include "tests/faults/damage.h"
#include "tests/faults/tiny_checkpoint.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;
using slmtune::testing::TempFolder;

TEST(Damage, EveryFlippedBitAndEveryCutOfACheckpointFallsBackWithOneWarning) {
  TempFolder run;
  TinyCheckpoint tiny;
  for (int64_t step : {10, 20}) tiny.save(run.path(), step);
  const fs::path newest = train::checkpoint_path(run.path(), 20), whole = run.path() / "whole";
  fs::copy(newest, whole, fs::copy_options::recursive);

  SplitMix64 random(12);
  for (int i = 0; i < kDamageCases; ++i) {
    fs::remove_all(newest);
    fs::copy(whole, newest, fs::copy_options::recursive);
    const Damage damage = damage_one(newest, random);
    ::testing::internal::CaptureStderr();
    const auto found = train::latest_checkpoint(run.path());
    const std::string said = ::testing::internal::GetCapturedStderr();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->filename(), "step-000010") << damage.file << ", " << damage.what;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    EXPECT_NE(said.find(damage.file), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace slmtune::faults
