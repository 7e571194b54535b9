// Added tokens in text: leftmost, and of those the longest, with the flags single_word, lstrip and
// rstrip.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slmtune::data {

struct AddedToken;

class AddedTokenMatcher {
 public:
  struct Part {
    size_t begin, end;  // for a token with the whitespace that it swallows
    size_t token;       // where the token's own text begins
    int32_t id;         // -1: plain text
  };

  AddedTokenMatcher();

  // `pattern` is what stands in the text: the token's text, normalised where the token asks for it.
  void add(std::string_view pattern, const AddedToken& token);

  // Cuts `text` (well-formed UTF-8) into tokens and the text between them, in order; replaces
  // `parts`.
  void split(std::string_view text, std::vector<Part>& parts) const;

 private:
  struct Node {
    std::vector<std::pair<unsigned char, uint32_t>> children;
    int32_t token = -1;  // index into tokens_
  };
  struct Flags {
    int32_t id;
    bool single_word, lstrip, rstrip;
  };
  size_t next_start(std::string_view text, size_t at) const;
  // Token index and length of the longest pattern at `at`; length 0 if none.
  std::pair<int32_t, size_t> longest(std::string_view text, size_t at) const;

  std::vector<Node> nodes_;
  std::vector<Flags> tokens_;
  std::array<bool, 256> starts_{};
  std::string first_bytes_;
};

}  // namespace slmtune::data
