#include "data/chat/jinja_facts.h"

#include <algorithm>
#include <cctype>

namespace slmtune::data {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

std::string_view without_front(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

std::string_view without_back(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

// Plain text between two tags after trim_blocks, lstrip_blocks and the '-' marks.
std::string_view trimmed(std::string_view text, bool after_block, bool after_dash,
                         std::string_view next_tag) {
  if (after_dash)
    text = without_front(text);
  else if (after_block && !text.empty() && text.front() == '\n')
    text.remove_prefix(1);
  if (next_tag.size() > 2 && next_tag[2] == '-') return without_back(text);
  if (next_tag.starts_with("{%") || next_tag.starts_with("{#")) {
    const size_t line = text.rfind('\n') + 1;  // npos + 1 = 0
    if (text.find_first_not_of(" \t", line) == std::string_view::npos) text = text.substr(0, line);
  }
  return text;
}

// Reads the literal whose quote stands at `at`; leaves `at` behind its end.
std::string read_literal(std::string_view tag, size_t& at) {
  const char quote = tag[at++];
  std::string literal;
  for (; at < tag.size() && tag[at] != quote; ++at) {
    if (tag[at] != '\\' || at + 1 == tag.size()) {
      literal += tag[at];
      continue;
    }
    const char escaped = tag[++at];
    literal += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
  }
  ++at;
  return literal;
}

// Names and literals of one tag's inside.
void read_tag(std::string_view tag, bool expression, JinjaFacts& facts) {
  bool prints = expression;
  char before = '\0';  // last character that is not blank
  for (size_t at = 0; at < tag.size();) {
    const char c = tag[at];
    if (c == '\'' || c == '"') {
      const std::string literal = read_literal(tag, at);
      facts.literals += literal + '\n';
      if (prints && before != '[') facts.emitted += literal;
      before = c;
    } else if (std::isalpha(static_cast<unsigned char>(c)) || c == '_') {
      const size_t begin = at;
      while (at < tag.size() &&
             (std::isalnum(static_cast<unsigned char>(tag[at])) || tag[at] == '_'))
        ++at;
      const std::string word(tag.substr(begin, at - begin));
      if (word == "set") prints = true;
      if (word == "raise_exception") prints = false;
      facts.words.insert(word);
      before = 'a';
    } else {
      if (kBlank.find(c) == std::string_view::npos) before = c;
      ++at;
    }
  }
}

// End of the tag that opens at `at` (behind "}}", "%}" or "#}"), not fooled by quotes; npos if it
// never ends.
size_t end_of_tag(std::string_view jinja, size_t at) {
  const char mark = jinja[at + 1] == '{' ? '}' : jinja[at + 1];
  char quote = '\0';
  for (size_t i = at + 2; i + 1 < jinja.size(); ++i) {
    const char c = jinja[i];
    if (quote != '\0') {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = '\0';
    } else if (mark != '#' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == mark && jinja[i + 1] == '}') {
      return i + 2;
    }
  }
  return std::string_view::npos;
}

// Where the next tag opens at or behind `from`; npos if none does.
size_t next_tag(std::string_view jinja, size_t from) {
  for (size_t at = jinja.find('{', from); at != std::string_view::npos;
       at = jinja.find('{', at + 1))
    if (at + 1 < jinja.size() &&
        std::string_view("{%#").find(jinja[at + 1]) != std::string_view::npos)
      return at;
  return std::string_view::npos;
}

}  // namespace

JinjaFacts JinjaFacts::read(std::string_view jinja) {
  JinjaFacts facts;
  bool after_block = false, after_dash = false;
  size_t done = 0;
  for (;;) {
    const size_t at = next_tag(jinja, done);
    const std::string_view next =
        at == std::string_view::npos ? std::string_view() : jinja.substr(at);
    facts.emitted += trimmed(jinja.substr(done, next.empty() ? next.npos : at - done), after_block,
                             after_dash, next);
    if (next.empty()) return facts;
    const size_t end = end_of_tag(jinja, at);
    if (end == std::string_view::npos) return facts;
    if (next[1] != '#') read_tag(jinja.substr(at + 2, end - at - 4), next[1] == '{', facts);
    after_block = next[1] != '{';
    after_dash = jinja[end - 3] == '-' && end - 3 > at + 1;
    done = end;
  }
}

}  // namespace slmtune::data
