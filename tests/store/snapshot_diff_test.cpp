#include "store/snapshot_diff.h"

#include <gtest/gtest.h>

#include "tests/store/store_fixture.h"

namespace slmtune::store {
namespace {

using Lines = std::vector<std::string>;

Lines lines(const std::vector<Difference>& differences) {
  Lines result;
  for (const Difference& one : differences)
    result.push_back(one.name + ": " + one.left + " -> " + one.right);
  return result;
}

class Diff : public StoreTest {
 protected:
  std::filesystem::path make(const std::string& weights, const std::string& recipe, double loss,
                             const std::string& dataset) {
    Manifest manifest;
    manifest.number = store.claim();
    manifest.method = "lora";
    manifest.hashes = {{"dataset", dataset}, {"recipe", recipe}};
    manifest.metrics = {{"schema", 1}, {"steps", 10}, {"valid_loss", loss}};
    const auto staging = store.staging(manifest.number);
    std::ofstream(staging / "adapter.bin") << weights;
    std::ofstream(staging / "README.md") << "#" << manifest.number;
    if (!recipe.empty()) std::ofstream(staging / "recipe.yaml") << recipe;
    return store.publish(manifest).path;
  }
};

TEST_F(Diff, TellsRecipeDataScoresAndFiles) {
  auto left = make("w1", "train:\n  epochs: 2\n  seed: 7\n", 1.5, "aa");
  auto right = make("w22", "train:\n  epochs: 3\n  seed: 7\n", 1.25, "bb");
  const SnapshotDiff diff = diff_snapshots(left, right);
  EXPECT_FALSE(diff.is_same_content);
  EXPECT_EQ(lines(diff.settings), Lines{"train.epochs: 2 -> 3"});
  EXPECT_EQ(lines(diff.origin), Lines{"dataset hash: aa -> bb"});
  EXPECT_EQ(lines(diff.scores), (Lines{"steps: 10 -> 10", "valid_loss: 1.5 -> 1.25"}));
  ASSERT_EQ(diff.files.size(), 3u);
  EXPECT_EQ(diff.files[0].name, "README.md");
  EXPECT_EQ(lines(diff.files)[1], "adapter.bin: 2 bytes -> 3 bytes");
}

TEST_F(Diff, TheCardAndTheRecipeAreNotContent) {
  auto left = make("w", "name: a\n", 1.5, "aa");
  auto right = make("w", "name: b\n", 1.5, "aa");
  EXPECT_TRUE(diff_snapshots(left, right).is_same_content);
  EXPECT_EQ(read_manifest(left).content, read_manifest(right).content);
  EXPECT_EQ(read_manifest(left).content.size(), 64u);
}

TEST_F(Diff, WithoutARecipeThereAreNoSettings) {
  auto left = make("w", "", 1, "aa");
  auto right = make("w", "name: b\n", 1, "aa");
  EXPECT_TRUE(diff_snapshots(left, right).settings.empty());
  EXPECT_EQ(lines(diff_snapshots(left, right).files)[1], "recipe.yaml:  -> 8 bytes");
}

TEST(FlatRecipe, NamesEveryValueByItsPath) {
  const auto flat = flat_recipe(
      "name: faq\nmodel:\n  path: m\ndata:\n  train:\n    - {path: a, weight: 1}\n    - {path: b}\n"
      "  pack: true\nexport:\n  - {format: gguf}\nseed: 7\n# end\n");
  EXPECT_EQ(flat, (std::map<std::string, std::string>{{"data.pack", "true"},
                                                      {"data.train[0]", "{path: a, weight: 1}"},
                                                      {"data.train[1]", "{path: b}"},
                                                      {"export[0]", "{format: gguf}"},
                                                      {"model.path", "m"},
                                                      {"name", "faq"},
                                                      {"seed", "7"}}));
}

}  // namespace
}  // namespace slmtune::store
