// Reads tokenizer.json: both engines, and every step of the pipeline that the supported families
// use.
#pragma once
#include "data/tokenizer/json_reader.h"

namespace slmtune::data {

class TokenizerJson : private JsonReader {
 public:
  explicit TokenizerJson(const std::filesystem::path& path) : JsonReader(path) {}
  TokenizerFile read();

 private:
  using Step = void (TokenizerJson::*)(const Object& step);

  void read_vocabulary(const Object& model);
  void read_added(const Object& root);
  void read_options(const Object& model);
  void read_byte_tokens();
  void read_merges(const Object& model);
  void add_merge(std::string_view left, std::string_view right);
  void read_post_processor(const Object& step);
  void rate_pieces();

  // tokenizer_json_text.cpp
  void read_normalizer(const Object& step);
  void read_replace(const Object& step);
  void read_pre_tokenizer(const Object& step);
  void read_split(const Object& step);
  void read_metaspace(const Object& step);
  void read_byte_level(const Object& step);
  void read_decoder(const Object& step);
  void read_fused_decoder(const Array& steps);
  void check_kind() const;
  std::string_view string_pattern(const Object& step) const;
  void for_each_step(const Object& step, const char* key, Step read_step);

  TokenizerFile file_;
  bool byte_fallback_ = false;
  bool has_pre_tokenizer_ = false;  // a step after which no other may come
  bool has_decoder_ = false;
};

}  // namespace slmtune::data
