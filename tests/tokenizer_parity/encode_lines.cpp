// Program of tokenizer_test.py. Each line of stdin is a JSON string.
//   encode_lines FOLDER          answers {"ids", "text", "plain", "stream", "spans"} per line: ids,
//                                decoded with and (where that differs) without special tokens,
//                                whether a stream gives the same text, and whether the text cut
//                                into spans gives the same ids
//   encode_lines FOLDER --decode the lines are lists of ids: answers {"text", "plain", "stream"}
//   encode_lines FOLDER --bench  prints the least seconds of three times encoding all lines
#include <algorithm>
#include <iostream>
#include <string_view>

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

Json decoded(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  StreamDecoder decoder(tokenizer, false);
  std::string stream;
  for (int32_t id : ids) stream += decoder.push(id);
  stream += decoder.finish();
  const std::string text = tokenizer.decode(ids, false), plain = tokenizer.decode(ids, true);
  Json result = {{"text", text}, {"stream", stream == text}};
  if (plain != text) result["plain"] = plain;
  return result;
}

Json answer(const Tokenizer& tokenizer, const Json& line, bool decodes) {
  if (decodes) return decoded(tokenizer, line.get<std::vector<int32_t>>());
  const auto text = line.get<std::string>();
  const std::vector<int32_t> ids = tokenizer.encode(text);
  Json result = decoded(tokenizer, ids);
  result["ids"] = ids;
  result["spans"] = spans_agree(tokenizer, text, ids);
  return result;
}

Json bench(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  double least = 1e9;
  size_t tokens = 0;
  for (int round = 0; round < 3; ++round) {
    tokens = 0;
    const double start = slmtune::now_seconds();
    for (const std::string& text : texts) tokens += tokenizer.encode(text).size();
    least = std::min(least, slmtune::now_seconds() - start);
  }
  return {{"seconds", least}, {"tokens", tokens}};
}

}  // namespace

int main(int argc, char** argv) try {
  const Tokenizer tokenizer = Tokenizer::load(argc > 1 ? argv[1] : ".");
  const std::string_view mode = argc > 2 ? argv[2] : "";
  std::vector<std::string> texts;
  for (std::string line; std::getline(std::cin, line);) {
    const Json json = Json::parse(line);
    if (mode == "--bench")
      texts.push_back(json.get<std::string>());
    else
      std::cout << answer(tokenizer, json, mode == "--decode").dump() << '\n';
  }
  if (mode == "--bench") std::cout << bench(tokenizer, texts).dump() << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
