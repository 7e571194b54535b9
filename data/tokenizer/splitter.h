// Cuts text into the pieces that BPE works on, by hand-written scanners for the known split
// regexes.
//
//   for (size_t at = 0; at < text.size();) { size_t end = splitter.end_of_piece(text, at); …; at =
//   end; }
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace slmtune::data {

// kWhole: no split. kGpt2: ByteLevel's own regex. kCl100k: Llama 3 and Phi-4, numbers in threes.
// kQwen2: the same, single digits. kO200k: GPT-4o and Phi-4-mini, words also end where upper case
// follows lower case. kTekken: Mistral, the same, single digits, contractions not kept together.
enum class SplitRule { kWhole, kGpt2, kCl100k, kQwen2, kO200k, kTekken };

// The rule of a Split regex; nothing when the regex is unknown (then no ids could be trusted).
std::optional<SplitRule> split_rule_of(std::string_view regex);

class Splitter {
 public:
  explicit Splitter(SplitRule rule);

  // End of the piece that begins at `at`. Preconditions: `text` is well-formed UTF-8, at <
  // text.size().
  size_t end_of_piece(std::string_view text, size_t at) const;

 private:
  struct Here;
  Here look(std::string_view text, size_t at) const;
  size_t skip(std::string_view text, size_t at, uint8_t wanted) const;
  size_t skip_other(std::string_view text, size_t at) const;
  size_t cl100k(std::string_view text, size_t at) const;
  size_t gpt2(std::string_view text, size_t at) const;
  size_t cased(std::string_view text, size_t at) const;
  size_t cased_word(std::string_view text, size_t at, const Here& here) const;
  size_t ending_in_lower(std::string_view text, size_t at) const;
  size_t numbers(std::string_view text, size_t at) const;
  size_t spaces(std::string_view text, size_t at, bool by_newline) const;

  SplitRule rule_;
  const uint8_t* classes_;
};

}  // namespace slmtune::data
