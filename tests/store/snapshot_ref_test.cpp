#include <gtest/gtest.h>

#include "store/snapshot_store.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::store {
namespace {

using testing::TempFolder;
using testing::thrown;
using testing::thrown_code;

class SnapshotReference : public ::testing::Test {
 protected:
  SnapshotReference() {
    Manifest manifest;
    manifest.number = store.claim();
    manifest.name = "faq";
    store.publish(manifest);
  }

  TempFolder folder;
  std::filesystem::path path = folder.path() / "runs/faq";
  SnapshotStore store = SnapshotStore::create_or_open(path);
};

TEST_F(SnapshotReference, NamesStoreAndNumber) {
  auto ref = parse_snapshot_ref(path.string() + "#1");
  ASSERT_TRUE(ref);
  EXPECT_EQ(ref->folder, path / "snapshots/0001");
  EXPECT_EQ(ref->manifest.name, "faq");
}

TEST_F(SnapshotReference, NamesStoreAndAlias) {
  EXPECT_TRUE(parse_snapshot_ref(path.string() + "#latest"));
}

TEST_F(SnapshotReference, MayLeaveOutTheStoreInsideOne) {
  EXPECT_EQ(parse_snapshot_ref("#1", path)->manifest.number, 1);
  EXPECT_EQ(thrown([] { parse_snapshot_ref("#1"); }),
            "S003|error[S003]: '#1' names no store\nhelp: write it as STORE#42, for example "
            "'runs/faq#42'");
}

TEST_F(SnapshotReference, MayBeAPath) {
  EXPECT_EQ(parse_snapshot_ref((path / "snapshots/0001").string())->manifest.number, 1);
  std::filesystem::copy(path / "snapshots/0001", folder.path() / "a#b");
  EXPECT_EQ(parse_snapshot_ref((folder.path() / "a#b").string())->manifest.number, 1);
}

TEST_F(SnapshotReference, IsNothingForOtherPaths) {
  EXPECT_FALSE(parse_snapshot_ref(folder.path().string()));
  EXPECT_FALSE(parse_snapshot_ref("models/Qwen2.5-0.5B"));
  EXPECT_FALSE(parse_snapshot_ref(""));
}

TEST_F(SnapshotReference, SaysWhatIsMissing) {
  EXPECT_EQ(thrown_code([&] { parse_snapshot_ref(path.string() + "#2"); }), "S001");
  EXPECT_EQ(thrown_code([&] { parse_snapshot_ref(path.string() + "#production"); }), "S002");
  EXPECT_EQ(thrown_code([&] { parse_snapshot_ref(path.string() + "#a b"); }), "S003");
  EXPECT_EQ(thrown_code([] { parse_snapshot_ref("/nonexistent#1"); }), "N002");
}

}  // namespace
}  // namespace slmtune::store
