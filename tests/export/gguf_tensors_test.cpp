#include "export/gguf/gguf_tensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "core/error.h"
#include "export/mixtures/mixture.h"
#include "models/families/family.h"
#include "models/families/llama_gguf.h"
#include "tests/export/tiny_parts.h"

namespace slmtune::exporting {
namespace {

using Vector = std::vector<double>;

const models::GgufFacts& facts(const TinyParts& tiny) {
  return models::find_family(tiny.parts.config.architecture)->gguf;
}

Vector random_vector(size_t size, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  Vector values(size);
  for (double& value : values) value = uniform(generator);
  return values;
}

// Rotates channel pairs of each head at `position`: (i, i + width/2) in Hugging Face's layout, (2i,
// 2i + 1) in GGUF's.
Vector rotated(const Vector& x, int64_t heads, double position, bool adjacent) {
  const size_t width = x.size() / static_cast<size_t>(heads), half = width / 2;
  Vector y(x.size());
  for (size_t start = 0; start < x.size(); start += width) {
    for (size_t i = 0; i < half; ++i) {
      const size_t a = start + (adjacent ? 2 * i : i), b = adjacent ? a + 1 : a + half;
      const double angle =
          position * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(width));
      y[a] = x[a] * std::cos(angle) - x[b] * std::sin(angle);
      y[b] = x[b] * std::cos(angle) + x[a] * std::sin(angle);
    }
  }
  return y;
}

Vector reordered(const Vector& x, int64_t heads) {
  Vector y(x.size());
  for (size_t row = 0; row < x.size(); ++row)
    y[row] = x[static_cast<size_t>(
        source_row(static_cast<int64_t>(row), static_cast<int64_t>(x.size()), heads))];
  return y;
}

TEST(SourceRow, IsAPermutation) {
  std::set<int64_t> rows;
  for (int64_t row = 0; row < 96; ++row) rows.insert(source_row(row, 96, 3));
  EXPECT_EQ(rows.size(), 96u);
  EXPECT_EQ(*rows.rbegin(), 95);
}

TEST(SourceRow, RotatedDotProductsAreEqualInBothLayouts) {
  const int64_t heads = 4;
  const Vector query = random_vector(64, 1), key = random_vector(64, 2);
  for (double distance : {0.0, 1.0, 17.0, 900.0}) {
    const Vector half_q = rotated(query, heads, distance, false);
    const Vector half_k = rotated(key, heads, 0, false);
    const Vector pair_q = rotated(reordered(query, heads), heads, distance, true);
    const Vector pair_k = rotated(reordered(key, heads), heads, 0, true);
    for (size_t start = 0; start < 64; start += 16) {
      double half = 0, pair = 0;
      for (size_t i = start; i < start + 16; ++i) {
        half += half_q[i] * half_k[i];
        pair += pair_q[i] * pair_k[i];
      }
      EXPECT_NEAR(half, pair, 1e-12);
    }
  }
}

TEST(Llama3Divisors, FollowTheThreeRangesOfLlama3) {
  models::ModelConfig config;
  config.head_dim = 64;
  config.rope_theta = 500000;
  config.rope = {"llama3", 32.0, 1.0, 4.0, 8192};
  const std::vector<float> factors = models::llama3_divisors(config);
  ASSERT_EQ(factors.size(), 32u);
  EXPECT_EQ(factors.front(), 1.0f);
  EXPECT_EQ(factors.back(), 32.0f);
  EXPECT_TRUE(std::is_sorted(factors.begin(), factors.end()));
  // i = 15: wavelength 2π·500000^(30/64) = 2956, between 8192/4 and 8192.
  const double wavelength = 2 * M_PI * std::pow(500000.0, 30.0 / 64.0);
  const double smooth = (8192 / wavelength - 1) / 3;
  EXPECT_NEAR(factors[15], 1 / ((1 - smooth) / 32 + smooth), 1e-5);
}

TEST(PlanTensors, NamesEveryTensorOfAFamily) {
  for (const models::Family& family : models::families()) {
    const TinyParts tiny(family.architecture, {.tied = false});
    const auto plan = plan_tensors(tiny.parts, family.gguf, *find_mixture("f16"));
    std::set<std::string> names;
    for (const PlannedTensor& planned : plan) names.insert(planned.name);
    EXPECT_EQ(names.size(), tiny.parts.tensors.size()) << family.architecture;
    EXPECT_TRUE(names.count("blk.1.ffn_down.weight"));
  }
}

TEST(PlanTensors, OnlyNormsOfGemmaGrowByOne) {
  for (const models::Family& family : models::families()) {
    const TinyParts tiny(family.architecture);
    for (const PlannedTensor& planned :
         plan_tensors(tiny.parts, family.gguf, *find_mixture("q8_0"))) {
      const bool grows =
          family.model_type == "gemma2" && planned.name.find("_norm.weight") != std::string::npos;
      EXPECT_EQ(planned.added, grows ? 1.0f : 0.0f) << planned.name;
    }
  }
}

TEST(PlanTensors, LeavesOutTheHeadOfATiedModelAndBuffers) {
  TinyParts tiny("LlamaForCausalLM", {.tied = true});
  tiny.add("lm_head.weight", {tiny.rows, 64});
  tiny.add("model.layers.0.self_attn.rotary_emb.inv_freq", {8});
  for (const PlannedTensor& planned : plan_tensors(tiny.parts, facts(tiny), *find_mixture("f16"))) {
    EXPECT_NE(planned.name, "output.weight");
    EXPECT_EQ(planned.name.find("inv_freq"), std::string::npos);
  }
}

TEST(PlanTensors, VectorsStayF32AndMatricesTakeTheEncoding) {
  const TinyParts tiny("Qwen2ForCausalLM", {.tied = true});
  for (const PlannedTensor& planned :
       plan_tensors(tiny.parts, facts(tiny), *find_mixture("q8_0"))) {
    const bool matrix = planned.source.shape.size() == 2;
    EXPECT_EQ(planned.encoding->name, matrix ? "q8_0" : "f32") << planned.name;
  }
}

TEST(PlanTensors, RowsThatDoNotDivideIntoBlocksFallBackToF16) {
  const TinyParts tiny("Qwen2ForCausalLM", {.tied = true, .intermediate = 80});
  for (const PlannedTensor& planned :
       plan_tensors(tiny.parts, facts(tiny), *find_mixture("q8_0"))) {
    const bool down = planned.name.find("ffn_down") != std::string::npos;
    EXPECT_EQ(planned.fell_back, down) << planned.name;
    if (planned.fell_back) {
      EXPECT_EQ(planned.encoding->name, "f16");
    }
  }
}

TEST(PlanTensors, OnlyQueriesAndKeysOfArchitectureLlamaAreReordered) {
  for (const models::Family& family : models::families()) {
    const TinyParts tiny(family.architecture);
    const bool is_llama = family.gguf.architecture == "llama";
    for (const PlannedTensor& planned :
         plan_tensors(tiny.parts, family.gguf, *find_mixture("f16"))) {
      const bool q = planned.name.find("attn_q.") != std::string::npos;
      const bool k = planned.name.find("attn_k.") != std::string::npos;
      EXPECT_EQ(planned.reordered_heads, !is_llama ? 0 : q ? 4 : k ? 2 : 0) << planned.name;
    }
  }
}

void expect_plan_error(const TinyParts& tiny, const std::string& code, const std::string& part) {
  try {
    plan_tensors(tiny.parts, facts(tiny), *find_mixture("f16"));
    FAIL() << "expected " << code;
  } catch (const FileFormatError& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(PlanTensors, AMissingTensorIsNamed) {
  TinyParts tiny("LlamaForCausalLM", {});
  std::erase_if(tiny.parts.tensors, [](const TensorSource& tensor) {
    return tensor.name == "model.layers.1.mlp.up_proj.weight";
  });
  expect_plan_error(tiny, "F013", "model.layers.1.mlp.up_proj.weight");
}

TEST(PlanTensors, ATensorWithoutAGgufNameIsRefused) {
  TinyParts tiny("LlamaForCausalLM", {});
  tiny.add("model.vision_tower.weight", {4, 4});
  expect_plan_error(tiny, "F094", "model.vision_tower.weight");
}

TEST(PlanTensors, WholeNumbersAsWeightsAreRefused) {
  TinyParts tiny("LlamaForCausalLM", {});
  tiny.parts.tensors.front().dtype = DType::kI32;
  expect_plan_error(tiny, "F094", "I32");
}

}  // namespace
}  // namespace slmtune::exporting
