#include "core/sha256.h"

#include <gtest/gtest.h>

#include "core/hash_ahead.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

// FIPS 180-4, examples of "abc".
constexpr const char* kSha256OfAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kSha1OfAbc = "a9993e364706816aba3e25717850c26c9cd0d89d";

TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(sha256("abc"), kSha256OfAbc);
  testing::TempFolder folder;
  EXPECT_EQ(sha256_file(folder.write("a", "abc")), kSha256OfAbc);
}

TEST(Hasher, TakesTheBytesInAnyPieces) {
  for (HashKind kind : {HashKind::kSha256, HashKind::kSha1}) {
    Hasher hasher(kind);
    hasher.update("a");
    hasher.update("");
    hasher.update("bc");
    Hasher moved = std::move(hasher);
    EXPECT_EQ(moved.finish(), kind == HashKind::kSha256 ? kSha256OfAbc : kSha1OfAbc);
  }
}

TEST(HashAhead, GivesTheHashOfTheFileWhateverItsPath) {
  testing::TempFolder folder;
  const std::filesystem::path file = folder.write("a", "abc");
  hash_ahead({file, folder.path() / "missing"});
  EXPECT_EQ(hashed_ahead(file.parent_path() / "." / "a"), kSha256OfAbc);
  EXPECT_EQ(sha256_file(file), kSha256OfAbc);
  EXPECT_EQ(hashed_ahead(folder.path() / "missing"), std::nullopt);
  EXPECT_EQ(hashed_ahead(folder.write("b", "abc")), std::nullopt);
}

TEST(HashAhead, AFileThatChangedIsHashedAnew) {
  testing::TempFolder folder;
  const std::filesystem::path file = folder.write("a", "before it changes");
  hash_ahead({file});
  EXPECT_TRUE(hashed_ahead(file));
  folder.write("a", "abc");
  EXPECT_EQ(hashed_ahead(file), std::nullopt);
  EXPECT_EQ(sha256_file(file), kSha256OfAbc);
}

}  // namespace
}  // namespace slmtune
