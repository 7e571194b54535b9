#include "core/resumable_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using testing::thrown_code;

std::string content_of(const ResumableFile& file) {
  std::string text;
  file.read([&](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return text;
}

void append(ResumableFile& file, std::string_view text) {
  file.append(std::as_bytes(std::span(text)));
}

TEST(ResumableFile, GoesOnWhereAnEarlierObjectStopped) {
  TempFolder folder;
  {
    ResumableFile first(folder.path() / "a.part");
    append(first, "one ");
  }
  ResumableFile second(folder.path() / "a.part");
  EXPECT_EQ(second.size(), 4u);
  EXPECT_EQ(content_of(second), "one ");
  append(second, "two");
  EXPECT_EQ(second.size(), 7u);
  EXPECT_FALSE(fs::exists(folder.path() / "a"));
  second.commit(folder.path() / "a");
  EXPECT_EQ(TempFolder::read(folder.path() / "a"), "one two");
  EXPECT_FALSE(fs::exists(folder.path() / "a.part"));
}

TEST(ResumableFile, StartsAnew) {
  TempFolder folder;
  ResumableFile file(folder.write("a.part", "wrong bytes"));
  file.restart();
  EXPECT_EQ(file.size(), 0u);
  append(file, "right");
  EXPECT_EQ(content_of(file), "right");
}

TEST(ResumableFile, FollowsNoLinkAndTakesNoFolder) {
  TempFolder folder;
  const auto target = folder.write("target", "keep");
  fs::create_symlink(target, folder.path() / "a.part");
  EXPECT_EQ(thrown_code([&] { ResumableFile file(folder.path() / "a.part"); }), "W004");
  EXPECT_EQ(thrown_code([&] { ResumableFile file(folder.path()); }), "W004");
  EXPECT_EQ(thrown_code([&] { ResumableFile file(folder.path() / "none/a.part"); }), "W004");
  EXPECT_EQ(TempFolder::read(target), "keep");
}

TEST(ResumableFile, RefusesADevice) {
  EXPECT_EQ(thrown_code([] { ResumableFile file("/dev/null"); }), "W004");
}

TEST(ResumableFile, CannotReplaceAFolder) {
  TempFolder folder;
  fs::create_directory(folder.path() / "a");
  ResumableFile file(folder.path() / "a.part");
  EXPECT_EQ(thrown_code([&] { file.commit(folder.path() / "a"); }), "W004");
}

}  // namespace
}  // namespace slmtune
