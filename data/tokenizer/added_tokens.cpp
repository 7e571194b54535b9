#include "data/tokenizer/added_tokens.h"

#include <algorithm>

#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

uint8_t kind_at(std::string_view text, size_t at) {
  return code_point_classes()[decode_utf8(text.data() + at).value];
}

bool ends_in_word(std::string_view text) {
  return !text.empty() && (kind_at(text, previous_character(text, text.size())) & kWord);
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && (kind_at(text, 0) & kWord);
}

// Begin of the whitespace that ends at `end`, not before `limit`.
size_t space_before(std::string_view text, size_t end, size_t limit) {
  while (end > limit) {
    const size_t previous = previous_character(text, end);
    if (previous < limit || !(kind_at(text, previous) & kSpace)) break;
    end = previous;
  }
  return end;
}

size_t space_after(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint point = decode_utf8(text.data() + at);
    if (!(code_point_classes()[point.value] & kSpace)) break;
    at += point.bytes;
  }
  return at;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher() : nodes_(1) {}

void AddedTokenMatcher::add(std::string_view pattern, const AddedToken& token) {
  if (pattern.empty()) return;
  uint32_t node = 0;
  for (char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    auto& children = nodes_[node].children;
    auto found = std::find_if(children.begin(), children.end(),
                              [&](auto& child) { return child.first == byte; });
    if (found != children.end()) {
      node = found->second;
      continue;
    }
    const auto created = static_cast<uint32_t>(nodes_.size());
    children.emplace_back(byte, created);
    nodes_.emplace_back();
    node = created;
  }
  const auto first = static_cast<unsigned char>(pattern[0]);
  if (!starts_[first]) first_bytes_.push_back(pattern[0]);
  starts_[first] = true;
  if (nodes_[node].token >= 0) return;
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back({token.id, token.single_word, token.lstrip, token.rstrip});
}

size_t AddedTokenMatcher::next_start(std::string_view text, size_t at) const {
  if (first_bytes_.size() == 1) return std::min(text.find(first_bytes_[0], at), text.size());
  while (at < text.size() && !starts_[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

std::pair<int32_t, size_t> AddedTokenMatcher::longest(std::string_view text, size_t at) const {
  std::pair<int32_t, size_t> best{-1, 0};
  uint32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const auto& children = nodes_[node].children;
    const auto byte = static_cast<unsigned char>(text[i]);
    auto found = std::find_if(children.begin(), children.end(),
                              [&](auto& child) { return child.first == byte; });
    if (found == children.end()) break;
    node = found->second;
    if (nodes_[node].token >= 0) best = {nodes_[node].token, i + 1 - at};
  }
  return best;
}

void AddedTokenMatcher::split(std::string_view text, std::vector<Part>& parts) const {
  parts.clear();
  size_t done = 0;  // end of the last part
  for (size_t at = next_start(text, 0); at < text.size(); at = next_start(text, at)) {
    const auto [index, length] = longest(text, at);
    if (length == 0) {
      ++at;
      continue;
    }
    const Flags& token = tokens_[static_cast<size_t>(index)];
    const size_t token_begin = at;
    size_t begin = at, end = at + length;
    at = end;
    if (token.single_word &&
        (ends_in_word(text.substr(0, begin)) || starts_with_word(text.substr(end))))
      continue;
    if (token.lstrip) begin = std::max(space_before(text, begin, 0), done);
    if (token.rstrip) end = space_after(text, end);
    if (done < begin) parts.push_back({done, begin, done, -1});
    parts.push_back({begin, end, token_begin, token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), done, -1});
}

}  // namespace slmtune::data
