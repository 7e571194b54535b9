#include "train/train_config.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace slmtune::train {
namespace {

TrainConfig parse_train(const std::string& body) {
  YamlReader yaml = YamlReader::from_string("train: {" + body + "}\n", "test.yaml");
  TrainConfig config = TrainConfig::fields().read(yaml.section("train"));
  yaml.finish();
  return config;
}

EvalConfig parse_eval(const std::string& body) {
  YamlReader yaml = YamlReader::from_string("eval: {" + body + "}\n", "test.yaml");
  EvalConfig config = EvalConfig::fields().read(yaml.section("eval"));
  yaml.finish();
  return config;
}

std::string code_of(const std::string& body) {
  try {
    parse_train(body);
  } catch (const UserError& error) {
    return error.code();
  }
  return "";
}

TEST(TrainConfig, HasDefaultsForEveryKey) {
  TrainConfig config = parse_train("");
  EXPECT_EQ(config.batch_rows, 16);
  EXPECT_EQ(config.schedule, "cosine");
  EXPECT_FALSE(config.micro_batch_tokens);
  EXPECT_FALSE(config.max_minutes);
}

TEST(TrainConfig, ReadsEveryKey) {
  TrainConfig config = parse_train(
      "epochs: 0.5, max_steps: 9, micro_batch_tokens: 256, batch_rows: 2, learning_rate: 1.0e-3, "
      "schedule: linear, warmup: 0, optimizer: adamw, weight_decay: 0.01, beta1: 0.8, beta2: 0.95, "
      "epsilon: 1.0e-6, clip_norm: 0, seed: 11, save_minutes: 0.5, max_minutes: 30, loss_chunk: "
      "64");
  EXPECT_EQ(config.epochs, 0.5);
  EXPECT_EQ(config.max_steps, 9);
  EXPECT_EQ(config.micro_batch_tokens, 256);
  EXPECT_EQ(config.learning_rate, 1e-3);
  EXPECT_EQ(config.clip_norm, 0.0);
  EXPECT_EQ(config.seed, 11u);
  EXPECT_EQ(config.max_minutes, 30.0);
  EXPECT_EQ(config.loss_chunk, 64);
}

TEST(TrainConfig, AutoAndNullMeanTheDefault) {
  TrainConfig config = parse_train("micro_batch_tokens: auto, max_minutes: null, max_steps: null");
  EXPECT_FALSE(config.micro_batch_tokens);
  EXPECT_FALSE(config.max_minutes);
  EXPECT_FALSE(config.max_steps);
}

TEST(TrainConfig, RefusesValuesOutOfRange) {
  for (const char* body :
       {"epochs: 0", "epochs: 1001", "max_steps: 0", "micro_batch_tokens: 8", "batch_rows: 0",
        "learning_rate: 0", "learning_rate: 1.5", "warmup: 1", "weight_decay: -1", "beta1: 1",
        "beta2: -0.1", "epsilon: 0", "clip_norm: -1", "save_minutes: 0", "max_minutes: 0",
        "loss_chunk: 0", "seed: -1"})
    EXPECT_EQ(code_of(body), "R004") << body;
}

TEST(TrainConfig, RefusesNumbersThatAreNotFinite) {
  for (const char* body : {"learning_rate: .nan", "epochs: .inf", "clip_norm: .nan"})
    EXPECT_EQ(code_of(body), "R022") << body;
}

TEST(TrainConfig, RefusesAWarmUpAsLongAsTheRun) {
  EXPECT_EQ(code_of("max_steps: 4, warmup: 0.9"), "R007");
  EXPECT_EQ(code_of("max_steps: 1, warmup: 0.1"), "R007");
  EXPECT_EQ(code_of("max_steps: 4, warmup: 0.75"), "");
  EXPECT_EQ(code_of("max_steps: 1"), "");
}

TEST(TrainConfig, RefusesUnknownWords) {
  EXPECT_EQ(code_of("schedule: cosin"), "R005");
  EXPECT_EQ(code_of("optimizer: sgd"), "R005");
  EXPECT_EQ(code_of("lerning_rate: 1"), "R012");
  EXPECT_EQ(code_of("recompute: some"), "R003");
}

TEST(TrainConfig, RecomputeIsAWordOrANumberOfLayers) {
  const auto text = [](const std::string& body) {
    for (const auto& [key, value] : TrainConfig::fields().values(parse_train(body)))
      if (key == "recompute") return value;
    return std::string();
  };
  EXPECT_EQ(parse_train("").recompute, std::nullopt);
  EXPECT_EQ(parse_train("recompute: none").recompute, 0);
  EXPECT_EQ(parse_train("recompute: all").recompute, kAllLayers);
  EXPECT_EQ(parse_train("recompute: 7").recompute, 7);
  for (const char* value : {"auto", "none", "all", "7"})
    EXPECT_EQ(text("recompute: " + std::string(value)), value);
  EXPECT_EQ(text("recompute: 0"), "none");
  EXPECT_EQ(code_of("recompute: -1"), "R004");
  EXPECT_EQ(parse_train("").recompute_whole, std::nullopt);
  EXPECT_EQ(parse_train("recompute_whole: all").recompute_whole, kAllLayers);
  EXPECT_EQ(parse_train("recompute_whole: 7").recompute_whole, 7);
  EXPECT_EQ(code_of("recompute_whole: some"), "R003");
}

TEST(TrainConfig, HowAStepIsDoneIsAWord) {
  const TrainConfig plain = parse_train("");
  EXPECT_EQ(plain.offload + " " + plain.matmul + " " + plain.graphs, "auto bf16 auto");
  const TrainConfig other = parse_train("offload: inputs, matmul: fp8, graphs: none");
  EXPECT_EQ(other.offload + " " + other.matmul + " " + other.graphs, "inputs fp8 none");
  EXPECT_EQ(code_of("matmul: fp4"), "R005");
  EXPECT_EQ(code_of("offload: true"), "R005");
}

TEST(BudgetConfig, ReadsMemoryAndPrice) {
  YamlReader yaml = YamlReader::from_string(
      "budget: {memory_gib: 11.5, kwh_price: 0.4, currency: CHF}\n", "test.yaml");
  const BudgetConfig config = BudgetConfig::fields().read(yaml.section("budget"));
  yaml.finish();
  EXPECT_EQ(config.memory_gib, 11.5);
  EXPECT_EQ(config.kwh_price, 0.4);
  EXPECT_EQ(config.currency, "CHF");
  EXPECT_EQ(BudgetConfig{}.memory_gib, std::nullopt);
}

TEST(EvalConfig, ReadsShareAndMetrics) {
  EvalConfig config = parse_eval("every: 0, metrics: [loss, f1]");
  EXPECT_EQ(config.every, 0.0);
  EXPECT_EQ(config.metrics, (std::vector<std::string>{"loss", "f1"}));
}

TEST(EvalConfig, RefusesAnUnknownMetric) {
  try {
    parse_eval("metrics: [loss, exact_macth]");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "R005");
    EXPECT_NE(std::string(error.what()).find("did you mean 'exact_match'?"), std::string::npos);
  }
  EXPECT_THROW(parse_eval("prompts: golden.jsonl"), UserError);
}

}  // namespace
}  // namespace slmtune::train
