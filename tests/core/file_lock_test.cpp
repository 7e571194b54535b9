#include "core/file_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

using testing::TempFolder;
using testing::thrown;
using testing::thrown_code;

TEST(FileLock, NamesTheHolderToTheSecond) {
  TempFolder folder;
  FileLock first(folder.path() / "lock", "train a.yaml");
  std::string message = thrown([&] { FileLock second(folder.path() / "lock", "eval"); });
  std::string start = "L001|" + (folder.path() / "lock").string() +
                      ": error[L001]: in use by pid=" + std::to_string(getpid()) + " since=20";
  EXPECT_EQ(message.substr(0, start.size()), start);
  EXPECT_NE(message.find(" command=train a.yaml\nhelp: wait until it has ended, or stop it"),
            std::string::npos);
}

TEST(FileLock, IsFreeAfterItsScope) {
  TempFolder folder;
  { FileLock first(folder.path() / "lock", "train"); }
  EXPECT_EQ(TempFolder::read(folder.path() / "lock"), "");
  EXPECT_EQ(thrown([&] { FileLock second(folder.path() / "lock", "train"); }), "nothing");
}

TEST(FileLock, IgnoresTheNoteOfADeadHolder) {
  TempFolder folder;
  folder.write(
      "lock",
      "pid=1 since=2020-01-01T00:00:00Z command=train and a much longer line than the next one\n");
  FileLock lock(folder.path() / "lock", "x");
  std::string content = TempFolder::read(folder.path() / "lock");
  EXPECT_EQ(content.find("longer"), std::string::npos);
  EXPECT_NE(content.find("command=x\n"), std::string::npos);
}

TEST(FileLock, IsDroppedWhenTheHolderIsKilled) {
  TempFolder folder;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    FileLock lock(folder.path() / "lock", "child");
    if (write(ready[1], "x", 1) == 1) pause();
    _exit(0);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(thrown_code([&] { FileLock lock(folder.path() / "lock", "parent"); }), "L001");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(thrown([&] { FileLock lock(folder.path() / "lock", "parent"); }), "nothing");
  close(ready[0]);
  close(ready[1]);
}

TEST(FileLock, CannotBeMadeInAMissingFolder) {
  EXPECT_EQ(thrown_code([] { FileLock lock("/nonexistent/lock", "x"); }), "W004");
}

}  // namespace
}  // namespace slmtune
