#include "core/disk_space.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

TEST(DiskSpace, NamesNeededAndFreeBytes) {
  testing::TempFolder folder;
  EXPECT_NO_THROW(check_free_space(folder.path(), 1, "the export"));
  const std::string said =
      testing::thrown([&] { check_free_space(folder.path(), 1ull << 62, "the export"); });
  EXPECT_TRUE(said.starts_with("W002|" + folder.path().string() +
                               ": error[W002]: the export needs 4.0 EiB and "))
      << said;
  EXPECT_NE(said.find(" are free\n"), std::string::npos);
}

TEST(DiskSpace, AMissingFolderCannotBeAsked) {
  EXPECT_EQ(testing::thrown_code([] { check_free_space("/nonexistent", 1, "the export"); }),
            "W004");
}

}  // namespace
}  // namespace slmtune
