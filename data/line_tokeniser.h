// Lines of a file → records of their rows (data/row_record.h), on all cores: found in the token
// cache, or parsed and tokenised.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/row_parser.h"
#include "data/token_cache.h"

namespace slmtune::data {

struct Line {
  std::string_view text;
  int64_t number = 0;
};

struct TokenisedLine {
  std::optional<TokenCache::Hit> hit;  // it was in the cache
  std::vector<uint32_t> words;         // else the records, one after the other
  std::vector<Diagnostic> bad;         // why the line cannot be used: no records then
  bool is_unreadable = false;          // `bad` is about the line itself, not about its tokens
  std::exception_ptr model_fault;      // the model folder is at fault: no records, no `bad`

  std::vector<Record> records() const;
};

class LineTokeniser {
 public:
  // `format` is that of a format, or "auto"; `cache` may be null. The arguments must outlive this.
  LineTokeniser(const std::string& format, const Tokenizer& tokenizer, const ChatTemplate* chat,
                TokenCache* cache);
  ~LineTokeniser();

  // One result per line, in their order. With `only_parse` lines are checked, not tokenised.
  std::vector<TokenisedLine> run(std::span<const Line> lines, bool only_parse);

 private:
  struct Batch;
  void work(size_t worker, Batch& batch);
  void tokenise_line(size_t worker, std::string_view text, bool only_parse, TokenisedLine& result);
  void add_records(const Example& example, const simdjson::dom::object& row, const RowDigest& key,
                   TokenisedLine& result) const;

  const std::string& format_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  TokenCache* cache_;
  std::vector<std::unique_ptr<RowParser>> parsers_;  // one per worker
};

}  // namespace slmtune::data
