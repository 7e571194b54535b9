#include "ops/hub/listing.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

using testing::TempFolder;
using testing::thrown_code;
using testing::thrown_text;

const std::string kCommit(40, 'c'), kBlob(40, 'b'), kSha(64, 'a');

Json small_file(const std::string& name) {
  return {{"rfilename", name}, {"size", 5}, {"blobId", kBlob}};
}

Json large_file(const std::string& name) {
  return {{"rfilename", name},
          {"size", 7},
          {"blobId", kBlob},
          {"lfs", {{"sha256", kSha}, {"size", 7}, {"pointerSize", 134}}}};
}

std::string answer(const Json& siblings) {
  return Json{{"id", "a/b"}, {"sha", kCommit}, {"siblings", siblings}}.dump();
}

std::string code_of(const std::string& text) {
  return thrown_code([&] { parse_listing(text, "url"); });
}

std::string code_of_file(const Json& file) {
  return code_of(answer(Json::array({file})));
}

TEST(Listing, HoldsTheCommitAndEachFilesSizeAndChecksum) {
  const Listing listing =
      parse_listing(answer({large_file("model.safetensors"), small_file("config.json")}), "url");
  EXPECT_EQ(listing.commit, kCommit);
  ASSERT_EQ(listing.files.size(), 2u);
  EXPECT_EQ(listing.files[0], (RemoteFile{"config.json", 5, HashKind::kSha1, kBlob}));
  EXPECT_EQ(listing.files[1], (RemoteFile{"model.safetensors", 7, HashKind::kSha256, kSha}));
  EXPECT_EQ(hash_text(listing.files[0]), "git-sha1:" + kBlob);
  EXPECT_EQ(hash_text(listing.files[1]), "sha256:" + kSha);
}

TEST(Listing, RefusesWhatIsNoAnswerOfAHub) {
  for (const std::string& text :
       {std::string("<html>Log in</html>"), std::string(""), std::string("[]"), std::string("null"),
        std::string("{\"sha\": 3, \"siblings\": []}"), "{\"sha\": \"" + kCommit + "\"}",
        "{\"sha\": \"" + kCommit + "\", \"siblings\": {}}",
        "{\"sha\": \"" + kCommit + "/../x\", \"siblings\": []}",
        "{\"sha\": \"" + std::string(40, 'X') + "\", \"siblings\": []}", std::string(100000, '[')})
    EXPECT_EQ(code_of(text), "H007") << text.substr(0, 80);
  EXPECT_EQ(thrown_text([] { parse_listing("<html>", "https://hub/api"); }),
            "https://hub/api: error[H007]: the hub's answer is not JSON\nhelp: check HF_ENDPOINT, "
            "and whether a proxy or a login page answers instead");
}

TEST(Listing, RefusesNamesThatCouldLeaveTheFolder) {
  for (const char* name : {"../evil.safetensors", "/etc/passwd", "a/../../b", "a//b", "..", ".", "",
                           "a/", "./a", "a\\b", "a\nb", "a/./b"})
    EXPECT_EQ(code_of_file(small_file(name)), "H007") << name;
  EXPECT_EQ(code_of_file(small_file(std::string("a\0b", 3))), "H007");
  EXPECT_EQ(code_of_file(small_file(std::string(201, 'x'))), "H007");
  EXPECT_EQ(code_of("{\"sha\": \"" + kCommit + "\", \"siblings\": [{\"rfilename\": \"\xff\"}]}"),
            "H007");
  EXPECT_EQ(code_of_file(Json{{"size", 5}}), "H007");
  EXPECT_EQ(code_of_file(Json{{"rfilename", 5}}), "H007");
  EXPECT_EQ(code_of_file("config.json"), "H007");
  EXPECT_NO_THROW(parse_listing(answer(Json::array({small_file("onnx/model.onnx")})), "url"));
  EXPECT_EQ(code_of(answer({small_file("a"), small_file("b"), small_file("a")})), "H007");
}

TEST(Listing, RefusesSizesThatNoFileHas) {
  for (const Json& size : {Json(-1), Json(1.5), Json("5"), Json(uint64_t{1} << 43), Json(1e30)}) {
    Json file = small_file("config.json");
    file["size"] = size;
    EXPECT_EQ(code_of_file(file), "H007") << size;
    file = large_file("model.safetensors");
    file["lfs"]["size"] = size;
    EXPECT_EQ(code_of_file(file), "H007") << size;
  }
}

TEST(Listing, RefusesMalformedChecksums) {
  for (const Json& hash : {Json(5), Json("abc"), Json("../" + kBlob.substr(3)),
                           Json(std::string(40, 'G')), Json(std::string(40, 'A'))}) {
    Json file = small_file("config.json");
    file["blobId"] = hash;
    EXPECT_EQ(code_of_file(file), "H007") << hash;
  }
  Json file = large_file("model.safetensors");
  file["lfs"]["sha256"] = kBlob;
  EXPECT_EQ(code_of_file(file), "H007");
}

TEST(Listing, DetailsOfAMirrorThatListsNamesOnlyComeFromTheTree) {
  Listing listing = parse_listing(
      answer({Json{{"rfilename", "config.json"}}, Json{{"rfilename", "model.safetensors"}}}),
      "url");
  EXPECT_EQ(listing.files[0].hash, "");
  const Json tree = {{{"type", "directory"}, {"path", "onnx"}, {"oid", kBlob}, {"size", 0}},
                     {{"type", "file"}, {"path", "config.json"}, {"oid", kBlob}, {"size", 5}},
                     {{"type", "file"}, {"path", "other"}, {"oid", kBlob}, {"size", 5}},
                     {{"type", "file"},
                      {"path", "model.safetensors"},
                      {"oid", kBlob},
                      {"size", 7},
                      {"lfs", {{"oid", kSha}, {"size", 7}, {"pointerSize", 134}}}}};
  add_tree_details(listing, tree.dump(), "url");
  ASSERT_EQ(listing.files.size(), 2u);
  EXPECT_EQ(listing.files[0], (RemoteFile{"config.json", 5, HashKind::kSha1, kBlob}));
  EXPECT_EQ(listing.files[1], (RemoteFile{"model.safetensors", 7, HashKind::kSha256, kSha}));
  EXPECT_EQ(thrown_code([&] { add_tree_details(listing, "{}", "url"); }), "H007");
  EXPECT_EQ(thrown_code([&] { add_tree_details(listing, "<html>", "url"); }), "H007");
}

TEST(ContentHash, IsTheBlobIdOfGitOrTheSha256) {
  TempFolder folder;
  const auto path = folder.write("a", "hello\n");
  // printf 'hello\n' | git hash-object --stdin; … | sha256sum
  const RemoteFile blob{"a", 6, HashKind::kSha1, "ce013625030ba8dba906f756967f9e9ca394464a"};
  const RemoteFile sha{"a", 6, HashKind::kSha256,
                       "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"};
  uint64_t seen = 0;
  auto tick = [&](uint64_t bytes) { seen = bytes; };
  EXPECT_TRUE(content_matches(path, blob, tick));
  EXPECT_TRUE(content_matches(path, sha, tick));
  EXPECT_EQ(seen, 6u);
  folder.write("a", "hellO\n");
  EXPECT_FALSE(content_matches(path, sha, tick));
  folder.write("a", "hello\n\n");
  EXPECT_FALSE(content_matches(path, blob, tick));
}

}  // namespace
}  // namespace slmtune::ops
