#include "ops/hub/manifest.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using testing::thrown_code;
using testing::thrown_text;

// printf 'hello\n' | git hash-object --stdin, and of 'other\n'
const RemoteFile kHello{"a.json", 6, HashKind::kSha1, "ce013625030ba8dba906f756967f9e9ca394464a"};
const RemoteFile kOther{"a.json", 6, HashKind::kSha1, "e45c9c2666d44e0327c1f9c239a74c508336053e"};

void later(const fs::path& path) {
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(5));
}

Manifest pulled(const TempFolder& folder, const RemoteFile& file, const std::string& content) {
  folder.write(file.name, content);
  write_manifest(folder.path(), {"a/b", "main", std::string(40, 'c'), "https://hub", {{file, 0}}});
  return read_manifest(folder.path());
}

Presence presence(const TempFolder& folder, const RemoteFile& wanted, const Manifest& manifest) {
  return presence_of(folder.path(), wanted, manifest, [] {});
}

TEST(Manifest, ReadsBackWhatItWrote) {
  TempFolder folder;
  const Manifest manifest = pulled(folder, kHello, "hello\n");
  EXPECT_EQ(manifest.repository, "a/b");
  EXPECT_EQ(manifest.commit, std::string(40, 'c'));
  ASSERT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.files[0].file, kHello);
  EXPECT_GT(manifest.files[0].modified_ns, 0);
  EXPECT_TRUE(is_untouched(folder.path(), manifest.files[0]));
  const Json json = read_json(folder.path() / kManifestName);
  EXPECT_EQ(json.at("files").at(0).at("hash"), "git-sha1:" + kHello.hash);
}

TEST(Manifest, ADamagedOrHostileOneCountsAsNone) {
  TempFolder folder;
  EXPECT_TRUE(read_manifest(folder.path()).files.empty());
  const std::string good =
      TempFolder::read((pulled(folder, kHello, "hello\n"), folder.path() / kManifestName));
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("{\"files\": 3}"),
        std::string(good).replace(good.find("a.json"), 6, "../x"),
        std::string(good).replace(good.find("a.json"), 6, ".ssh"),
        std::string(good).replace(good.find("\"bytes\": 6"), 10, "\"bytes\": []")}) {
    folder.write(kManifestName, text);
    EXPECT_TRUE(read_manifest(folder.path()).files.empty()) << text;
  }
}

TEST(Presence, AFileOfTheWantedContentIsKeptWhereverItCameFrom) {
  TempFolder folder;
  EXPECT_EQ(presence(folder, kHello, {}), Presence::kAbsent);
  folder.write("a.json", "hello\n");
  EXPECT_EQ(presence(folder, kHello, {}), Presence::kSame);
}

TEST(Presence, AnUntouchedFileIsNotReadAgain) {
  TempFolder folder;
  const Manifest manifest = pulled(folder, kHello, "hello\n");
  const auto time = fs::last_write_time(folder.path() / "a.json");
  folder.write("a.json", "hellO\n");  // size and time as the manifest has them
  fs::last_write_time(folder.path() / "a.json", time);
  EXPECT_EQ(presence(folder, kHello, manifest), Presence::kSame);
  later(folder.path() / "a.json");
  EXPECT_EQ(thrown_code([&] { presence(folder, kHello, manifest); }), "W004");
}

TEST(Presence, AnEarlierRevisionsFileMayBeReplaced) {
  TempFolder folder;
  const Manifest manifest = pulled(folder, kHello, "hello\n");
  EXPECT_EQ(presence(folder, kOther, manifest), Presence::kOurs);
  later(folder.path() / "a.json");  // copied to another disk, say
  EXPECT_EQ(presence(folder, kOther, manifest), Presence::kOurs);
  EXPECT_EQ(presence(folder, kHello, manifest), Presence::kSame);
}

TEST(Presence, AFileOfSomebodyElseIsNeverReplaced) {
  TempFolder folder;
  folder.write("a.json", "my own");
  EXPECT_EQ(thrown_text([&] { presence(folder, kHello, {}); }),
            (folder.path() / "a.json").string() +
                ": error[W004]: cannot create: a file that pull has not made is here\n"
                "help: move it away, or choose another folder with --to");
  const Manifest manifest = pulled(folder, kHello, "hello\n");
  folder.write("a.json", "edited");
  later(folder.path() / "a.json");
  EXPECT_EQ(thrown_code([&] { presence(folder, kOther, manifest); }), "W004");
  fs::remove(folder.path() / "a.json");
  fs::create_symlink("/etc/passwd", folder.path() / "a.json");
  EXPECT_EQ(thrown_code([&] { presence(folder, kHello, {}); }), "W004");
}

}  // namespace
}  // namespace slmtune::ops
