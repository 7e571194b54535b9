#include "store/manifest.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::store {
namespace {

using testing::TempFolder;
using testing::thrown;
using testing::thrown_code;

Manifest example() {
  Manifest manifest;
  manifest.number = 3;
  manifest.name = "faq";
  manifest.created = "2026-01-31T09:05:07Z";
  manifest.method = "lora";
  manifest.parent = "runs/faq#2";
  manifest.base_path = "models/tiny";
  manifest.program_version = "0.1.0";
  manifest.run = "20260131T090000-1a2b";
  manifest.hashes = {{"base", "aa"}, {"dataset", "bb"}};
  manifest.metrics = {{"exact_match", 0.7}, {"loss", 1.5}};
  return manifest;
}

// A folder with one file and its manifest.
struct Published {
  Published() {
    folder.write("adapter.bin", "weights");
    Manifest manifest = example();
    manifest.files = seal_files(folder.path());
    folder.write("manifest.json", manifest_to_json(manifest).dump(2));
  }
  TempFolder folder;
};

TEST(Manifest, SurvivesARoundTrip) {
  Published published;
  Manifest manifest = read_manifest(published.folder.path());
  EXPECT_EQ(manifest.number, 3);
  EXPECT_EQ(manifest.parent, "runs/faq#2");
  EXPECT_EQ(manifest.hashes.at("dataset"), "bb");
  ASSERT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.files.at("adapter.bin").bytes, 7u);
  Manifest before = example();
  before.files = manifest.files;
  EXPECT_EQ(manifest_to_json(manifest).dump(), manifest_to_json(before).dump());
}

TEST(Manifest, AnOlderOneWithoutARunIsRead) {
  TempFolder folder;
  OrderedJson json = manifest_to_json(example());
  json.erase("run");
  folder.write("manifest.json", json.dump());
  EXPECT_EQ(read_manifest(folder.path()).run, "");
}

TEST(Manifest, VerifiesAnUnchangedFolder) {
  Published published;
  EXPECT_EQ(verify_snapshot(published.folder.path()).number, 3);
}

TEST(Manifest, FindsAFlippedBit) {
  Published published;
  auto file = published.folder.write("adapter.bin", "weighus");
  EXPECT_EQ(thrown([&] { verify_snapshot(published.folder.path()); }),
            "S004|" + file.string() +
                ": error[S004]: the content changed after it was published\n"
                "help: use another snapshot and check the disk");
}

TEST(Manifest, FindsAnotherSize) {
  Published published;
  auto file = published.folder.write("adapter.bin", "weight");
  EXPECT_EQ(thrown([&] { verify_snapshot(published.folder.path()); }),
            "S004|" + file.string() +
                ": error[S004]: the file has 6 bytes but was published with 7\n"
                "help: use another snapshot");
}

TEST(Manifest, FindsEveryDifferenceAtOnce) {
  Published published;
  std::filesystem::remove(published.folder.path() / "adapter.bin");
  published.folder.write("extra/file.txt", "x");
  try {
    verify_snapshot(published.folder.path());
    FAIL();
  } catch (const FileFormatError& error) {
    ASSERT_EQ(error.diagnostics().size(), 2u);
    EXPECT_EQ(error.diagnostics()[0].code, "S006");
    EXPECT_EQ(error.diagnostics()[1].code, "S004");
    EXPECT_EQ(error.diagnostics()[1].what, "the file was added after publishing");
  }
}

TEST(Manifest, ADamagedOneIsRefused) {
  std::string good = manifest_to_json(example()).dump();
  auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("{}"),
        with("\"schema\":1", "\"schema\":2"), with("\"number\":3", "\"number\":\"3\""),
        with("\"files\":{}", "\"files\":{\"a\":1}"),
        with("\"files\":{}", "\"files\":{\"../a\":{\"sha256\":\"\",\"bytes\":1}}"),
        with("\"files\":{}", "\"files\":{\"/etc/passwd\":{\"sha256\":\"\",\"bytes\":1}}"),
        with("\"files\":{}", "\"files\":{\"a\":{\"sha256\":\"\",\"bytes\":-1}}"),
        with("\"files\":{}", "\"files\":7"), with("\"hashes\":{", "\"hashes\":{\"x\":1,"),
        with("\"metrics\"", "\"metrisc\"")}) {
    TempFolder folder;
    folder.write("manifest.json", text);
    EXPECT_EQ(thrown_code([&] { read_manifest(folder.path()); }), "S005") << text;
  }
  TempFolder folder;
  EXPECT_EQ(thrown_code([&] { read_manifest(folder.path()); }), "S005") << "missing";
}

TEST(Manifest, LinksAreNotRecorded) {
  TempFolder folder;
  std::filesystem::create_symlink("/etc/passwd", folder.path() / "link");
  EXPECT_EQ(thrown_code([&] { seal_files(folder.path()); }), "X001");
}

}  // namespace
}  // namespace slmtune::store
