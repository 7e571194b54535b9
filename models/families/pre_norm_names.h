// GGUF names of the tensors that the pre-norm families (Llama, Qwen2) share (formats.md §6.5).
#pragma once
#include <string_view>
#include <utility>
#include <vector>

namespace slmtune::models {

std::vector<std::pair<std::string_view, std::string_view>> pre_norm_gguf_names();

}  // namespace slmtune::models
