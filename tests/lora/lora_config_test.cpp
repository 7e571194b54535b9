#include "lora/lora_config.h"

#include "tests/support/raises.h"

namespace slmtune::lora {
namespace {

using slmtune::testing::raises;

LoraConfig parse(const std::string& yaml) {
  YamlReader root = YamlReader::from_string("lora: " + yaml + "\n", "recipe.yaml");
  const LoraConfig config = LoraConfig::fields().read(root.section("lora"));
  root.finish();
  return config;
}

TEST(LoraConfig, HasDefaults) {
  const LoraConfig config = parse("{}");
  EXPECT_EQ(config.variant, "lora");
  EXPECT_EQ(config.rank, 16);
  EXPECT_EQ(config.alpha, 32.0);
  EXPECT_EQ(config.dropout, 0.0);
  EXPECT_EQ(config.targets, std::vector<std::string>{"all-linear"});
}

TEST(LoraConfig, TakesTargetsAsTextOrList) {
  EXPECT_EQ(parse("{targets: attention}").targets, std::vector<std::string>{"attention"});
  EXPECT_EQ(parse("{targets: [q_proj, v_proj]}").targets,
            (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(parse(R"({targets: 're:.*\.(q|v)_proj'})").targets,
            std::vector<std::string>{R"(re:.*\.(q|v)_proj)"});
}

TEST(LoraConfig, RefusesEachMistakeByKey) {
  EXPECT_TRUE(raises("R005", {"recipe.yaml:1:", "lora.variant", "rslora"},
                     [] { parse("{variant: lorra}"); }));
  EXPECT_TRUE(raises("R004", {"lora.rank"}, [] { parse("{rank: 0}"); }));
  EXPECT_TRUE(raises("R004", {"lora.rank"}, [] { parse("{rank: 1025}"); }));
  EXPECT_TRUE(raises("R004", {"lora.alpha"}, [] { parse("{alpha: 0}"); }));
  EXPECT_TRUE(raises("R004", {"lora.alpha"}, [] { parse("{alpha: -1}"); }));
  EXPECT_TRUE(raises("R004", {"lora.dropout"}, [] { parse("{dropout: 0.95}"); }));
  EXPECT_TRUE(raises("R004", {"lora.targets"}, [] { parse("{targets: []}"); }));
  EXPECT_TRUE(
      raises("R061", {"recipe.yaml:1:", "(q_proj"}, [] { parse("{targets: 're:(q_proj'}"); }));
  EXPECT_TRUE(raises("R012", {"lora.rnak", "rank"}, [] { parse("{rnak: 4}"); }));
}

}  // namespace
}  // namespace slmtune::lora
