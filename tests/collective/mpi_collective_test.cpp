// MpiCollective over a module that only pretends: what it does when others fail or do not come.
#include "collective/mpi_collective.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/support/expect_error.h"

namespace slmtune::collective {
namespace {

using slmtune::testing::thrown;

struct Pretended {
  int rank = 0, size = 2;
  int error = 0;            // of joining
  bool comes = true;        // the other rank
  bool hears = false;       // it takes notices
  std::string notice = {};  // of the other rank
} pretended;

int join(int* rank, int* size) {
  *rank = pretended.rank;
  *size = pretended.size;
  return pretended.error;
}
int start_floats(float* values, int count) {
  for (int i = 0; i < count; ++i) values[i] *= 2;
  return 0;
}
int start_doubles(double* values, int count) {
  for (int i = 0; i < count; ++i) values[i] *= 2;
  return 0;
}
int start_broadcast(void*, int) {
  return 0;
}
int is_done(int* done) {
  *done = pretended.comes;
  return 0;
}
int notify(const char*) {
  return 0;
}
int waiting_for(int* rank) {
  *rank = 1;
  return !pretended.hears;
}
int take_notice(int* rank, char* text, size_t bytes) {
  *rank = pretended.notice.empty() ? -1 : 1;
  std::snprintf(text, bytes, "%s", pretended.notice.c_str());
  return 0;
}
int leave() {
  return 0;
}
void error_text(int, char* text, size_t bytes) {
  std::snprintf(text, bytes, "no such thing");
}

constexpr MpiModule kModule = {kMpiModuleAbi,   join,    start_floats, start_doubles,
                               start_broadcast, is_done, notify,       waiting_for,
                               take_notice,     leave,   error_text};

Launch two(double patience = 30.0) {
  return {.launcher = Launcher::kMpi, .rank = 0, .size = 2, .patience = patience};
}

TEST(MpiCollective, AddsUpWhatTheModuleAddsUp) {
  pretended = {};
  MpiCollective ranks(two(), kModule);
  std::vector<float> values = {1.0f, 2.0f};
  ranks.sum(values.data(), 2);
  EXPECT_EQ(values, (std::vector<float>{2.0f, 4.0f}));
  double number = 3.0;
  ranks.sum({&number, 1});
  EXPECT_EQ(number, 6.0);
  ranks.settle();
  ranks.leave();
}

TEST(MpiCollective, OtherRanksThanTheLaunchersAreRefused) {
  pretended = {.size = 1};
  const std::string text = thrown([] { MpiCollective ranks(two(), kModule); });
  EXPECT_TRUE(text.starts_with("P002|")) << text;
  EXPECT_NE(text.find("rank 0 of 1"), std::string::npos) << text;
}

TEST(MpiCollective, AnErrorOfMpiIsNamed) {
  pretended = {.error = 5};
  const std::string text = thrown([] { MpiCollective ranks(two(), kModule); });
  EXPECT_TRUE(text.starts_with("P004|")) << text;
  EXPECT_NE(text.find("starting MPI failed: no such thing"), std::string::npos) << text;
}

TEST(MpiCollective, AFailedRankIsNamedWithItsReason) {
  pretended = {.comes = false, .notice = "error[W002]: disk full"};
  MpiCollective ranks(two(), kModule);
  const std::string text = thrown([&] { ranks.barrier(); });
  EXPECT_TRUE(text.starts_with("P003|rank 1: ")) << text;
  EXPECT_NE(text.find("rank 1 ended: error[W002]: disk full"), std::string::npos) << text;
}

TEST(MpiCollective, ARankThatDoesNotComeIsNamed) {
  pretended = {.comes = false};
  MpiCollective ranks(two(0.05), kModule);
  const std::string text = thrown([&] { ranks.barrier(); });
  EXPECT_TRUE(text.starts_with("P003|rank 1: ")) << text;
  EXPECT_NE(text.find("rank 1 did not come within"), std::string::npos) << text;
}

TEST(MpiCollective, WithoutTheModuleTheWayOutIsNamed) {
  const std::string text = thrown([] { open_mpi_module("/nowhere/libslmtune_mpi.so"); });
  EXPECT_TRUE(text.starts_with("P004|/nowhere/libslmtune_mpi.so")) << text;
  EXPECT_NE(text.find("built without MPI"), std::string::npos) << text;
}

}  // namespace
}  // namespace slmtune::collective
