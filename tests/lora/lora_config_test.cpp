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
  EXPECT_EQ(config.init, "default");
  EXPECT_EQ(config.plus_ratio, 1.0);
}

TEST(LoraConfig, TakesVariantsAndStarts) {
  EXPECT_EQ(parse("{variant: dora}").variant, "dora");
  EXPECT_EQ(parse("{init: pissa, plus_ratio: 16}").init, "pissa");
  EXPECT_EQ(parse("{init: pissa, plus_ratio: 16}").plus_ratio, 16.0);
  EXPECT_TRUE(raises("R007", {"lora.init: pissa", "lora.variant: dora"},
                     [] { parse("{variant: dora, init: pissa}"); }));
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
  EXPECT_TRUE(raises("R005", {"lora.init", "pissa"}, [] { parse("{init: olora}"); }));
  EXPECT_TRUE(raises("R004", {"lora.plus_ratio"}, [] { parse("{plus_ratio: 0.5}"); }));
  EXPECT_TRUE(raises("R012", {"lora.loraplus_lr_ratio", "did you mean 'lora.plus_ratio'"},
                     [] { parse("{loraplus_lr_ratio: 16}"); }));
  EXPECT_TRUE(raises("R004", {"lora.targets"}, [] { parse("{targets: []}"); }));
  EXPECT_TRUE(
      raises("R061", {"recipe.yaml:1:", "(q_proj"}, [] { parse("{targets: 're:(q_proj'}"); }));
  EXPECT_TRUE(raises("R012", {"lora.rnak", "rank"}, [] { parse("{rnak: 4}"); }));
}

}  // namespace
}  // namespace slmtune::lora
