// A GGUF model of a few kilobytes, as another program would write it, to be changed key by key.
//
//   SmallGguf small;
//   small.set("llama.block_count", uint32_t{2});
//   EXPECT_TRUE(raises("F013", {"blk.1"}, [&] { GgufSource::open(small.write(folder)); }));
#pragma once
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "core/shape.h"
#include "export/gguf/ggml_types.h"
#include "export/gguf/gguf.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {

// Llama: 2 heads, one for keys, ffn twice as wide, one layer, 6 tokens, tied, float32.
class SmallGguf {
 public:
  explicit SmallGguf(int64_t hidden = 8) {
    using Texts = std::vector<std::string>;
    metadata_ = {{"general.architecture", std::string("llama")},
                 {"llama.context_length", uint32_t{32}},
                 {"llama.embedding_length", static_cast<uint32_t>(hidden)},
                 {"llama.block_count", uint32_t{1}},
                 {"llama.feed_forward_length", static_cast<uint32_t>(2 * hidden)},
                 {"llama.attention.head_count", uint32_t{2}},
                 {"llama.attention.head_count_kv", uint32_t{1}},
                 {"llama.attention.layer_norm_rms_epsilon", 1e-5f},
                 {"tokenizer.ggml.model", std::string("gpt2")},
                 {"tokenizer.ggml.pre", std::string("llama-bpe")},
                 {"tokenizer.ggml.tokens", Texts{"a", "b", "c", "ab", "<|eot_id|>", "\u0120"}},
                 {"tokenizer.ggml.merges", Texts{"a b"}},
                 {"tokenizer.ggml.eos_token_id", uint32_t{4}}};
    for (const auto& [name, shape] : std::vector<std::pair<std::string, std::vector<int64_t>>>{
             {"token_embd.weight", {6, hidden}},
             {"output_norm.weight", {hidden}},
             {"blk.0.attn_norm.weight", {hidden}},
             {"blk.0.attn_q.weight", {hidden, hidden}},
             {"blk.0.attn_k.weight", {hidden / 2, hidden}},
             {"blk.0.attn_v.weight", {hidden / 2, hidden}},
             {"blk.0.attn_output.weight", {hidden, hidden}},
             {"blk.0.ffn_norm.weight", {hidden}},
             {"blk.0.ffn_gate.weight", {2 * hidden, hidden}},
             {"blk.0.ffn_up.weight", {2 * hidden, hidden}},
             {"blk.0.ffn_down.weight", {hidden, 2 * hidden}}})
      add(name, shape);
  }

  void set(const std::string& key, GgufValue value) {
    for (auto& [name, held] : metadata_)
      if (name == key) {
        held = std::move(value);
        return;
      }
    metadata_.emplace_back(key, std::move(value));
  }
  void remove(const std::string& key) {
    std::erase_if(metadata_, [&](const auto& entry) { return entry.first == key; });
  }

  // Element i holds (i % 7 + 1) / 4 in F32; bytes of another type are 0.
  void add(const std::string& name, std::vector<int64_t> shape, uint32_t type = 0) {
    std::vector<float> values(static_cast<size_t>(shape_elements(shape)));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7 + 1) / 4.0f;
    add_values(name, std::move(shape), std::move(values), type);
  }
  void add_values(const std::string& name, std::vector<int64_t> shape, std::vector<float> values,
                  uint32_t type = 0) {
    const GgmlType& stored = *find_ggml_type(type);
    const uint64_t bytes = values.size() / static_cast<uint64_t>(stored.block) *
                           static_cast<uint64_t>(stored.block_bytes);
    tensors_.push_back({{name, std::move(shape), type, bytes}, [=](const auto& write) {
                          std::vector<std::byte> all(bytes);
                          if (type == 0) std::memcpy(all.data(), values.data(), bytes);
                          write(all);
                        }});
  }
  void drop(const std::string& name) {
    std::erase_if(tensors_, [&](const auto& source) { return source.tensor.name == name; });
  }

  std::filesystem::path write(const testing::TempFolder& folder) const {
    const std::filesystem::path path = folder.path() / "a.gguf";
    write_gguf(path, metadata_, tensors_);
    return path;
  }

 private:
  GgufMetadata metadata_;
  std::vector<GgufTensorSource> tensors_;
};

}  // namespace slmtune::exporting
