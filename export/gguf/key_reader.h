// Typed access to the keys of a GGUF file. What is absent, of another kind or out of range is an
// error that names the key.
//
//   const KeyReader keys(file);
//   const int64_t layers = keys.count("llama.block_count");
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "export/gguf/gguf.h"

namespace slmtune::exporting {

// What helps when a converter wrote something that cannot be.
inline constexpr const char* kConvertAgain =
    "convert the model again with a current version of its converter, or use its Hugging Face "
    "folder";

// All errors are F100. Keys that may be absent give nothing then, and an error where they are of
// another kind. Integers of any width are taken for counts and ids.
class KeyReader {
 public:
  explicit KeyReader(const GgufFile& file) : file_(file) {}  // borrowed

  bool has(const std::string& key) const { return file_.metadata().contains(key); }
  int64_t count(const std::string& key) const;     // 1 … 2^31 − 1; must be there
  std::string text(const std::string& key) const;  // must be there
  std::optional<int64_t> integer(const std::string& key) const;
  // Finite. A float32 gives the double of its shortest decimal form: 1e-6 and not 9.99999997e-7.
  std::optional<double> number(const std::string& key) const;
  std::optional<bool> flag(const std::string& key) const;
  std::optional<std::string> text_if(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;  // empty when absent
  std::vector<int32_t> small_integers(const std::string& key) const;
  std::vector<float> floats(const std::string& key) const;

  [[noreturn]] void fail(const std::string& key, const std::string& what) const;
  std::string where() const { return file_.path().string(); }

 private:
  const GgufValue* find(const std::string& key) const;
  [[noreturn]] void wrong_kind(const std::string& key, const char* expected) const;

  const GgufFile& file_;
};

}  // namespace slmtune::exporting
