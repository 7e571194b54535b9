#include <gtest/gtest.h>

#include "core/atomic_file.h"
#include "export/gguf/unverified_file.h"
#include "export/verify/verify_file.h"
#include "export/verify/verify_limits.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;
using slmtune::testing::TempFolder;
using slmtune::testing::thrown_code;

OrderedJson record_of(const std::string& file, int64_t bytes, const std::string& verdict) {
  return {{"file", file}, {"bytes", bytes}, {"verdict", verdict}};
}

TEST(VerifyLimits, FewerBitsMayLoseMore) {
  double increase = 0.0, agreement = 1.0;
  for (const char* name : {"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k", "q4_k", "q3_k", "q2_k"}) {
    const VerifyLimits limits = default_limits(*find_encoding(name));
    EXPECT_GE(limits.max_perplexity_increase, increase) << name;
    EXPECT_LE(limits.min_greedy_agreement, agreement) << name;
    increase = limits.max_perplexity_increase;
    agreement = limits.min_greedy_agreement;
  }
}

TEST(VerifyFile, KeepsOneRecordOfEachFile) {
  const TempFolder folder;
  folder.write("a.gguf", "123");
  folder.write("b.gguf", "12345");
  write_verify_record(folder.path(), record_of("a.gguf", 3, "first"));
  write_verify_record(folder.path(), record_of("b.gguf", 5, "passed"));
  write_verify_record(folder.path(), record_of("a.gguf", 3, "second"));
  EXPECT_EQ((*read_verify_record(folder.path() / "a.gguf"))["verdict"], "second");
  EXPECT_EQ((*read_verify_record(folder.path() / "b.gguf"))["verdict"], "passed");
  const auto list = OrderedJson::parse(read_text_file(folder.path() / kVerifyName));
  EXPECT_EQ(list["schema"], 1);
  EXPECT_EQ(list["files"].size(), 2u);
}

TEST(VerifyFile, HasNoRecordOfAnotherFile) {
  const TempFolder folder;
  const fs::path file = folder.write("a.gguf", "123");
  EXPECT_FALSE(read_verify_record(file)) << "no verify.json";
  write_verify_record(folder.path(), record_of("a.gguf", 4, "passed"));
  EXPECT_FALSE(read_verify_record(file)) << "of another size";
  EXPECT_FALSE(read_verify_record(folder.path() / "b.gguf")) << "not there";
}

TEST(VerifyFile, ForgetsAFileThatIsWrittenWithoutAComparison) {
  const TempFolder folder;
  const fs::path a = folder.write("a.gguf", "123"), b = folder.write("b.gguf", "123");
  drop_verify_record(a);
  EXPECT_FALSE(fs::exists(folder.path() / kVerifyName));
  write_verify_record(folder.path(), record_of("a.gguf", 3, "passed"));
  write_verify_record(folder.path(), record_of("b.gguf", 3, "passed"));
  drop_verify_record(a);
  EXPECT_FALSE(read_verify_record(a));
  EXPECT_TRUE(read_verify_record(b));
}

TEST(VerifyFile, LeavesAForeignFileOfThatNameAsItIs) {
  for (const char* text : {"", "no json", "[]", "{}", R"({"schema": 2, "files": []})",
                           R"({"schema": 1, "files": [1]})", R"({"schema": 1, "files": [{}]})"}) {
    const TempFolder folder;
    const fs::path gguf = folder.write("a.gguf", "123"), list = folder.write(kVerifyName, text);
    write_verify_record(folder.path(), record_of("a.gguf", 3, "passed"));
    EXPECT_EQ(TempFolder::read(list), text);
    EXPECT_FALSE(read_verify_record(gguf)) << text;
  }
}

TEST(UnverifiedFile, IsSeenWhenItIsPublished) {
  const TempFolder folder;
  const fs::path to = folder.write("a.gguf", "older");
  UnverifiedFile file(to);
  write_file(file.path(), "newer");
  file.hold();
  EXPECT_EQ(TempFolder::read(to), "older");
  file.publish();
  EXPECT_EQ(TempFolder::read(to), "newer");
  EXPECT_FALSE(fs::exists(file.path()));
}

TEST(UnverifiedFile, IsRemovedWhenItIsNotPublished) {
  const TempFolder folder;
  const fs::path to = folder.write("a.gguf", "older");
  for (const bool is_held : {false, true}) {
    UnverifiedFile file(to);
    write_file(file.path(), "newer");
    if (is_held) file.hold();
  }
  EXPECT_EQ(TempFolder::read(to), "older");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(UnverifiedFile, TakesAwayWhatAKilledProcessLeft) {
  const TempFolder folder;
  folder.write(".a.gguf.unverified", "whole, but nobody's");
  folder.write("..a.gguf.unverified.tmp", "half");
  const UnverifiedFile file(folder.path() / "a.gguf");
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(UnverifiedFile, AsksForItsRoomBeforeItsFolderIsThere) {
  const TempFolder folder;
  const UnverifiedFile file(folder.path() / "out" / "a.gguf");
  EXPECT_EQ(thrown_code([&] { file.check_room(1ull << 62); }), "W002");
  file.check_room(1);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(UnverifiedFile, OfALivingProcessIsNotTaken) {
  const TempFolder folder;
  const fs::path to = folder.path() / "a.gguf";
  UnverifiedFile first(to);
  write_file(first.path(), "first");
  first.hold();
  EXPECT_EQ(thrown_code([&] { const UnverifiedFile second(to); }), "W004");
  EXPECT_EQ(TempFolder::read(first.path()), "first");
}

TEST(UnverifiedFile, NeverPublishesWhatAnotherProcessPutThere) {
  const TempFolder folder;
  const fs::path to = folder.path() / "a.gguf";
  UnverifiedFile file(to);
  write_file(file.path(), "checked");
  file.hold();
  write_file(file.path(), "another");
  EXPECT_EQ(thrown_code([&] { file.publish(); }), "W004");
  EXPECT_FALSE(fs::exists(to));
}

TEST(UnverifiedFile, IsNoFolder) {
  const TempFolder folder;
  EXPECT_EQ(thrown_code([&] { const UnverifiedFile file(folder.path()); }), "W004");
}

}  // namespace
}  // namespace slmtune::exporting
