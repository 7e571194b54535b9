#include "store/feedback.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/temp_folder.h"

namespace slmtune::store {
namespace {

using testing::TempFolder;

TEST(Feedback, TheLastVoteOnAnAnswerCounts) {
  TempFolder folder;
  const auto path = folder.path() / "feedback.jsonl";
  append_vote(path, {"a", 7, true, "2026-05-04T09:05:07Z"});
  append_vote(path, {"b", 7, true, ""});
  append_vote(path, {"a", 7, false, ""});
  append_vote(path, {"a", 8, true, ""});
  const Votes read = read_votes(path);
  ASSERT_EQ(read.votes.size(), 3u);
  EXPECT_EQ(read.votes[0].answer, "b");
  EXPECT_EQ(read.votes[1].answer, "a");
  EXPECT_EQ(read.votes[1].snapshot, 7);
  EXPECT_FALSE(read.votes[1].is_up);
  EXPECT_EQ(read.votes[2].snapshot, 8);
  EXPECT_EQ(read.votes[1].time.size(), 20u);
  EXPECT_EQ(read.passed_over, 0);
}

TEST(Feedback, AStoreWithoutFeedbackHasNoVotes) {
  TempFolder folder;
  EXPECT_TRUE(read_votes(folder.path() / "feedback.jsonl").votes.empty());
}

TEST(Feedback, TornLinesArePassedOverAndCounted) {
  TempFolder folder;
  const auto path = folder.path() / "feedback.jsonl";
  append_vote(path, {"a", 1, true, ""});
  const std::string whole = TempFolder::read(path);
  for (size_t cut = 1; cut + 1 < whole.size(); ++cut) {
    folder.write("feedback.jsonl", whole + whole.substr(0, cut));
    EXPECT_EQ(read_votes(path).passed_over, 1) << cut;
    append_vote(path, {"b", 1, false, ""});
    const Votes read = read_votes(path);
    EXPECT_EQ(read.votes.size(), 2u) << cut;
    EXPECT_EQ(read.passed_over, 1) << cut;
  }
}

TEST(Feedback, ForeignLinesAreNoVotes) {
  TempFolder folder;
  const auto path = folder.write(
      "feedback.jsonl",
      "[]\n{\"answer\":\"a\",\"snapshot\":1,\"vote\":\"maybe\"}\n{\"snapshot\":1,\"vote\":\"up\"}\n"
      "{\"answer\":\"a\",\"snapshot\":\"1\",\"vote\":\"up\"}\n\n");
  EXPECT_TRUE(read_votes(path).votes.empty());
  EXPECT_EQ(read_votes(path).passed_over, 4);
}

TEST(Feedback, VotesOfSeveralWritersAllArrive) {
  TempFolder folder;
  const auto path = folder.path() / "feedback.jsonl";
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer)
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 50; ++i)
        append_vote(path, {std::to_string(writer) + "-" + std::to_string(i), 1, true, ""});
    });
  for (std::thread& writer : writers) writer.join();
  const Votes read = read_votes(path);
  EXPECT_EQ(read.votes.size(), 200u);
  EXPECT_EQ(read.passed_over, 0);
}

}  // namespace
}  // namespace slmtune::store
