#include "store/journal.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "core/crc32c.h"
#include "core/json.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"

namespace slmtune::store {
namespace {

using testing::raises;
using testing::TempFolder;

class JournalFile : public ::testing::Test {
 protected:
  void append(const std::string& action, int64_t number, const std::string& reason = "") {
    JournalWriter(path).append({.action = action, .number = number, .reason = reason});
  }
  std::string content() const { return TempFolder::read(path); }
  void write(const std::string& text) const { std::ofstream(path) << text; }

  TempFolder folder;
  std::filesystem::path path = folder.path() / "journal.jsonl";
};

TEST_F(JournalFile, KeepsWhoWhenAndWhy) {
  setenv("SUDO_USER", "ann", 1);
  append("claim", 3);
  JournalWriter(path).append({"promote", 3, "production", 2, "better", "", ""});
  unsetenv("SUDO_USER");
  const Journal journal = read_journal(path);
  ASSERT_EQ(journal.lines.size(), 2u);
  EXPECT_TRUE(journal.problems.empty());
  const JournalLine& line = journal.lines[1];
  EXPECT_EQ(line.action, "promote");
  EXPECT_EQ(line.number, 3);
  EXPECT_EQ(line.alias, "production");
  EXPECT_EQ(line.from, 2);
  EXPECT_EQ(line.reason, "better");
  EXPECT_EQ(line.user, "ann");
  EXPECT_EQ(line.time.size(), 20u);
  EXPECT_FALSE(journal.lines[0].from);
}

TEST_F(JournalFile, EachLineEndsWithTheCrcOfTheRest) {
  append("claim", 3);
  const std::string line = content().substr(0, content().size() - 1);
  Json record = Json::parse(line);
  const size_t at = line.find(",\"crc\":\"");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(std::stoul(record["crc"].get<std::string>(), nullptr, 16),
            crc32c(line.substr(0, at) + "}"));
}

TEST_F(JournalFile, LinesOfOlderVersionsAreRead) {
  write("{\"time\":\"2026-01-31T09:05:07Z\",\"action\":\"claim\",\"number\":4}\n");
  append("claim", 5);
  const Journal journal = read_journal(path);
  ASSERT_EQ(journal.lines.size(), 2u);
  EXPECT_EQ(journal.lines[0].number, 4);
  EXPECT_EQ(journal.lines[0].user, "");
  EXPECT_EQ(highest_number(journal), 5);
}

TEST_F(JournalFile, ATornLineIsPassedOverAndNamedWhereverItIsCut) {
  append("claim", 7);
  append("claim", 8);
  const std::string whole = content();
  const size_t second = whole.find('\n') + 1;
  for (size_t length = second + 1; length + 1 < whole.size(); ++length) {
    write(whole.substr(0, length));
    append("claim", 9);
    const Journal journal = read_journal(path);
    ASSERT_EQ(journal.lines.size(), 2u) << length;
    ASSERT_EQ(journal.problems.size(), 1u) << length;
    EXPECT_TRUE(journal.problems[0].is_torn) << length;
    EXPECT_EQ(journal.problems[0].line, 2) << length;
    std::filesystem::remove(path);
  }
}

TEST_F(JournalFile, ALineWithoutItsNewlineIsWhole) {
  append("claim", 7);
  write(content().substr(0, content().size() - 1));
  append("claim", 8);
  EXPECT_EQ(read_journal(path).lines.size(), 2u);
  EXPECT_TRUE(read_journal(path).problems.empty());
}

TEST_F(JournalFile, AnyChangedByteOfALineIsFound) {
  append("claim", 7, "a reason");
  const std::string whole = content();
  for (size_t at = 0; at + 1 < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write(changed);
    const Journal journal = read_journal(path);
    EXPECT_TRUE(journal.lines.empty()) << at;
    ASSERT_EQ(journal.problems.size(), 1u) << at;
    EXPECT_FALSE(journal.problems[0].is_torn) << at;
  }
}

TEST_F(JournalFile, LinesThatAreNoRecordsAreProblems) {
  write("{\"number\":\"7\"}\n[]\n\n{\"action\":\"claim\"}\n\xff\n");
  const Journal journal = read_journal(path);
  EXPECT_TRUE(journal.lines.empty());
  EXPECT_EQ(journal.problems.size(), 4u);
}

TEST_F(JournalFile, NumbersAndLinesBeyondAllUseAreProblems) {
  const std::string deep(2 << 20, '[');
  write("{\"number\":9223372036854775807}\n{\"number\":-1}\n{\"number\":18446744073709551615}\n" +
        deep + "\n{\"number\":7}\n");
  const Journal journal = read_journal(path);
  EXPECT_EQ(highest_number(journal), 7);
  EXPECT_EQ(journal.problems.size(), 4u);
}

TEST_F(JournalFile, TellsWhatEachTargetServesAndServedBefore) {
  const auto move = [&](const char* action, int64_t number, int64_t from, const char* target) {
    JournalWriter(path).append(
        {.action = action, .number = number, .from = from, .target = target});
  };
  move("deploy", 1, 0, "office");
  move("deploy", 2, 1, "office");
  move("deploy", 7, 0, "lab");
  move("deploy", 3, 2, "office");
  move("refuse", 3, 2, "office");
  move("refuse", 7, 0, "lab");  // perhaps it serves all the same
  const auto targets = deployed_numbers(read_journal(path));
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets.at("office").number, 2);
  EXPECT_EQ(targets.at("lab").number, 7);
  move("deploy", 4, 2, "office");
  move("rollback", 2, 4, "office");
  EXPECT_EQ(deployed_numbers(read_journal(path)).at("office").number, 2);
  EXPECT_EQ(deployed_numbers(read_journal(path)).at("office").from, 4);
  EXPECT_EQ(read_journal(path).lines.back().target, "office");
  EXPECT_TRUE(withdrawn_numbers(read_journal(path)).empty());
}

TEST_F(JournalFile, AMissingOneIsEmpty) {
  EXPECT_TRUE(read_journal(path).lines.empty());
  EXPECT_EQ(highest_number({}), 0);
}

TEST_F(JournalFile, AReasonOfAnyBytesStaysOneLine) {
  append("claim", 1, "two\nlines, \xff\xfe and \"quotes\"");
  append("claim", 2);
  EXPECT_EQ(read_journal(path).lines.size(), 2u);
}

TEST_F(JournalFile, WritersWaitForEachOther) {
  std::vector<std::thread> threads;
  for (int i = 1; i <= 8; ++i) threads.emplace_back([&, i] { append("claim", i); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read_journal(path).lines.size(), 8u);
  EXPECT_TRUE(read_journal(path).problems.empty());
}

TEST_F(JournalFile, AWriterThatWaitsTooLongIsTurnedAway) {
  JournalWriter holder(path);
  EXPECT_TRUE(raises("L001", {"another command"},
                     [&] { JournalWriter second(path, std::chrono::milliseconds(20)); }));
}

TEST_F(JournalFile, AFolderInItsPlaceIsAnError) {
  std::filesystem::create_directory(path);
  EXPECT_TRUE(raises("W004", {"journal.jsonl"}, [&] { JournalWriter writer(path); }));
}

}  // namespace
}  // namespace slmtune::store
