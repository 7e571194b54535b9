#include "core/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/internal/descriptor.h"
#include "core/mapped_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using testing::thrown;
using testing::thrown_code;

size_t count_entries(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(AtomicFile, ReplacesTheOldContentOnCommit) {
  TempFolder folder;
  auto path = folder.write("a.txt", "old");
  AtomicFile file(path);
  file.write("new ");
  file.write("content");
  EXPECT_EQ(file.written(), 11u);
  EXPECT_EQ(TempFolder::read(path), "old");
  file.commit();
  EXPECT_EQ(TempFolder::read(path), "new content");
  EXPECT_EQ(count_entries(folder.path()), 1u);
}

TEST(AtomicFile, WithoutCommitLeavesTheOldFileAndNoTemporary) {
  TempFolder folder;
  auto path = folder.write("a.txt", "old");
  {
    AtomicFile file(path);
    file.write("half");
    EXPECT_EQ(count_entries(folder.path()), 2u);
  }
  EXPECT_EQ(TempFolder::read(path), "old");
  EXPECT_EQ(count_entries(folder.path()), 1u);
}

TEST(AtomicFile, NamesTheMissingFolder) {
  EXPECT_EQ(
      thrown([] { AtomicFile file("/nonexistent/out/a.txt"); }),
      "W004|/nonexistent/out: error[W004]: cannot create a file here: no such file or directory\n"
      "help: check that the folder exists and that the name is free");
}

TEST(AtomicFile, RefusesAReadOnlyFolder) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  TempFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(thrown_code([&] { AtomicFile file(folder.path() / "a.txt"); }), "W003");
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST(AtomicFile, RefusesAFileSystemThatTakesNoFiles) {
  // As root too: nobody creates files in /proc.
  std::string code = thrown_code([] { AtomicFile file("/proc/a.txt"); });
  EXPECT_TRUE(code == "W003" || code == "W004") << code;
}

TEST(AtomicFile, RefusesToReplaceAFolder) {
  TempFolder folder;
  fs::create_directory(folder.path() / "a");
  EXPECT_EQ(thrown_code([&] { AtomicFile file(folder.path() / "a"); }), "W004");
  EXPECT_EQ(thrown_code([&] { AtomicFile file(folder.path() / "b/"); }), "W004");
}

TEST(AtomicFile, RefusesASecondWriterOfTheSameFile) {
  TempFolder folder;
  AtomicFile first(folder.path() / "a");
  EXPECT_EQ(thrown_code([&] { AtomicFile second(folder.path() / "a"); }), "W004");
}

TEST(AtomicFile, ReplacesATemporaryOfADeadProcess) {
  TempFolder folder;
  folder.write(".a.tmp", "left behind and longer than the new content");
  write_file(folder.path() / "a", "new");
  EXPECT_EQ(TempFolder::read(folder.path() / "a"), "new");
  EXPECT_EQ(count_entries(folder.path()), 1u);
}

TEST(AtomicFile, FollowsTheUmask) {
  TempFolder folder;
  mode_t old = umask(027);
  write_file(folder.path() / "a", "x");
  umask(old);
  struct stat status;
  ASSERT_EQ(stat((folder.path() / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, ReportsAFullDiskWithTheBytesStillNeeded) {
  Descriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (full.get() < 0) GTEST_SKIP() << "no /dev/full here";
  std::string bytes(4096, 'x');
  std::string message =
      thrown([&] { write_fully(full.get(), std::as_bytes(std::span(bytes)), "out/weights"); });
  std::string start = "W002|out/weights: error[W002]: the disk is full: 4.0 KiB still to write, ";
  EXPECT_EQ(message.substr(0, start.size()), start);
}

TEST(AppendLine, AddsWholeLines) {
  TempFolder folder;
  append_line(folder.path() / "log", "one");
  append_line(folder.path() / "log", "two", true);
  EXPECT_EQ(TempFolder::read(folder.path() / "log"), "one\ntwo\n");
}

TEST(AppendLine, StartsAfterATornLine) {
  TempFolder folder;
  append_line(folder.write("log", "one\ntor"), "two");
  EXPECT_EQ(TempFolder::read(folder.path() / "log"), "one\ntor\ntwo\n");
}

TEST(MakeFolder, MakesParentsAndAcceptsWhatIsThere) {
  TempFolder folder;
  make_folder(folder.path() / "a/b/c");
  make_folder(folder.path() / "a/b/c/");
  EXPECT_TRUE(fs::is_directory(folder.path() / "a/b/c"));
  folder.write("file", "");
  EXPECT_EQ(thrown_code([&] { make_folder(folder.path() / "file"); }), "W004");
  EXPECT_EQ(thrown_code([&] { make_folder(folder.path() / "file/sub"); }), "W004");
}

TEST(PublishFolder, NeverReplacesAnExistingOne) {
  TempFolder folder;
  folder.write("new/a", "1");
  publish_folder(folder.path() / "new", folder.path() / "done");
  EXPECT_EQ(TempFolder::read(folder.path() / "done/a"), "1");
  fs::create_directory(folder.path() / "empty");
  folder.write("newer/a", "2");
  EXPECT_EQ(thrown_code([&] { publish_folder(folder.path() / "newer", folder.path() / "done"); }),
            "W004");
  EXPECT_EQ(thrown_code([&] { publish_folder(folder.path() / "newer", folder.path() / "empty"); }),
            "W004");
  EXPECT_EQ(TempFolder::read(folder.path() / "done/a"), "1");
}

TEST(CopyFile, CopiesAllBytes) {
  TempFolder folder;
  std::string large(3'000'001, 'a');
  copy_file_atomically(folder.write("a", large), folder.path() / "b");
  EXPECT_EQ(TempFolder::read(folder.path() / "b"), large);
  EXPECT_EQ(thrown_code([&] { copy_file_atomically(folder.path() / "none", folder.path() / "c"); }),
            "N001");
  EXPECT_FALSE(fs::exists(folder.path() / "c"));
}

TEST(MappedFile, ShowsTheBytes) {
  TempFolder folder;
  MappedFile file(folder.write("a", "abc"));
  ASSERT_EQ(file.bytes().size(), 3u);
  EXPECT_EQ(std::to_integer<char>(file.bytes()[2]), 'c');
  MappedFile moved = std::move(file);
  EXPECT_EQ(moved.bytes().size(), 3u);
  EXPECT_TRUE(MappedFile(folder.write("empty", "")).bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  TempFolder folder;
  EXPECT_EQ(thrown_code([&] { MappedFile file(folder.path()); }), "F005");
  EXPECT_EQ(thrown_code([&] { MappedFile file(folder.path() / "none"); }), "N001");
  ASSERT_EQ(mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(thrown_code([&] { MappedFile file(folder.path() / "pipe"); }), "F005");
}

}  // namespace
}  // namespace slmtune
