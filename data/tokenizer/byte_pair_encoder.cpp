#include "data/tokenizer/byte_pair_encoder.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <queue>

#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

constexpr uint32_t kNoRank = ~0u;
constexpr uint32_t kLowCharacters = 1 << 16;
constexpr size_t kShort = 48;  // symbols up to which the scan is faster than the heap

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t mixed(uint64_t key) {
  key *= 0x9E3779B97F4A7C15u;
  return static_cast<size_t>(key ^ key >> 32);
}

// Direct-mapped memory of short pieces; a thread's own, so no locks. One entry is one cache line.
class PieceCache {
 public:
  static constexpr size_t kMaxBytes = 24, kMaxTokens = 7;

  struct alignas(64) Entry {
    std::array<uint64_t, 3> text{};
    uint8_t length = 0, count = 0;
    std::array<uint8_t, kMaxTokens> begins{};
    std::array<int32_t, kMaxTokens> ids{};
  };
  static_assert(sizeof(Entry) == 64);

  static PieceCache& of_thread(uint64_t serial) {
    thread_local PieceCache cache;
    if (cache.serial_ != serial) {
      cache.entries_.assign(kEntries, Entry{});
      cache.serial_ = serial;
    }
    return cache;
  }

  // The entry that `piece` maps to, and whether it holds the piece. Precondition: size <=
  // kMaxBytes.
  std::pair<Entry*, bool> find(std::string_view piece) {
    std::array<uint64_t, 3> text{};
    std::memcpy(text.data(), piece.data(), piece.size());
    const uint64_t key = text[0] ^ std::rotl(text[1], 23) * 0xD6E8FEB86659FD93u ^
                         std::rotl(text[2], 41) * 0xA0761D6478BD642Fu ^ piece.size();
    Entry& entry = entries_[mixed(key) & (kEntries - 1)];
    if (entry.length == piece.size() && entry.text == text) return {&entry, true};
    entry = Entry{};
    entry.text = text;
    entry.length = static_cast<uint8_t>(piece.size());
    return {&entry, false};
  }

 private:
  static constexpr size_t kEntries = 1 << 15;
  uint64_t serial_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace

BytePairEncoder::BytePairEncoder(const Vocabulary& vocabulary, std::span<const Merge> merges,
                                 Options options)
    : vocabulary_(vocabulary),
      options_(std::move(options)),
      rules_(std::bit_ceil(merges.size() * 2 + 16)) {
  static std::atomic<uint64_t> serials{0};
  serial_ = ++serials;
  index_symbols();
  const size_t mask = rules_.size() - 1;
  for (const Merge& merge : merges) {
    const uint64_t key = pair_key(merge.left, merge.right);
    size_t slot = mixed(key) & mask;
    while (rules_[slot].pair != ~0ull && rules_[slot].pair != key) slot = (slot + 1) & mask;
    rules_[slot] = {key, merge.rank, merge.result};
  }
}

void BytePairEncoder::index_symbols() {
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    byte_ids_[static_cast<size_t>(byte)] = vocabulary_.find({&text, 1});
  }
  if (!options_.characters) return;
  low_ids_.assign(kLowCharacters, -1);
  auto add = [this](std::string_view text, int32_t id) {
    if (text.empty() || text.size() > 4) return;
    const CodePoint point = decode_utf8(text.data());
    if (point.bytes != text.size()) return;
    (point.value < kLowCharacters ? low_ids_[point.value] : high_ids_[point.value]) = id;
  };
  for (int32_t id = 0; id < vocabulary_.size(); ++id) add(vocabulary_.bytes(id), id);
  for (size_t i = 0; i < options_.bare_characters.size(); ++i)
    add(options_.bare_characters[i], vocabulary_.size() + static_cast<int32_t>(i));
}

int32_t BytePairEncoder::id_of_character(std::string_view text, size_t at) const {
  const CodePoint point = decode_utf8(text.data() + at);
  if (point.value < kLowCharacters) return low_ids_[point.value];
  const auto found = high_ids_.find(point.value);
  return found == high_ids_.end() ? -1 : found->second;
}

const BytePairEncoder::Rule* BytePairEncoder::rule(int32_t left, int32_t right) const {
  const uint64_t key = pair_key(left, right);
  const size_t mask = rules_.size() - 1;
  for (size_t slot = mixed(key) & mask;; slot = (slot + 1) & mask) {
    if (rules_[slot].pair == key) return &rules_[slot];
    if (rules_[slot].pair == ~0ull) return nullptr;
  }
}

void BytePairEncoder::encode(std::string_view piece, std::vector<EncodedPiece>& tokens) const {
  if (piece.size() > PieceCache::kMaxBytes) return merge_all(piece, tokens);
  auto [entry, known] = PieceCache::of_thread(serial_).find(piece);
  if (known) {
    for (uint8_t i = 0; i < entry->count; ++i) tokens.push_back({entry->ids[i], entry->begins[i]});
    return;
  }
  const size_t first = tokens.size();
  merge_all(piece, tokens);
  const size_t count = tokens.size() - first;
  if (count > entry->ids.size()) {
    entry->length = 0;
    return;
  }
  entry->count = static_cast<uint8_t>(count);
  for (size_t i = 0; i < count; ++i) {
    entry->ids[i] = tokens[first + i].id;
    entry->begins[i] = static_cast<uint8_t>(tokens[first + i].begin);
  }
}

void BytePairEncoder::merge_all(std::string_view piece, std::vector<EncodedPiece>& tokens) const {
  if (options_.ignore_merges)
    if (int32_t id = vocabulary_.find(piece); id >= 0) return tokens.push_back({id, 0});
  const size_t first = tokens.size();
  if (options_.characters)
    start_from_characters(piece, tokens);
  else
    start_from_bytes(piece, tokens);
  if (tokens.size() - first <= kShort)
    merge_short(tokens, first);
  else
    merge_long(tokens, first);
  if (!options_.bare_characters.empty()) spell_bare(tokens, first);
}

void BytePairEncoder::start_from_bytes(std::string_view piece,
                                       std::vector<EncodedPiece>& tokens) const {
  bool after_unknown = false;
  for (size_t i = 0; i < piece.size(); ++i) {
    int32_t id = byte_ids_[static_cast<unsigned char>(piece[i])];
    const bool unknown = id < 0;
    if (unknown) id = options_.unknown;
    if (id >= 0 && !(unknown && after_unknown && options_.fuse_unknown))
      tokens.push_back({id, static_cast<uint32_t>(i)});
    after_unknown = unknown;
  }
}

void BytePairEncoder::start_from_characters(std::string_view piece,
                                            std::vector<EncodedPiece>& tokens) const {
  bool after_unknown = false;
  for (size_t i = 0, next; i < piece.size(); i = next) {
    next = i + decode_utf8(piece.data() + i).bytes;
    const int32_t id = id_of_character(piece, i);
    if (id >= 0) {
      tokens.push_back({id, static_cast<uint32_t>(i)});
      after_unknown = false;
    } else if (spell(piece.substr(i, next - i), i, tokens)) {
      after_unknown = false;
    } else {
      if (options_.unknown >= 0 && !(after_unknown && options_.fuse_unknown))
        tokens.push_back({options_.unknown, static_cast<uint32_t>(i)});
      after_unknown = true;
    }
  }
}

// Appends the byte tokens of a character; false, and nothing appended, when one is missing.
bool BytePairEncoder::spell(std::string_view character, size_t begin,
                            std::vector<EncodedPiece>& tokens) const {
  auto token = [this](char byte) { return options_.byte_tokens[static_cast<unsigned char>(byte)]; };
  for (char byte : character)
    if (token(byte) < 0) return false;
  for (size_t i = 0; i < character.size(); ++i)
    tokens.push_back({token(character[i]), static_cast<uint32_t>(begin + i)});
  return true;
}

void BytePairEncoder::merge_short(std::vector<EncodedPiece>& tokens, size_t first) const {
  EncodedPiece* symbols = tokens.data() + first;
  size_t count = tokens.size() - first;
  std::array<const Rule*, kShort> rules;  // rules[i]: of symbols i and i + 1
  for (size_t i = 0; i + 1 < count; ++i) rules[i] = rule(symbols[i].id, symbols[i + 1].id);
  while (count > 1) {
    size_t best = 0;
    uint32_t lowest = kNoRank;
    for (size_t i = 0; i + 1 < count; ++i)
      if (rules[i] && rules[i]->rank < lowest) lowest = rules[best = i]->rank;
    if (lowest == kNoRank) break;
    symbols[best].id = rules[best]->result;
    std::move(symbols + best + 2, symbols + count, symbols + best + 1);
    if (best + 2 < count)
      std::move(rules.begin() + best + 2, rules.begin() + count - 1, rules.begin() + best + 1);
    --count;
    if (best > 0) rules[best - 1] = rule(symbols[best - 1].id, symbols[best].id);
    if (best + 1 < count) rules[best] = rule(symbols[best].id, symbols[best + 1].id);
  }
  tokens.resize(first + count);
}

namespace {

// A symbol of a long piece in a doubly linked list; `rule` is of it and the next one.
struct Link {
  uint32_t previous, next;
  uint32_t rank;
  int32_t result;
  bool alive;
};

}  // namespace

void BytePairEncoder::merge_long(std::vector<EncodedPiece>& tokens, size_t first) const {
  EncodedPiece* symbols = tokens.data() + first;
  const auto count = static_cast<uint32_t>(tokens.size() - first);
  std::vector<Link> links(count);
  // Rank above, place below: the smallest key is the lowest rank, leftmost. Outdated keys are
  // skipped when they come up.
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> queue;
  auto look_up = [&](uint32_t at) {
    Link& link = links[at];
    const Rule* found = link.next < count ? rule(symbols[at].id, symbols[link.next].id) : nullptr;
    link.rank = found ? found->rank : kNoRank;
    if (!found) return;
    link.result = found->result;
    queue.push(static_cast<uint64_t>(found->rank) << 32 | at);
  };
  for (uint32_t i = 0; i < count; ++i) links[i] = {i - 1, i + 1, kNoRank, 0, true};
  for (uint32_t i = 0; i < count; ++i) look_up(i);
  while (!queue.empty()) {
    const uint64_t key = queue.top();
    queue.pop();
    const auto at = static_cast<uint32_t>(key);
    Link& link = links[at];
    if (!link.alive || link.rank != key >> 32) continue;
    symbols[at].id = link.result;
    Link& gone = links[link.next];
    gone.alive = false;
    link.next = gone.next;
    if (link.next < count) links[link.next].previous = at;
    look_up(at);
    if (at > 0) look_up(link.previous);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i < count; ++i)
    if (links[i].alive) symbols[kept++] = symbols[i];
  tokens.resize(first + kept);
}

void BytePairEncoder::spell_bare(std::vector<EncodedPiece>& tokens, size_t first) const {
  auto is_bare = [this](const EncodedPiece& token) { return token.id >= vocabulary_.size(); };
  if (std::none_of(tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end(), is_bare))
    return;
  const std::vector<EncodedPiece> merged(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                                         tokens.end());
  tokens.resize(first);
  for (const EncodedPiece& token : merged) {
    if (!is_bare(token)) {
      tokens.push_back(token);
      continue;
    }
    const auto index = static_cast<size_t>(token.id - vocabulary_.size());
    spell(options_.bare_characters[index], token.begin, tokens);
  }
}

}  // namespace slmtune::data
