// Pieces of a vocabulary as bytes: id → bytes and bytes → id.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slmtune::data {

class Vocabulary {
 public:
  // `ids` is highest id + 1. Ids that nothing is added for have no piece.
  explicit Vocabulary(int32_t ids);

  // False when the id or the bytes are taken. Precondition: 0 <= id < ids.
  bool add(std::string_view bytes, int32_t id);

  int32_t find(std::string_view bytes) const;  // -1 if none
  bool contains(int32_t id) const;
  std::string_view bytes(int32_t id) const;  // "" if none
  int32_t size() const { return static_cast<int32_t>(places_.size()); }

 private:
  struct Place {
    uint64_t begin = 0;
    uint32_t length = 0;
    bool used = false;
  };
  size_t slot_of(std::string_view bytes) const;  // where it stands or would stand

  std::string arena_;
  std::vector<Place> places_;
  std::vector<int32_t> slots_;  // open addressing; -1 is free
};

}  // namespace slmtune::data
