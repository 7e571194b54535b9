// A model family: everything that the program must know about one architecture stands in one file
// of this folder (docs/adding_a_model.md).
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "models/config_reader.h"
#include "models/families/gguf_facts.h"
#include "models/model_config.h"

namespace slmtune::models {

class CausalLM;
struct LoadOptions;

// Rope types of transformers' generic models.
inline constexpr std::string_view kRopeTypes[] = {"default", "linear", "dynamic", "yarn", "llama3"};

struct Family {
  std::string_view architecture;  // config.json architectures[0]
  std::string_view model_type;
  // JSON: the values that transformers gives to keys which config.json leaves out.
  std::string_view defaults = {};
  std::span<const std::string_view> rope_types = kRopeTypes;
  bool has_partial_rotation = false;  // partial_rotary_factor below 1
  double initial_norm = 1.0;          // fresh norm weights
  bool has_output_norms = false;      // a norm behind each half of a layer
  // Reads family-specific keys into `config` (biases, windows); FileFormatError F051 for what is
  // not supported.
  void (*configure)(ModelConfig& config, const ConfigReader& keys) = nullptr;
  // A model whose parameters are placeholders on the meta device (shape and dtype, no memory) until
  // fill_model().
  std::unique_ptr<CausalLM> (*build)(const ModelConfig& config,
                                     const LoadOptions& options) = nullptr;
  GgufFacts gguf = {};  // without them the family is exported as a Hugging Face folder only
  // JSON: keys that a tiny model of the tests needs beside its sizes, so that the laws of
  // tests/conformance meet what is special here (a window shorter than the text, soft-caps on).
  std::string_view tiny_config = {};
};

std::span<const Family> families();
// nullptr when there is none of that architecture.
const Family* find_family(std::string_view architecture);

}  // namespace slmtune::models
