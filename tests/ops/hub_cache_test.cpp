#include "ops/hub/cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/sha256.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

const std::string kCommit(40, 'c');
const RemoteFile kHello{"a.json", 6, HashKind::kSha1, "ce013625030ba8dba906f756967f9e9ca394464a"};

class Cache : public ::testing::Test {
 protected:
  Cache() { hub.cache = folder.path() / "hub"; }

  TempFolder folder;
  HubSettings hub;
  Repository repository{"a/b", "main"};

  fs::path inside(const std::string& name) const { return hub.cache / "models--a--b" / name; }
  void add(const std::string& name, const std::string& hash, const std::string& content) {
    folder.write("hub/models--a--b/blobs/" + hash, content);
    fs::create_directories(inside("snapshots/" + kCommit));
    fs::create_symlink("../../blobs/" + hash, inside("snapshots/" + kCommit + "/" + name));
  }
  bool take(const RemoteFile& file, const std::string& to) {
    return take_from_cache(inside("blobs/" + file.hash), file, folder.path() / "part",
                           folder.path() / to, [](uint64_t) {});
  }
};

TEST_F(Cache, FindsAFileByCommitOrByContent) {
  EXPECT_EQ(cached_file(hub, repository, kCommit, kHello), std::nullopt);
  add("a.json", kHello.hash, "hello\n");
  const auto blob = fs::canonical(inside("blobs/" + kHello.hash));
  EXPECT_EQ(cached_file(hub, repository, kCommit, kHello), blob);
  EXPECT_EQ(cached_file(hub, repository, std::string(40, 'd'), kHello), blob);
  RemoteFile longer = kHello;
  longer.bytes = 7;
  EXPECT_EQ(cached_file(hub, repository, kCommit, longer), std::nullopt);
}

TEST_F(Cache, KnowsTheCommitOfABranch) {
  EXPECT_EQ(cached_listing(hub, repository), std::nullopt);
  add("a.json", kHello.hash, "hello\n");
  EXPECT_EQ(cached_listing(hub, repository), std::nullopt);
  for (const std::string& text : {kCommit, kCommit + "\n"}) {
    folder.write("hub/models--a--b/refs/main", text);
    const auto listing = cached_listing(hub, repository);
    ASSERT_TRUE(listing);
    EXPECT_EQ(listing->commit, kCommit);
    EXPECT_EQ(listing->files, std::vector{kHello});
  }
  EXPECT_TRUE(cached_listing(hub, {"a/b", kCommit}));
  EXPECT_FALSE(cached_listing(hub, {"a/b", std::string(40, 'd')}));
  for (const char* text : {"../../../etc", "", "cccc"}) {
    folder.write("hub/models--a--b/refs/main", text);
    EXPECT_FALSE(cached_listing(hub, repository)) << text;
  }
  folder.write("hub/models--a--b/refs/main", std::string(100, 'c'));
  EXPECT_FALSE(cached_listing(hub, repository));
}

TEST_F(Cache, FilesWithoutTheirHashesServeOnlyWhereTheHubTellsThem) {
  folder.write("hub/models--a--b/snapshots/" + kCommit + "/a.json", "hello\n");
  EXPECT_FALSE(cached_listing(hub, {"a/b", kCommit}));
  EXPECT_TRUE(cached_file(hub, repository, kCommit, kHello));
}

TEST_F(Cache, SmallFilesAreCopiedAndWeightsAreLinked) {
  add("a.json", kHello.hash, "hello\n");
  EXPECT_TRUE(take(kHello, "a.json"));
  EXPECT_EQ(TempFolder::read(folder.path() / "a.json"), "hello\n");
  EXPECT_EQ(fs::hard_link_count(folder.path() / "a.json"), 1u);
  const RemoteFile weights{"w.safetensors", 6, HashKind::kSha256, sha256("hello\n")};
  add(weights.name, weights.hash, "hello\n");
  EXPECT_TRUE(take(weights, "w"));
  EXPECT_EQ(fs::hard_link_count(folder.path() / "w"), 2u);
}

TEST_F(Cache, DamagedBytesAreNotTaken) {
  add("a.json", kHello.hash, "hellO\n");
  EXPECT_FALSE(take(kHello, "a.json"));
  EXPECT_FALSE(fs::exists(folder.path() / "a.json"));
}

}  // namespace
}  // namespace slmtune::ops
