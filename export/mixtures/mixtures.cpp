// The mixtures, one row each (llama.cpp: src/llama-quant.cpp, llama_ftype_get_default_type and
// llama_tensor_get_type_impl; numbers from include/llama.h).
#include "export/mixtures/mixture.h"

namespace slmtune::exporting {
namespace {

using enum TensorRole;
using enum RuleLayers;
using enum RuleCondition;

// The first matrices behind the gates go astray in these two when columns are weighted.
constexpr MixtureRule kQ4_0[] = {{kFfnDown, "q4_1", kFirstEighth, kWithImportance}};
constexpr MixtureRule kQ5_0[] = {{kFfnDown, "q5_1", kFirstEighth, kWithImportance}};
constexpr MixtureRule kIq4Nl[] = {{kAttentionV, "q5_k", kAll, kFourQueriesPerKey},
                                  {kFfnDown, "q5_k", kFirstEighth, kWithoutImportance}};
constexpr MixtureRule kQ2K[] = {{kAttentionV, "q4_k", kAll, kFourQueriesPerKey},
                                {kAttentionV, "q3_k"},
                                {kAttentionOutput, "q3_k"},
                                {kFfnDown, "q3_k"}};
constexpr MixtureRule kQ3KM[] = {{kAttentionV, "q5_k", kFirstTwo},
                                 {kAttentionV, "q4_k"},
                                 {kAttentionOutput, "q4_k"},
                                 {kFfnDown, "q5_k", kFirstSixteenth},
                                 {kFfnDown, "q4_k"}};
constexpr MixtureRule kQ3KL[] = {
    {kAttentionV, "q5_k"}, {kAttentionOutput, "q5_k"}, {kFfnDown, "q5_k"}};
constexpr MixtureRule kQ4KS[] = {{kAttentionV, "q5_k", kFirstFour},
                                 {kFfnDown, "q5_k", kFirstEighth}};
constexpr MixtureRule kMoreQ6K[] = {{kAttentionV, "q6_k", kMoreBits},
                                    {kFfnDown, "q6_k", kMoreBits}};

}  // namespace

std::span<const Mixture> mixtures() {
  static const Mixture table[] = {
      {"f32", 0, "f32", "f32"},
      {"f16", 1, "f16", "f16"},
      {"bf16", 32, "bf16", "bf16"},
      {"q8_0", 7, "q8_0", "q8_0"},
      {.name = "q4_0", .file_type = 2, .base = "q4_0", .rules = kQ4_0},
      {.name = "q4_1", .file_type = 3, .base = "q4_1"},
      {.name = "q5_0", .file_type = 8, .base = "q5_0", .rules = kQ5_0},
      {.name = "q5_1", .file_type = 9, .base = "q5_1"},
      {.name = "iq4_nl", .file_type = 25, .base = "iq4_nl", .rules = kIq4Nl},
      {.name = "q2_k", .file_type = 10, .base = "q2_k", .rules = kQ2K},
      {.name = "q3_k_s", .file_type = 11, .base = "q3_k"},
      {.name = "q3_k_m", .file_type = 12, .base = "q3_k", .rules = kQ3KM},
      {.name = "q3_k_l", .file_type = 13, .base = "q3_k", .rules = kQ3KL},
      {.name = "q4_k_s", .file_type = 14, .base = "q4_k", .rules = kQ4KS},
      {.name = "q4_k_m", .file_type = 15, .base = "q4_k", .rules = kMoreQ6K},
      {.name = "q5_k_s", .file_type = 16, .base = "q5_k"},
      {.name = "q5_k_m", .file_type = 17, .base = "q5_k", .rules = kMoreQ6K},
      {.name = "q6_k", .file_type = 18, .base = "q6_k"},
  };
  return table;
}

std::vector<std::string> mixture_names() {
  std::vector<std::string> names;
  for (const Mixture& mixture : mixtures()) names.emplace_back(mixture.name);
  return names;
}

const Mixture* find_mixture(std::string_view name) {
  for (const Mixture& mixture : mixtures())
    if (mixture.name == name) return &mixture;
  return nullptr;
}

}  // namespace slmtune::exporting
