// One tokenised row as 32-bit words (little-endian), the same in memory, in the token cache and in
// the rows that are kept for replay:
//
//   word 0      CRC-32C of the words after it
//        1      number of words
//        2      number of tokens T
//        3      bits 0-7: flags, 8-15: mark, 16-31: number of field keys F
//        4      number: of the snapshot that was trained on a kept row; else 0
//        5-8    key by which a segment's index finds it
//        9-12   digest of ids, labels and mark: equal for equal rows
//        13-16  key of the row (data/row_keys.h), then those of its fields: 4 F words
//        …      T ids, then T bits in ceil(T / 32) words: 1 = the token is trained
//
// A line of a file that gives several rows (preference: chosen and rejected) is several records,
// one after the other; all but the last have kGoesOn.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/example.h"
#include "data/row_keys.h"

namespace slmtune::data {

inline constexpr uint32_t kGoesOn = 1;       // the next record is of the same line
inline constexpr uint32_t kLosesSystem = 2;  // the chat template does not show its system text
inline constexpr uint32_t kRecordFlags = 3;  // all there are

// What a record is made of besides its tokens.
struct RecordFacts {
  RowDigest key{};
  uint32_t flags = 0;
  uint32_t number = 0;
};

// A record in memory that is known to be whole. Borrows the words.
class Record {
 public:
  explicit Record(const uint32_t* words) : words_(words) {}

  std::span<const uint32_t> words() const { return {words_, words_[1]}; }
  uint32_t flags() const { return words_[3] & 0xff; }
  RowMark mark() const { return static_cast<RowMark>(words_[3] >> 8 & 0xff); }
  uint32_t number() const { return words_[4]; }
  const RowDigest& key() const { return digest_at(5); }
  const RowDigest& content() const { return digest_at(9); }
  const RowDigest& row_key() const { return digest_at(13); }
  std::span<const RowDigest> field_keys() const;
  std::span<const int32_t> ids() const;
  std::span<const uint32_t> mask() const;

 private:
  const RowDigest& digest_at(size_t word) const {
    return *reinterpret_cast<const RowDigest*>(words_ + word);
  }
  const uint32_t* words_;
};

// Appends the record of `tokens` to `words`.
void append_record(const Tokens& tokens, const RowKeys& keys, const RecordFacts& facts,
                   std::vector<uint32_t>& words);

// A copy of a record with another key and number.
std::vector<uint32_t> renumbered(const Record& record, const RowDigest& key, uint32_t number);

// The record at the start of `words`, or nothing: cut off, changed, or with an id that is not below
// `vocabulary`.
std::optional<Record> whole_record(std::span<const uint32_t> words, int32_t vocabulary);

}  // namespace slmtune::data
