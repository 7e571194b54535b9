#include "data/row_record.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/crc32c.h"

namespace slmtune::data {
namespace {

static_assert(std::endian::native == std::endian::little, "files are mapped as they are");

constexpr size_t kHead = 17;  // words in front of the field keys
constexpr size_t kDigestWords = 4;
constexpr uint32_t kMaxTokens = 1u << 28, kMaxFields = 1u << 12;

std::string_view bytes_of(std::span<const uint32_t> words) {
  return {reinterpret_cast<const char*>(words.data()), words.size_bytes()};
}

size_t mask_words(size_t tokens) {
  return (tokens + 31) / 32;
}

size_t words_of(uint32_t tokens, uint32_t fields) {
  return kHead + size_t{fields} * kDigestWords + tokens + mask_words(tokens);
}

void put_digest(const RowDigest& digest, uint32_t* to) {
  std::memcpy(to, digest.data(), digest.size());
}

void seal(std::span<uint32_t> record) {
  record[0] = crc32c(bytes_of(record.subspan(1)));
}

}  // namespace

std::span<const RowDigest> Record::field_keys() const {
  return {&digest_at(kHead), words_[3] >> 16};
}

std::span<const int32_t> Record::ids() const {
  const uint32_t* first = words_ + kHead + size_t{words_[3] >> 16} * kDigestWords;
  return {reinterpret_cast<const int32_t*>(first), words_[2]};
}

std::span<const uint32_t> Record::mask() const {
  return {reinterpret_cast<const uint32_t*>(ids().data()) + words_[2], mask_words(words_[2])};
}

void append_record(const Tokens& tokens, const RowKeys& keys, const RecordFacts& facts,
                   std::vector<uint32_t>& words) {
  const auto count = static_cast<uint32_t>(tokens.ids.size());
  const auto fields = static_cast<uint32_t>(keys.fields.size());
  const size_t begin = words.size(), size = words_of(count, fields);
  words.resize(begin + size);
  const std::span<uint32_t> record(words.data() + begin, size);
  record[1] = static_cast<uint32_t>(size);
  record[2] = count;
  record[3] = facts.flags | static_cast<uint32_t>(tokens.mark) << 8 | fields << 16;
  record[4] = facts.number;
  put_digest(facts.key, &record[5]);
  put_digest(keys.row, &record[13]);
  for (size_t i = 0; i < fields; ++i) put_digest(keys.fields[i], &record[kHead + i * kDigestWords]);
  const std::span<uint32_t> content = record.subspan(kHead + size_t{fields} * kDigestWords);
  std::copy(tokens.ids.begin(), tokens.ids.end(), content.begin());
  const std::span<uint32_t> mask = content.subspan(count);
  for (size_t i = 0; i < count; ++i)
    if (tokens.labels[i] != kNotTrained) mask[i / 32] |= 1u << (i % 32);
  const std::string mark(1, static_cast<char>(tokens.mark));
  put_digest(digest_of(mark + std::string(bytes_of(content))), &record[9]);
  seal(record);
}

std::vector<uint32_t> renumbered(const Record& record, const RowDigest& key, uint32_t number) {
  std::vector<uint32_t> words(record.words().begin(), record.words().end());
  words[4] = number;
  put_digest(key, &words[5]);
  seal(words);
  return words;
}

std::optional<Record> whole_record(std::span<const uint32_t> words, int32_t vocabulary) {
  if (words.size() < kHead) return std::nullopt;
  const uint32_t count = words[2], fields = words[3] >> 16, mark = words[3] >> 8 & 0xff;
  const bool fits = count > 0 && count <= kMaxTokens && fields <= kMaxFields &&
                    words[1] == words_of(count, fields) && words[1] <= words.size();
  if (!fits || (words[3] & 0xff) > kRecordFlags || mark > static_cast<uint32_t>(RowMark::kLast))
    return std::nullopt;
  const Record record(words.data());
  if (crc32c(bytes_of(record.words().subspan(1))) != words[0]) return std::nullopt;
  const auto is_known = [&](int32_t id) { return id >= 0 && id < vocabulary; };
  const std::span<const int32_t> ids = record.ids();
  if (!std::all_of(ids.begin(), ids.end(), is_known)) return std::nullopt;
  return record;
}

}  // namespace slmtune::data
