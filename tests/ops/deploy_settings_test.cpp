// How a target is described, and which addresses it may have.
#include <gtest/gtest.h>

#include "ops/deploy/address.h"
#include "ops/deploy/lmstudio.h"
#include "ops/deploy/ollama.h"
#include "ops/deploy/target.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

using Settings = std::vector<std::string>;

TEST(DeployAddress, OnlyThisMachineIsTalkedToUnlessAllowed) {
  for (const char* url :
       {"http://127.0.0.1:11434", "http://localhost", "https://127.8.9.1/", "http://[::1]:80"}) {
    EXPECT_EQ(address_problem(url, false), "") << url;
    EXPECT_TRUE(is_loopback_url(url)) << url;
  }
  for (const char* url :
       {"http://192.168.1.5:11434", "https://ollama.example.org", "http://127.0.0.1.example.org",
        "http://127.0.0.1.5:80", "http://127.1:80", "http://localhost.example.org",
        "http://[::2]:80", "http://0.0.0.0:80", "http://127.-0.0.1"}) {
    EXPECT_EQ(address_problem(url, false), "'url' names another machine") << url;
    EXPECT_FALSE(is_loopback_url(url)) << url;
  }
  EXPECT_EQ(address_problem("http://192.168.1.5:11434", true),
            "'url' names another machine and is not https");
  EXPECT_EQ(address_problem("https://ollama.example.org:443", true), "");
}

TEST(DeployAddress, AnythingButSchemeHostAndPortIsRefused) {
  for (const char* url : {"", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://user@127.0.0.1",
                          "http://127.0.0.1@example.org", "http://127.0.0.1/path",
                          "http://127.0.0.1?a=b", "http://127.0.0.1#x", "http://127.0.0.1:99999",
                          "http://127.0.0.1:x", "http://127.0.0.1:", "http://[::1", "http://[::1]x",
                          "http://127.0.0.1\\@example.org", "http://a b"})
    EXPECT_NE(address_problem(url, true), "") << url;
}

TEST(DeployAddress, AServerThatListensEverywhereIsReachedHere) {
  EXPECT_EQ(local_url("0.0.0.0", 8080), "http://127.0.0.1:8080");
  EXPECT_EQ(local_url("127.0.0.1", 1), "http://127.0.0.1:1");
  EXPECT_EQ(local_url("::", 8080), "http://[::1]:8080");
}

class DeployTarget : public ::testing::Test {
 protected:
  Target read(const std::string& kind, const Settings& settings) {
    return read_target(folder.path(), "office", kind, settings);
  }
  std::string refusal(const std::string& kind, const Settings& settings) {
    return testing::thrown_text([&] { read(kind, settings); });
  }

  testing::TempFolder folder;
};

TEST_F(DeployTarget, IsKeptFromTheFirstDeployOn) {
  const Target target = read(
      "llama-server", {"server=/opt/llama-server", "port=8080", "arguments=[--ctx-size, '512']"});
  EXPECT_EQ(target.port, 8080);
  EXPECT_EQ(target.arguments, Settings({"--ctx-size", "512"}));
  keep_target(folder.path(), target);
  EXPECT_EQ(testing::TempFolder::read(target_file(folder.path(), "office")),
            "kind: llama-server\nencoding: auto\nmodel: null\nserver: /opt/llama-server\n"
            "port: 8080\nhost: \"127.0.0.1\"\narguments: [\"--ctx-size\", \"512\"]\n"
            "token_file: null\nkeep: 2\nwait_seconds: 300\n");
  EXPECT_EQ(read("", {}).port, 8080);
  EXPECT_EQ(read("llama-server", {"port=8080"}).port, 8080);
}

TEST_F(DeployTarget, FlagsThatDifferFromItsFileAreRefused) {
  keep_target(folder.path(), read("folder", {"path=/srv/models"}));
  EXPECT_NE(refusal("ollama", {}).find("--kind: error[U006]: target 'office' is described"),
            std::string::npos);
  EXPECT_NE(refusal("", {"keep=3"}).find("--set: error[U006]"), std::string::npos);
}

TEST_F(DeployTarget, WithoutAFileItsKindIsNeeded) {
  EXPECT_NE(refusal("", {}).find("error[V004]: no such target"), std::string::npos);
  EXPECT_EQ(testing::thrown_code([&] { read_target(folder.path(), "../x", "folder", {}); }),
            "U004");
}

TEST_F(DeployTarget, EveryMistakeIsTold) {
  EXPECT_NE(refusal("folder", {}).find("error[R006]: 'path' is missing"), std::string::npos);
  EXPECT_NE(refusal("llama-server", {}).find("error[R006]: 'server' is missing"),
            std::string::npos);
  EXPECT_NE(refusal("folder", {"path=/a", "port=80"})
                .find("error[R007]: 'port' has no meaning with kind folder"),
            std::string::npos);
  EXPECT_NE(refusal("folder", {"path=/a", "kep=3"}).find("did you mean 'keep'"), std::string::npos);
  EXPECT_NE(refusal("folder", {"path=/a", "keep=1"}).find("error[R004]"), std::string::npos);
  EXPECT_NE(refusal("folder", {"path=/a", "model=a/b"}).find("error[R008]: 'model' must be"),
            std::string::npos);
  EXPECT_NE(refusal("ollama", {"url='http://10.0.0.1'"}).find("error[V006]: 'url' names another"),
            std::string::npos);
}

TEST_F(DeployTarget, ArgumentsHoldNeitherSecretsNorWhatSlmtuneGives) {
  for (const char* argument : {"--api-key", "--api-key=x", "--port", "-m", "--host=1.2.3.4"})
    EXPECT_NE(refusal("llama-server", {"server=s", std::string("arguments=['") + argument + "']"})
                  .find("error[R008]"),
              std::string::npos)
        << argument;
}

TEST_F(DeployTarget, RelativePathsOfFlagsAreMadeWhole) {
  const Target target = read("folder", {"path=some/models"});
  EXPECT_EQ(*target.path, (std::filesystem::current_path() / "some/models").string());
  EXPECT_EQ(*read("llama-server", {"server=llama-server"}).server, "llama-server");
  folder.write("deploy/office.yaml", "kind: folder\npath: some/models\n");
  EXPECT_NE(refusal("", {}).find("error[R008]: 'path' must be a whole path"), std::string::npos);
}

TEST(LmStudio, ItsModelsFolderIsFoundWhereverItWasMoved) {
  testing::TempFolder home;
  const auto folder = [&] { return lmstudio_models(home.path()).string(); };
  EXPECT_EQ(testing::thrown_code(folder), "N001");
  std::filesystem::create_directories(home.path() / ".cache/lm-studio");
  EXPECT_EQ(folder(), (home.path() / ".cache/lm-studio/models").string());
  std::filesystem::create_directories(home.path() / ".lmstudio");
  EXPECT_EQ(folder(), (home.path() / ".lmstudio/models").string());
  home.write(".lmstudio/settings.json", R"({"downloadsFolder": "/data/models"})");
  EXPECT_EQ(folder(), "/data/models");
  home.write(".lmstudio/settings.json", R"({"downloadsFolder": 7})");
  EXPECT_EQ(folder(), (home.path() / ".lmstudio/models").string());
  std::filesystem::create_directories(home.path() / "moved");
  home.write(".lmstudio-home-pointer", (home.path() / "moved").string() + "\n");
  EXPECT_EQ(folder(), (home.path() / "moved/models").string());
}

TEST(OllamaVersionTest, TellsWhatItTakes) {
  const auto takes = [](const char* text) {
    const auto version = parse_ollama_version(text);
    return version ? std::pair(version->takes_files(), version->takes_adapters())
                   : std::pair(false, true);
  };
  EXPECT_EQ(takes("0.5.4"), std::pair(false, false));
  EXPECT_EQ(takes("0.5.5"), std::pair(true, true));
  EXPECT_EQ(takes("0.34.0"), std::pair(true, true));
  EXPECT_EQ(takes("0.34.1-rc0"), std::pair(true, false));
  EXPECT_EQ(takes("1.0.0"), std::pair(true, false));
  for (const char* text : {"", "0.5", "0.5.x", "v0.5.5", "0.5.5x", "-1.0.0"})
    EXPECT_FALSE(parse_ollama_version(text)) << text;
}

}  // namespace
}  // namespace slmtune::ops
