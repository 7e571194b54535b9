#include "ops/hub/address.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

using testing::TempFolder;
using testing::thrown_code;
using testing::thrown_text;
using Variables = std::map<std::string, std::string>;

HubSettings settings(const Variables& variables) {
  return hub_settings([&](const char* name) -> const char* {
    auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Repository, HasAnOwnerANameAndARevision) {
  const Repository plain = parse_repository("Qwen/Qwen2.5-0.5B-Instruct");
  EXPECT_EQ(plain.name, "Qwen/Qwen2.5-0.5B-Instruct");
  EXPECT_EQ(plain.revision, "main");
  EXPECT_EQ(plain.folder_name(), "Qwen2.5-0.5B-Instruct");
  const Repository pinned = parse_repository("gpt2@refs/pr/1");
  EXPECT_EQ(pinned.name, "gpt2");
  EXPECT_EQ(pinned.revision, "refs/pr/1");
  EXPECT_EQ(pinned.folder_name(), "gpt2");
}

TEST(Repository, RefusesWhatCouldLeaveAFolderOrAnAddress) {
  for (const char* text : {"",           "/",
                           "a/",         "/b",
                           "a/b/c",      "../b",
                           "a/..",       "a/.b",
                           "-a/b",       "a/b..c",
                           "a b/c",      "a/b?x=1",
                           "a/b#c",      "https://huggingface.co/a/b",
                           "a/b@",       "a/b@../c",
                           "a/b@c/../d", "a/b@/c",
                           "a/b@c/",     "a/b@c d",
                           "a/b@c//d",   "a/b@c/.d",
                           "a/b@c@d",    "a/b@c\nd",
                           "a/\x01",     "a/b@-c",
                           "a/b@c:d"})
    EXPECT_EQ(thrown_code([&] { parse_repository(text); }), "U004") << text;
  EXPECT_EQ(thrown_code([] { parse_repository("a/" + std::string(97, 'x')); }), "U004");
  EXPECT_EQ(thrown_code([] { parse_repository("a/b@" + std::string(201, 'x')); }), "U004");
}

TEST(HubSettings, DefaultsAreThoseOfHuggingfaceHub) {
  const HubSettings hub = settings({{"HOME", "/nobody"}});
  EXPECT_EQ(hub.endpoint, "https://huggingface.co");
  EXPECT_EQ(hub.cache, "/nobody/.cache/huggingface/hub");
  EXPECT_EQ(hub.token_place, "HF_TOKEN or /nobody/.cache/huggingface/token");
  EXPECT_EQ(hub.token, "");
  EXPECT_FALSE(hub.offline);
}

TEST(HubSettings, FoldersFollowTheEnvironment) {
  EXPECT_EQ(settings({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}).cache, "/x/huggingface/hub");
  EXPECT_EQ(settings({{"HOME", "/h"}, {"HF_HOME", "/f"}}).cache, "/f/hub");
  EXPECT_EQ(settings({{"HF_HOME", "/f"}, {"HF_HUB_CACHE", "/c"}}).cache, "/c");
  EXPECT_EQ(settings({{"HF_HOME", "/f"}}).token_place, "HF_TOKEN or /f/token");
  EXPECT_EQ(settings({{"HF_TOKEN_PATH", "/t/oken"}}).token_place, "HF_TOKEN or /t/oken");
  for (const char* on : {"1", "ON", "true", "Yes"})
    EXPECT_TRUE(settings({{"HF_HUB_OFFLINE", on}}).offline) << on;
  EXPECT_FALSE(settings({{"HF_HUB_OFFLINE", "0"}}).offline);
  EXPECT_EQ(settings({{"CURL_CA_BUNDLE", "/a"}, {"SSL_CERT_FILE", "/b"}}).certificate_file, "/b");
  EXPECT_EQ(settings({{"CURL_CA_BUNDLE", "/a"}}).certificate_file, "/a");
}

TEST(HubSettings, TokenComesFromTheEnvironmentElseFromItsFile) {
  TempFolder folder;
  folder.write("token", " hf_file\n");
  const std::string home = folder.path().string();
  EXPECT_EQ(settings({{"HF_HOME", home}}).token, "hf_file");
  EXPECT_EQ(settings({{"HF_TOKEN_PATH", home + "/token"}}).token, "hf_file");
  EXPECT_EQ(settings({{"HF_HOME", home}, {"HF_TOKEN", "hf_env"}}).token, "hf_env");
  EXPECT_EQ(settings({{"HF_HOME", home}, {"HUGGING_FACE_HUB_TOKEN", "hf_old"}}).token, "hf_old");
  EXPECT_EQ(settings({{"HF_HOME", home}, {"HF_TOKEN", ""}}).token, "hf_file");
}

TEST(HubSettings, AMalformedTokenIsRefusedAndNotShown) {
  TempFolder folder;
  for (const char* token : {"hf_a b", "hf_a\r\nX-Injected: 1", "hf_\xc3\xa4"}) {
    const std::string text = thrown_text([&] { settings({{"HF_TOKEN", token}}); });
    EXPECT_TRUE(text.starts_with("HF_TOKEN: error[U004]")) << text;
    EXPECT_EQ(text.find("hf_a"), std::string::npos) << text;
  }
  folder.write("token", "first\nsecond\n");
  EXPECT_EQ(thrown_code([&] { settings({{"HF_HOME", folder.path().string()}}); }), "U004");
  EXPECT_EQ(thrown_code([] { settings({{"HF_TOKEN", std::string(5000, 'x')}}); }), "U004");
}

TEST(HubSettings, EndpointIsAnHttpAddressWithoutAPassword) {
  EXPECT_EQ(settings({{"HF_ENDPOINT", "http://mirror.lan:8080/hf/"}}).endpoint,
            "http://mirror.lan:8080/hf");
  for (const char* text : {"mirror.lan", "ftp://mirror.lan", "https://", "https:// x",
                           "https://a/?b", "https://a/#b", "file:///etc"})
    EXPECT_EQ(thrown_code([&] { settings({{"HF_ENDPOINT", text}}); }), "U004") << text;
  const std::string said = thrown_text([] {
    settings({{"HF_ENDPOINT", "https://me:secret@mirror.lan"}});
  });
  EXPECT_TRUE(said.starts_with("HF_ENDPOINT: error[U004]")) << said;
  EXPECT_EQ(said.find("secret"), std::string::npos);
}

TEST(HubSettings, ATokenOverPlainHttpIsNoticed) {
  auto in_clear = [](const std::string& endpoint, const std::string& token) {
    return sends_token_in_clear(settings({{"HF_ENDPOINT", endpoint}, {"HF_TOKEN", token}}));
  };
  EXPECT_TRUE(in_clear("http://mirror.lan", "t"));
  EXPECT_FALSE(in_clear("http://mirror.lan", ""));
  EXPECT_FALSE(in_clear("https://mirror.lan", "t"));
  for (const char* here : {"http://localhost:1", "http://127.0.0.1", "http://[::1]:80/x"})
    EXPECT_FALSE(in_clear(here, "t")) << here;
}

TEST(HubAddresses, AreThoseOfTheHuggingFaceInterface) {
  const HubSettings hub = settings({});
  const Repository repository = parse_repository("a/b@refs/pr/1");
  const std::string commit(40, 'c');
  EXPECT_EQ(info_url(hub, repository),
            "https://huggingface.co/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true");
  EXPECT_EQ(tree_url(hub, repository, commit),
            "https://huggingface.co/api/models/a/b/tree/" + commit + "?recursive=false");
  EXPECT_EQ(file_url(hub, repository, commit, "a b%.json"),
            "https://huggingface.co/a/b/resolve/" + commit + "/a%20b%25.json");
  EXPECT_EQ(page_url(hub, repository), "https://huggingface.co/a/b");
}

}  // namespace
}  // namespace slmtune::ops
