#include "data/tokenizer/text_rules.h"

#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

// `text` with ' ' written as '▁'.
void append_marked(std::string& out, std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t space = std::min(text.find(' ', at), text.size());
    out.append(text, at, space - at);
    if (space < text.size()) out += kSpaceMark;
    at = space + 1;
  }
}

// The same, and of several blanks only one; none where `after_space` is true at first.
void append_squeezed(std::string& out, std::string_view text, bool& after_space) {
  for (char c : text) {
    if (c != ' ')
      out += c;
    else if (!after_space)
      out += kSpaceMark;
    after_space = c == ' ';
  }
}

// Calls `append(part)` with the text of each span and notes where it went. The first span also owns
// what stands before it.
template <typename Append>
void for_each_span(std::string_view text, std::span<const SpanStart> starts, MappedText& out,
                   Append append) {
  if (starts.empty()) return append(text);
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t end = i + 1 < starts.size() ? starts[i + 1].begin : text.size();
    out.starts.push_back({i == 0 ? 0 : out.text.size(), starts[i].span});
    append(text.substr(starts[i].begin, end - starts[i].begin));
  }
}

}  // namespace

bool TextRules::keeps(std::string_view text) const {
  return prefix.empty() && !mark_spaces && !squeeze_spaces && (!nfc || is_nfc(text));
}

MappedText TextRules::normalise(std::string_view text, std::span<const SpanStart> starts,
                                bool is_first) const {
  MappedText out;
  out.text.reserve(text.size() + text.size() / 2 + prefix.size());
  if (!text.empty() && (is_first || !prefix_only_first)) out.text = prefix;
  const size_t prefix_size = out.text.size();
  bool after_space = true;
  for_each_span(text, starts, out, [&](std::string_view part) {
    const std::string composed = nfc ? to_nfc(part) : std::string();
    if (nfc) part = composed;
    if (squeeze_spaces)
      append_squeezed(out.text, part, after_space);
    else if (mark_spaces)
      append_marked(out.text, part);
    else
      out.text += part;
  });
  if (!squeeze_spaces) return out;
  while (out.text.size() > prefix_size && out.text.ends_with(kSpaceMark))
    out.text.resize(out.text.size() - kSpaceMark.size());
  if (out.text.size() == prefix_size) out.text.clear();
  return out;
}

MappedText TextRules::mark(std::string_view text, std::span<const SpanStart> starts,
                           bool is_first) const {
  MappedText out;
  out.text.reserve(text.size() + text.size() / 2 + kSpaceMark.size());
  const bool has_mark = text.starts_with(' ') || text.starts_with(kSpaceMark);
  const bool wants_mark =
      metaspace == Metaspace::kAlways || (metaspace == Metaspace::kFirst && is_first);
  if (wants_mark && !has_mark) out.text = kSpaceMark;
  for_each_span(text, starts, out, [&](std::string_view part) { append_marked(out.text, part); });
  return out;
}

}  // namespace slmtune::data
