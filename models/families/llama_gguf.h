// How Llama, and Mistral, which is Llama without biases, look in GGUF.
#pragma once
#include "models/families/gguf_facts.h"

namespace slmtune::models {

GgufFacts llama_gguf_facts();

// What frequencies are divided by, one number per pair of channels, for llama3 scaling.
std::vector<float> llama3_divisors(const ModelConfig& config);

}  // namespace slmtune::models
