// The words of `encoding:` and --encoding, and which encoding each tensor of a file gets under one
// of them: llama.cpp's rules per tensor (src/llama-quant.cpp, llama_tensor_get_type), as one table
// of rules per mixture in mixtures.cpp.
//
//   const Mixture* mixture = find_mixture("q4_k_m");
//   const StoredAs stored = encoding_of(*mixture, {"blk.0.attn_v.weight", 2, 2048, model});
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "export/encodings/encoding.h"

namespace slmtune::exporting {

// What the rules tell apart; the other matrices of a layer always get the mixture's own encoding.
enum class TensorRole { kVector, kOutput, kAttentionV, kAttentionOutput, kFfnDown, kOther };

// Layers that a rule is for, of n. kMoreBits: the first and the last eighth, and every third of
// those between.
enum class RuleLayers { kAll, kFirstTwo, kFirstFour, kFirstSixteenth, kFirstEighth, kMoreBits };

// kFourQueriesPerKey: at least four query heads share a key head.
enum class RuleCondition { kAlways, kFourQueriesPerKey, kWithImportance, kWithoutImportance };

struct MixtureRule {
  TensorRole role;
  std::string_view encoding;
  RuleLayers layers = RuleLayers::kAll;
  RuleCondition condition = RuleCondition::kAlways;
};

struct Mixture {
  std::string_view name;                    // recipe word
  uint32_t file_type;                       // general.file_type (llama.h, llama_ftype)
  std::string_view base;                    // encoding of matrices that no rule is for
  std::string_view output = "q6_k";         // of the head, or of the embedding that is the head
  std::span<const MixtureRule> rules = {};  // the first that fits counts
};

// What the rules ask of the whole model.
struct MixtureModel {
  std::string_view architecture;  // GGUF's: "llama", "qwen2"
  int64_t layers = 0, heads = 0, kv_heads = 0;
  bool has_output = false;      // the file has a head of its own, "output.weight"
  bool has_importance = false;  // an importance matrix is used
};

struct TensorPlace {
  std::string_view name;   // in GGUF
  int64_t dimensions = 2;  // 1: a vector, always float32
  int64_t columns = 0;     // elements of a row
  MixtureModel model;
};

struct StoredAs {
  const Encoding* encoding = nullptr;
  bool fell_back = false;  // because the rows do not divide into the blocks of the wanted one
};

std::span<const Mixture> mixtures();
std::vector<std::string> mixture_names();
// nullptr when there is none.
const Mixture* find_mixture(std::string_view name);

TensorRole role_of(std::string_view gguf_name, int64_t dimensions);
StoredAs encoding_of(const Mixture& mixture, const TensorPlace& place);

}  // namespace slmtune::exporting
