#include "core/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "core/version.h"
#include "tests/support/expect_error.h"

namespace slmtune {
namespace {

using testing::thrown;

TEST(Error, HasTheFormOfTheDocumentation) {
  Diagnostic diagnostic{"R012", "recipes/my.yaml:14:3", "unknown key 'lora.rnak'",
                        "did you mean 'lora.rank'?", "   14 |   rnak: 16\n      |   ^"};
  EXPECT_EQ(format_diagnostic(diagnostic),
            "recipes/my.yaml:14:3: error[R012]: unknown key 'lora.rnak'\n"
            "   14 |   rnak: 16\n"
            "      |   ^\n"
            "help: did you mean 'lora.rank'?");
}

TEST(Error, LeavesOutWhatIsEmpty) {
  EXPECT_EQ(format_diagnostic({"X001", "", "it broke", "", ""}), "error[X001]: it broke");
}

TEST(Error, EscapeCodesOfFileNamesDoNotReachTheTerminal) {
  EXPECT_EQ(
      format_diagnostic({"F010", "a\x1b[31m.bin", "key '\x9b' \xff", "remove \x07", "  1 | a\x7f"}),
      "a?[31m.bin: error[F010]: key '?' ?\n  1 | a?\nhelp: remove ?");
}

TEST(Error, SeparatesSeveralByABlankLine) {
  UserError error({{"R003", "a:1:1", "one", "", ""}, {"R004", "a:2:1", "two", "", ""}});
  EXPECT_STREQ(error.what(), "a:1:1: error[R003]: one\n\na:2:1: error[R004]: two");
  EXPECT_EQ(error.exit_code(), ExitCode::kRecipe);
}

TEST(Error, IoErrorsAreToldApartByCode) {
  auto code = [](int errno_value) {
    return testing::thrown_code([&] { throw_io_error("f", "cannot write", errno_value); });
  };
  EXPECT_EQ(code(EIO), "W001");
  EXPECT_EQ(code(ENOSPC), "W002");
  EXPECT_EQ(code(EDQUOT), "W002");
  EXPECT_EQ(code(EACCES), "W003");
  EXPECT_EQ(code(EPERM), "W003");
  EXPECT_EQ(code(EROFS), "W003");
  EXPECT_EQ(code(ENOENT), "W004");
  EXPECT_EQ(code(EEXIST), "W004");
  EXPECT_EQ(thrown([] { throw_io_error("out/a", "cannot write", EIO); }),
            "W001|out/a: error[W001]: cannot write: input/output error\n"
            "help: check the disk, its cable or the network share");
}

TEST(Error, WhatTheFileSystemLibraryThrowsIsAnIoError) {
  const auto error = [](std::errc reason) {
    return std::filesystem::filesystem_error("cannot remove", "out/a",
                                             std::make_error_code(reason));
  };
  EXPECT_EQ(testing::thrown_code([&] { throw_io_error(error(std::errc::io_error)); }), "W001");
  EXPECT_EQ(thrown([&] { throw_io_error(error(std::errc::permission_denied)); }),
            "W003|out/a: error[W003]: cannot work with this file: permission denied\n"
            "help: check who owns the folder and whether it may be written");
}

TEST(Error, AFullDiskNamesNeededAndFreeBytes) {
  const std::string said = thrown([] { throw_io_error("/tmp/a", "cannot create", ENOSPC); });
  EXPECT_TRUE(said.starts_with("W002|/tmp/a: error[W002]: the disk is full: ")) << said;
  EXPECT_NE(said.find(" still to write, "), std::string::npos) << said;
  EXPECT_NE(said.find(" free"), std::string::npos) << said;
}

TEST(Error, ABrokenAssertionIsAnInternalError) {
  try {
    SLMTUNE_ASSERT(1 == 2, "numbers differ");
    FAIL();
  } catch (const InternalError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kInternal);
    EXPECT_NE(std::string(error.what()).find("numbers differ (1 == 2)"), std::string::npos);
  }
}

TEST(ErrorCodes, AreSortedUniqueAndWellFormed) {
  std::string before;
  for (const ErrorRow& row : error_rows()) {
    ASSERT_EQ(row.code.size(), 4u) << row.code;
    EXPECT_NE(std::string_view("URDFNWGTSLHPXV").find(row.code[0]), std::string_view::npos)
        << row.code;
    EXPECT_TRUE(std::all_of(row.code.begin() + 1, row.code.end(),
                            [](unsigned char c) { return std::isdigit(c); }));
    EXPECT_LT(before, row.code);
    before = row.code;
  }
}

TEST(ErrorCodes, EachIsExplained) {
  for (const ErrorRow& row : error_rows()) {
    EXPECT_FALSE(row.title.empty()) << row.code;
    EXPECT_NE(row.title.back(), '.') << row.code;
    EXPECT_GT(row.explanation.size(), 80u) << row.code;
    EXPECT_EQ(row.explanation.back(), '.') << row.code;
  }
}

TEST(ErrorCodes, UseOnlyTheFrozenExitCodes) {
  for (const ErrorRow& row : error_rows()) {
    int exit = static_cast<int>(row.exit);
    constexpr int kFrozen[] = {0, 3, 64, 65, 66, 69, 70, 73, 74, 75, 77, 78};
    EXPECT_NE(std::find(std::begin(kFrozen), std::end(kFrozen), exit), std::end(kFrozen))
        << row.code;
  }
}

TEST(ErrorCodes, AnUnknownCodeIsAnInternalError) {
  EXPECT_EQ(error_row("Q999").code, "X001");
  EXPECT_EQ(error_row("").code, "X001");
  EXPECT_EQ(error_row("R012").code, "R012");
}

TEST(Version, IsThatOfTheProject) {
  EXPECT_EQ(std::count(version().begin(), version().end(), '.'), 2);
}

}  // namespace
}  // namespace slmtune
