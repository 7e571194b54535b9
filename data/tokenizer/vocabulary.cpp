#include "data/tokenizer/vocabulary.h"

#include <bit>
#include <functional>

namespace slmtune::data {

Vocabulary::Vocabulary(int32_t ids)
    : places_(static_cast<size_t>(ids)),
      slots_(std::bit_ceil(static_cast<size_t>(ids) * 2 + 16), -1) {}

size_t Vocabulary::slot_of(std::string_view piece) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>()(piece) & mask;
  while (slots_[slot] >= 0 && bytes(slots_[slot]) != piece) slot = (slot + 1) & mask;
  return slot;
}

bool Vocabulary::add(std::string_view piece, int32_t id) {
  Place& place = places_[static_cast<size_t>(id)];
  const size_t slot = slot_of(piece);
  if (place.used || slots_[slot] >= 0) return false;
  place = {arena_.size(), static_cast<uint32_t>(piece.size()), true};
  arena_ += piece;
  slots_[slot] = id;
  return true;
}

int32_t Vocabulary::find(std::string_view piece) const {
  return slots_[slot_of(piece)];
}

bool Vocabulary::contains(int32_t id) const {
  return id >= 0 && id < size() && places_[static_cast<size_t>(id)].used;
}

std::string_view Vocabulary::bytes(int32_t id) const {
  if (id < 0 || id >= size()) return {};
  const Place& place = places_[static_cast<size_t>(id)];
  return std::string_view(arena_).substr(place.begin, place.length);
}

}  // namespace slmtune::data
