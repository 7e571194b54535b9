#include "core/folder_removal.h"

#include <gtest/gtest.h>

#include "core/atomic_file.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

TEST(FolderRemoval, HidesFirstAndDeletesLater) {
  TempFolder folder;
  folder.write("0042/sub/a.bin", "x");
  folder.write("0043/a.bin", "x");
  hide_folder(folder.path() / "0042");
  EXPECT_FALSE(fs::exists(folder.path() / "0042"));
  EXPECT_TRUE(fs::exists(folder.path() / ".removed-0042/sub/a.bin"));
  EXPECT_EQ(remove_hidden(folder.path()), 1);
  EXPECT_FALSE(fs::exists(folder.path() / ".removed-0042"));
  EXPECT_TRUE(fs::exists(folder.path() / "0043/a.bin"));
}

TEST(FolderRemoval, DeletesReadOnlyFiles) {
  TempFolder folder;
  fs::permissions(folder.write("1/a.bin", "x"), fs::perms::owner_read);
  hide_folder(folder.path() / "1");
  EXPECT_EQ(remove_hidden(folder.path()), 1);
}

TEST(FolderRemoval, AnEarlierRestOfTheSameNameIsNoHindrance) {
  TempFolder folder;
  folder.write(".removed-1/old.bin", "x");
  folder.write("1/a.bin", "x");
  hide_folder(folder.path() / "1");
  EXPECT_TRUE(fs::exists(folder.path() / ".removed-1/a.bin"));
  EXPECT_FALSE(fs::exists(folder.path() / ".removed-1/old.bin"));
}

TEST(FolderRemoval, WhatIsNotThereIsNoError) {
  TempFolder folder;
  hide_folder(folder.path() / "none");
  EXPECT_EQ(remove_hidden(folder.path() / "none"), 0);
  EXPECT_EQ(remove_temporaries(folder.path() / "none"), 0);
}

TEST(FolderRemoval, WhatCannotBeRenamedIsAnError) {
  TempFolder folder;
  const fs::path long_name = folder.path() / std::string(250, 'x');  // no room for a prefix
  fs::create_directory(long_name);
  EXPECT_TRUE(testing::raises("W004", {"cannot remove"}, [&] { hide_folder(long_name); }));
  EXPECT_TRUE(fs::exists(long_name));
}

TEST(FolderRemoval, OnlyTemporariesThatNobodyWritesAreDeleted) {
  TempFolder folder;
  folder.write(".left.json.tmp", "{");
  folder.write(".hidden", "x");
  folder.write("a.tmp", "x");
  AtomicFile busy(folder.path() / "busy.json");
  EXPECT_EQ(remove_temporaries(folder.path()), 1);
  EXPECT_FALSE(fs::exists(folder.path() / ".left.json.tmp"));
  EXPECT_TRUE(fs::exists(folder.path() / ".hidden"));
  EXPECT_TRUE(fs::exists(folder.path() / "a.tmp"));
  busy.write("{}");
  busy.commit();
}

}  // namespace
}  // namespace slmtune
