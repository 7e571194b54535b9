#include "core/stop.h"

#include <gtest/gtest.h>

#include <csignal>

#include "core/safetensors.h"
#include "core/sha256.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

using testing::TempFolder;

// The wish to stop is one for the process; every test takes it back.
class Stop : public ::testing::Test {
 protected:
  void TearDown() override { request_stop(0); }
};

TEST_F(Stop, IsNotAskedForAtFirst) {
  EXPECT_EQ(stop_requested(), 0);
  EXPECT_NO_THROW(check_stop());
}

TEST_F(Stop, IsThrownWithItsSignal) {
  request_stop(SIGTERM);
  EXPECT_EQ(stop_requested(), SIGTERM);
  try {
    check_stop();
    FAIL();
  } catch (const StopRequested& stop) {
    EXPECT_EQ(stop.signal, SIGTERM);
  }
}

TEST_F(Stop, WaitsForWhatDefersIt) {
  request_stop(SIGINT);
  {
    const StopDeferred outer;
    { const StopDeferred inner; }
    EXPECT_NO_THROW(check_stop());
    EXPECT_EQ(stop_requested(), SIGINT);
  }
  EXPECT_THROW(check_stop(), StopRequested);
}

TEST_F(Stop, LeavesNoHalfFile) {
  TempFolder folder;
  const std::vector<float> values(64, 1.0f);
  const TensorSource tensor{"a", DType::kF32, {64}, [&](const auto& write) {
                              write(std::as_bytes(std::span(values)));
                              request_stop(SIGTERM);
                            }};
  TensorSource second = tensor;
  second.name = "b";
  EXPECT_THROW(write_safetensors(folder.path() / "model.safetensors", {tensor, second}),
               StopRequested);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(Stop, EndsTheHashingOfAFile) {
  TempFolder folder;
  folder.write("rows.jsonl", "{}\n");
  request_stop(SIGTERM);
  EXPECT_THROW(sha256_file(folder.path() / "rows.jsonl"), StopRequested);
}

}  // namespace
}  // namespace slmtune
