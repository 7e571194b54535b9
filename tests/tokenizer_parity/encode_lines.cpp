// Program of tokenizer_test.py. Each line of stdin is a JSON string.
//   encode_lines FOLDER          answers {"ids", "text", "plain", "stream", "spans"} per line: ids,
//                                decoded with and without special tokens, decoded as a stream, and
//                                whether the text cut into spans gives the same ids
//   encode_lines FOLDER --bench  prints the seconds that encoding all lines took
#include <algorithm>
#include <cstring>
#include <iostream>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/unicode.h"

namespace {

using slmtune::Json;
using slmtune::data::StreamDecoder;
using slmtune::data::Tokenizer;

// Cuts at every `step`-th character whose neighbours NFC cannot join.
bool spans_agree(const Tokenizer& tokenizer, const std::string& text,
                 const std::vector<int32_t>& ids) {
  std::vector<std::string_view> spans;
  size_t begin = 0;
  for (size_t at = 0, number = 0; at < text.size(); ++number) {
    const auto point = slmtune::data::decode_utf8(text.data() + at);
    if (number % 5 == 4 && point.value < 0x300) {
      spans.push_back(std::string_view(text).substr(begin, at - begin));
      begin = at;
    }
    at += point.bytes;
  }
  spans.push_back(std::string_view(text).substr(begin));
  const auto encoding = tokenizer.encode_spans(spans);
  return encoding.ids == ids && encoding.span_of.size() == ids.size() &&
         std::is_sorted(encoding.span_of.begin(), encoding.span_of.end());
}

Json answer(const Tokenizer& tokenizer, const std::string& text) {
  const std::vector<int32_t> ids = tokenizer.encode(text);
  StreamDecoder decoder(tokenizer, false);
  std::string stream;
  for (int32_t id : ids) stream += decoder.push(id);
  stream += decoder.finish();
  return {{"ids", ids},
          {"text", tokenizer.decode(ids, false)},
          {"plain", tokenizer.decode(ids, true)},
          {"stream", stream},
          {"spans", spans_agree(tokenizer, text, ids)}};
}

}  // namespace

int main(int argc, char** argv) try {
  const Tokenizer tokenizer = Tokenizer::load(argc > 1 ? argv[1] : ".");
  const bool bench = argc > 2 && std::strcmp(argv[2], "--bench") == 0;
  std::vector<std::string> texts;
  for (std::string line; std::getline(std::cin, line);) {
    texts.push_back(Json::parse(line).get<std::string>());
    if (!bench) std::cout << answer(tokenizer, texts.back()).dump() << '\n';
  }
  if (bench) {
    const double start = slmtune::now_seconds();
    size_t tokens = 0;
    for (const std::string& text : texts) tokens += tokenizer.encode(text).size();
    std::cout << Json{{"seconds", slmtune::now_seconds() - start}, {"tokens", tokens}}.dump()
              << '\n';
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
