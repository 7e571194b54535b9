#include "kernels/device_word.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

// LOCAL_RANK as a launcher of several processes sets it.
class LocalRank {
 public:
  explicit LocalRank(const char* value) { setenv("LOCAL_RANK", value, 1); }
  ~LocalRank() { unsetenv("LOCAL_RANK"); }
};

std::string refusal(std::optional<int> asked, int count) {
  try {
    choose_gpu(asked, count);
  } catch (const UnavailableError& error) {
    EXPECT_EQ(error.code(), "G006");
    EXPECT_EQ(error.exit_code(), ExitCode::kUnavailable);
    return error.what();
  }
  return "";
}

TEST(DeviceWord, NamesAKindAndPerhapsANumber) {
  EXPECT_EQ(parse_device_word("auto")->kind, "auto");
  EXPECT_EQ(parse_device_word("cuda")->number, std::nullopt);
  EXPECT_EQ(parse_device_word("cuda:3")->kind, "cuda");
  EXPECT_EQ(parse_device_word("cuda:3")->number, 3);
}

TEST(DeviceWord, RefusesEverythingElse) {
  for (const char* word : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:256", "cpu:0"})
    EXPECT_FALSE(parse_device_word(word)) << word;
}

TEST(ChooseGpu, TakesTheOneAskedForElseTheFirst) {
  EXPECT_EQ(choose_gpu(std::nullopt, 4), 0);
  EXPECT_EQ(choose_gpu(2, 4), 2);
}

TEST(ChooseGpu, TakesTheLaunchersChoice) {
  const LocalRank rank("2");
  EXPECT_EQ(choose_gpu(std::nullopt, 4), 2);
  EXPECT_EQ(choose_gpu(1, 4), 1);
}

// Slurm's way: each process sees its own GPU only.
TEST(ChooseGpu, TakesTheOnlyOneWhateverTheRank) {
  const LocalRank rank("2");
  EXPECT_EQ(choose_gpu(std::nullopt, 1), 0);
}

TEST(ChooseGpu, SaysHowManyThereAre) {
  EXPECT_NE(refusal(4, 4).find("this process sees 4"), std::string::npos);
  EXPECT_NE(refusal(1, 1).find("counted from 0"), std::string::npos);
  const LocalRank rank("7");
  EXPECT_NE(refusal(std::nullopt, 4).find("LOCAL_RANK"), std::string::npos);
}

TEST(ChooseGpu, RefusesARankThatIsNoNumber) {
  const LocalRank rank("first");
  EXPECT_NE(refusal(std::nullopt, 4).find("'first' is not a number"), std::string::npos);
}

}  // namespace
}  // namespace slmtune::kernels
