#include "collective/store_collective.h"

#include <gtest/gtest.h>

#include <mutex>

#include "core/stop.h"
#include "tests/collective/ranks_in_threads.h"

namespace slmtune::collective {
namespace {

using testing::in_threads;
using testing::ranks_of;
using ::testing::Test;

void expect_none(const std::vector<std::string>& thrown) {
  for (const std::string& text : thrown) EXPECT_EQ(text, "");
}

TEST(StoreCollective, AddsUpOnEveryRankWithTheSameBits) {
  std::mutex mutex;
  std::vector<std::vector<float>> sums;
  expect_none(in_threads(ranks_of(3), [&](const Launch& launch) {
    StoreCollective ranks(launch);
    std::vector<float> values;
    for (int i = 0; i < 1000; ++i) values.push_back(0.1f * static_cast<float>(i + launch.rank));
    ranks.sum(values.data(), 1000);
    std::vector<double> numbers = {1.0, static_cast<double>(launch.rank)};
    ranks.sum(numbers);
    EXPECT_EQ(numbers[0], 3.0);
    EXPECT_EQ(numbers[1], 3.0);
    {
      const std::lock_guard lock(mutex);
      sums.push_back(values);
    }
    ranks.leave();
  }));
  ASSERT_EQ(sums.size(), 3u);
  EXPECT_NEAR(sums[0][10], 0.1f * 33, 1e-5);
  EXPECT_EQ(sums[0], sums[1]);
  EXPECT_EQ(sums[0], sums[2]);
}

TEST(StoreCollective, TakesBuffersOfAnyLength) {
  const int64_t most = static_cast<int64_t>(KeyStore::kLargestValue / sizeof(float)) + 3;
  expect_none(in_threads(ranks_of(2), [&](const Launch& launch) {
    StoreCollective ranks(launch);
    ranks.sum(static_cast<float*>(nullptr), 0);
    std::vector<float> values(static_cast<size_t>(most), 1.0f);
    ranks.sum(values.data(), most);
    EXPECT_EQ(values.front(), 2.0f);
    EXPECT_EQ(values.back(), 2.0f);
    std::vector<std::byte> bytes;
    if (ranks.leads()) bytes.assign(KeyStore::kLargestValue + 5, std::byte{7});
    ranks.broadcast(bytes);
    EXPECT_EQ(bytes.size(), KeyStore::kLargestValue + 5);
    EXPECT_EQ(bytes.back(), std::byte{7});
    bytes.clear();
    ranks.broadcast(bytes);
    EXPECT_TRUE(bytes.empty());
    ranks.leave();
  }));
}

TEST(StoreCollective, AllGoOnWhenEachDoes) {
  expect_none(in_threads(ranks_of(2), [](const Launch& launch) {
    StoreCollective ranks(launch);
    EXPECT_TRUE(ranks.all_go_on(true));
    EXPECT_FALSE(ranks.all_go_on(launch.rank == 0));
    ranks.barrier();
    ranks.leave();
  }));
}

TEST(StoreCollective, AFailedRankEndsTheOthersWithItsReason) {
  const auto thrown = in_threads(ranks_of(3), [](const Launch& launch) {
    StoreCollective ranks(launch);
    ranks.barrier();
    if (launch.rank == 1) return ranks.fail("error[W002]: disk full");
    ranks.barrier();
  });
  EXPECT_EQ(thrown[1], "");
  for (const int rank : {0, 2}) {
    EXPECT_TRUE(thrown[static_cast<size_t>(rank)].starts_with("P003|"));
    EXPECT_NE(thrown[static_cast<size_t>(rank)].find("rank 1 ended: error[W002]: disk full"),
              std::string::npos);
  }
}

TEST(StoreCollective, AFailedLeaderEndsTheOthersToo) {
  const auto thrown = in_threads(ranks_of(2), [](const Launch& launch) {
    StoreCollective ranks(launch);
    ranks.barrier();
    if (ranks.leads()) return ranks.fail("error[T001]: diverged");
    ranks.barrier();
  });
  EXPECT_NE(thrown[1].find("rank 0 ended: error[T001]: diverged"), std::string::npos) << thrown[1];
}

TEST(StoreCollective, ARankThatVanishesIsNoticed) {
  const auto thrown = in_threads(ranks_of(2), [](const Launch& launch) {
    StoreCollective ranks(launch);
    ranks.barrier();
    if (launch.rank == 0) ranks.barrier();
  });
  EXPECT_NE(thrown[0].find("rank 1 gave no sign of life"), std::string::npos) << thrown[0];
}

TEST(StoreCollective, ARankThatDoesNotComeIsNamed) {
  auto launches = ranks_of(2);
  for (Launch& launch : launches) launch.patience = 1.0;
  const auto thrown = in_threads(launches, [](const Launch& launch) {
    StoreCollective ranks(launch);
    ranks.barrier();
    if (launch.rank == 0) return ranks.barrier();
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // alive, but busy with something else
  });
  EXPECT_NE(thrown[0].find("rank 1 did not come within 1"), std::string::npos) << thrown[0];
}

TEST(StoreCollective, OtherNumbersOfProcessesAreRefused) {
  auto launches = ranks_of(2);
  launches[1].size = 3;
  const auto thrown =
      in_threads(launches, [](const Launch& launch) { StoreCollective ranks(launch); });
  EXPECT_NE(thrown[0].find("rank 1 was told of 3 processes, rank 0 of 2"), std::string::npos)
      << thrown[0];
  for (const std::string& text : thrown) EXPECT_TRUE(text.starts_with("P002|")) << text;
}

TEST(StoreCollective, ARankThatComesToTheRefusalLateStillReadsWhy) {
  auto launches = ranks_of(2);
  launches[1].size = 3;
  const auto thrown = in_threads(launches, [](const Launch& launch) {
    if (launch.rank == 0) StoreCollective refused(launch);
    KeyStore store(launch);
    store.set_text("here/1", "3");
    std::this_thread::sleep_for(std::chrono::milliseconds(700));  // a busy machine
    EXPECT_EQ(store.get_text("here/0"), "2");
    store.set_text("met/1", "");
  });
  EXPECT_TRUE(thrown[0].starts_with("P002|")) << thrown[0];
  EXPECT_EQ(thrown[1], "");
}

TEST(StoreCollective, TwoProcessesOfOneRankAreRefused) {
  auto launches = ranks_of(3);
  launches[2].rank = 1;
  launches[1].patience = launches[2].patience = launches[0].patience = 1.0;
  const auto thrown =
      in_threads(launches, [](const Launch& launch) { StoreCollective ranks(launch); });
  EXPECT_NE((thrown[1] + thrown[2]).find("two processes are rank 1"), std::string::npos);
  EXPECT_NE(thrown[0].find("rank 2 did not come within 1"), std::string::npos) << thrown[0];
}

TEST(StoreCollective, WithoutRankZeroNobodyMeets) {
  auto launches = ranks_of(2);
  launches.erase(launches.begin());
  launches[0].patience = 1.0;
  const auto thrown =
      in_threads(launches, [](const Launch& launch) { StoreCollective ranks(launch); });
  EXPECT_TRUE(thrown[0].starts_with("P005|")) << thrown[0];
}

TEST(StoreCollective, APortThatIsTakenIsRefused) {
  auto launches = ranks_of(2);
  launches[0].patience = 1.0;
  const KeyStore first(launches[0]);
  const auto thrown =
      in_threads({launches[0]}, [](const Launch& launch) { KeyStore again(launch); });
  EXPECT_TRUE(thrown[0].starts_with("P005|")) << thrown[0];
  EXPECT_NE(thrown[0].find("cannot listen"), std::string::npos) << thrown[0];
}

TEST(StoreCollective, WithoutAnAddressThereIsNoMeeting) {
  auto launches = ranks_of(2);
  launches[1].address.clear();
  const auto thrown =
      in_threads({launches[1]}, [](const Launch& launch) { StoreCollective ranks(launch); });
  EXPECT_TRUE(thrown[0].starts_with("P001|MASTER_ADDR")) << thrown[0];
}

}  // namespace
}  // namespace slmtune::collective
