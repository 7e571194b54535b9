// GGUF files written by hand, byte by byte, right or wrong.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace slmtune::testing {

class Bytes {
 public:
  template <class Number>
  Bytes& number(Number value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(const std::string& text) {
    text_ += text;
    return *this;
  }
  Bytes& text(const std::string& text) { return number(uint64_t{text.size()}).raw(text); }
  Bytes& pad(size_t alignment = 32) {
    text_.resize((text_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

inline Bytes gguf_head(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
  return Bytes().raw("GGUF").number(version).number(tensors).number(entries);
}

inline Bytes& gguf_tensor(Bytes& out, const std::string& name, std::vector<uint64_t> sizes,
                          uint32_t type, uint64_t offset) {
  out.text(name).number(static_cast<uint32_t>(sizes.size()));
  for (uint64_t size : sizes) out.number(size);
  return out.number(type).number(offset);
}

inline std::string gguf_with_tensor(const std::string& name, std::vector<uint64_t> sizes,
                                    uint32_t type, uint64_t offset, size_t data_bytes) {
  Bytes out = gguf_head(1, 0);
  gguf_tensor(out, name, std::move(sizes), type, offset);
  return out.pad().raw(std::string(data_bytes, '\0')).str();
}

// `rest` writes type and value of the one entry.
inline std::string gguf_with_entry(const std::function<void(Bytes&)>& rest,
                                   const std::string& key = "key") {
  Bytes out = gguf_head(0, 1);
  out.text(key);
  rest(out);
  return out.pad().str();
}

}  // namespace slmtune::testing
