// NcclCollective over a module whose NCCL only pretends: the meeting, the calls that are under way,
// and the end, with a lost rank at each place.
#include "collective/nccl_collective.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cuda/cuda_module.h"
#include "tests/collective/fake_nccl.h"
#include "tests/collective/ranks_in_threads.h"

namespace slmtune::collective {
namespace {

using namespace testing;

class NcclRanks : public ::testing::Test {
 protected:
  void SetUp() override {
    kernels::open_cuda_module(SLMTUNE_FAKE_NCCL);
    nccl_ = static_cast<FakeNccl*>(dlsym(RTLD_DEFAULT, "fake_nccl"));
    ASSERT_NE(nccl_, nullptr);
    for (auto* number : {&nccl_->error_of_join, &nccl_->error_of_sum, &nccl_->error_of_wait,
                         &nccl_->aborted, &nccl_->destroyed})
      *number = 0;
    nccl_->finishes = true;
  }
  FakeNccl& nccl() { return *nccl_; }

 private:
  FakeNccl* nccl_ = nullptr;
};

TEST_F(NcclRanks, AddUpOnTheDeviceAndLeaveTogether) {
  std::vector<std::vector<float>> values(3);
  const auto thrown = in_threads(ranks_of(3), [&](const Launch& launch) {
    NcclCollective ranks(launch, 0);
    std::vector<float>& own = values[static_cast<size_t>(launch.rank)];
    own = {1.0f, static_cast<float>(launch.rank)};
    for (int round = 0; round < 2; ++round) ranks.sum(own.data(), 2);
    double number = launch.rank;
    ranks.sum({&number, 1});  // through the key store
    EXPECT_EQ(number, 3.0);
    ranks.leave();
  });
  for (size_t rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(thrown[rank], "");
    EXPECT_EQ(values[rank], (std::vector<float>{9.0f, 9.0f}));
  }
  EXPECT_EQ(nccl().destroyed, 3);
  EXPECT_EQ(nccl().aborted, 0);
}

TEST_F(NcclRanks, AFailedRankEndsASumThatWaitsForIt) {
  const auto thrown = in_threads(ranks_of(2), [&](const Launch& launch) {
    NcclCollective ranks(launch, 0);
    if (launch.rank == 1) return ranks.fail("error[W002]: disk full");
    float value = 1.0f;
    ranks.sum(&value, 1);
  });
  EXPECT_EQ(thrown[1], "");
  EXPECT_TRUE(thrown[0].starts_with("P003|rank 1")) << thrown[0];
  EXPECT_NE(thrown[0].find("disk full"), std::string::npos) << thrown[0];
  EXPECT_EQ(nccl().aborted, 2);  // each its own, once
  EXPECT_EQ(nccl().destroyed, 0);
}

// What rank 0 says of `work` that fails on every rank; the other one may find rank 0 gone first.
template <typename Work>
std::string first_of_two(const Work& work) {
  const auto thrown = in_threads(ranks_of(2), work);
  EXPECT_NE(thrown[1], "");
  return thrown[0];
}

TEST_F(NcclRanks, ErrorsOfNcclAreNamed) {
  nccl().error_of_join = -5;
  const std::string joining =
      first_of_two([](const Launch& launch) { NcclCollective ranks(launch, 0); });
  EXPECT_TRUE(joining.starts_with("P004|NCCL")) << joining;
  EXPECT_NE(joining.find("joining the ranks failed: invalid usage"), std::string::npos) << joining;
  nccl().error_of_join = 0;
  nccl().error_of_sum = -1;
  const std::string adding = first_of_two([](const Launch& launch) {
    NcclCollective ranks(launch, 0);
    ranks.barrier();
    float value = 1.0f;
    ranks.sum(&value, 1);
  });
  EXPECT_TRUE(adding.starts_with("P004|NCCL")) << adding;
  EXPECT_NE(adding.find("adding up the gradients failed"), std::string::npos) << adding;
  EXPECT_EQ(nccl().aborted, 2);  // the teams that were joined
}

TEST_F(NcclRanks, AGpuThatFailsWhileItIsWaitedForIsNamed) {
  nccl().error_of_wait = 700;
  const std::string text = first_of_two([](const Launch& launch) {
    NcclCollective ranks(launch, 0);
    ranks.settle();
  });
  EXPECT_TRUE(text.starts_with("G004|")) << text;
}

TEST_F(NcclRanks, AreJoinedFromTheGpuThatIsAsked) {
  const std::string text =
      first_of_two([](const Launch& launch) { NcclCollective ranks(launch, 7); });
  EXPECT_TRUE(text.starts_with("G004|")) << text;
  EXPECT_EQ(nccl().aborted, 0);  // there was nothing to join with
}

}  // namespace
}  // namespace slmtune::collective
