#include "data/tokenizer/gguf_vocabulary.h"
#include "export/gguf/gguf_source.h"
#include "export/gguf/key_reader.h"
#include "export/gguf/phi3_name.h"

namespace slmtune::exporting {
namespace {

std::string pre_of(const KeyReader& keys) {
  if (const auto pre = keys.text_if("tokenizer.ggml.pre")) return *pre;
  // Old converters did not write it; of this architecture all models split alike.
  if (keys.text_if("general.architecture") == "qwen2") return "qwen2";
  keys.fail("tokenizer.ggml.pre", "is missing, which says how text is split");
}

}  // namespace

data::Tokenizer gguf_tokenizer(const GgufFile& file) {
  const KeyReader keys(file);
  data::GgufVocabulary stored;
  stored.path = file.path();
  stored.model = keys.text("tokenizer.ggml.model");
  if (stored.model == "gpt2") stored.pre = pre_of(keys);
  stored.tokens = keys.texts("tokenizer.ggml.tokens");
  if (stored.tokens.empty()) keys.fail("tokenizer.ggml.tokens", "is missing or empty");
  stored.types = keys.small_integers("tokenizer.ggml.token_type");
  stored.scores = keys.floats("tokenizer.ggml.scores");
  stored.merges = keys.texts("tokenizer.ggml.merges");
  const auto id = [&](const char* name) {
    return keys.integer("tokenizer.ggml." + std::string(name) + "_token_id");
  };
  stored.bos = id("bos");
  stored.eos = id("eos");
  stored.eot = id("eot");
  stored.eom = id("eom");
  stored.pad = id("padding");
  stored.unknown = id("unknown");
  stored.adds_bos = keys.flag("tokenizer.ggml.add_bos_token");
  stored.adds_space = keys.flag("tokenizer.ggml.add_space_prefix");
  stored.strips_right = bool(find_phi3(keys.text_if("general.name").value_or("")));
  return data::Tokenizer::from_gguf(stored);
}

std::string gguf_chat_template(const GgufFile& file) {
  return KeyReader(file).text_if("tokenizer.chat_template").value_or("");
}

}  // namespace slmtune::exporting
