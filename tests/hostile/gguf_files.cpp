// GGUF files: every rule of the format, and what has been used against other readers.
#include "export/gguf/gguf.h"
#include "tests/hostile/bad_files.h"
#include "tests/support/gguf_bytes.h"

namespace slmtune::testing {
namespace {

constexpr uint32_t kU32 = 4, kBool = 7, kText = 8, kArray = 9, kU64 = 10;

BadFile row(const std::string& name, const std::string& code, const std::string& part,
            const std::string& bytes) {
  return {name, code, part, [bytes](const TempFolder& folder) {
            exporting::GgufFile::open(folder.write("a.gguf", bytes));
          }};
}

// One metadata entry: its type, then `value`.
template <class... Numbers>
std::string entry(uint32_t type, Numbers... value) {
  return gguf_with_entry([&](Bytes& out) {
    out.number(type);
    (out.number(value), ...);
  });
}

std::string alignment(uint32_t type, uint64_t value) {
  return gguf_with_entry(
      [&](Bytes& out) {
        out.number(type);
        if (type == kU32)
          out.number(static_cast<uint32_t>(value));
        else
          out.number(value);
      },
      "general.alignment");
}

std::string key(const std::string& name) {
  return gguf_with_entry([](Bytes& out) { out.number(kBool).number(uint8_t{1}); }, name);
}

std::string two_keys() {
  Bytes out = gguf_head(0, 2);
  for (int i = 0; i < 2; ++i) out.text("key").number(kU32).number(uint32_t{1});
  return out.pad().str();
}

std::string two_tensors(const std::string& first, std::vector<uint64_t> first_sizes,
                        const std::string& second, std::vector<uint64_t> second_sizes,
                        uint64_t second_offset, size_t data_bytes = 96) {
  Bytes out = gguf_head(2, 0);
  gguf_tensor(out, first, std::move(first_sizes), 0, 0);
  gguf_tensor(out, second, std::move(second_sizes), 0, second_offset);
  return out.pad().raw(std::string(data_bytes, '\0')).str();
}

std::string texts_past_the_end() {
  return gguf_with_entry([](Bytes& out) {
    out.number(kArray).number(kText).number(uint64_t{2}).text("a").number(uint64_t{9999});
  });
}

// A vocabulary whose one token claims `size` bytes.
std::string token_of(uint64_t size) {
  return gguf_with_entry(
      [&](Bytes& out) { out.number(kArray).number(kText).number(uint64_t{1}).number(size); },
      "tokenizer.ggml.tokens");
}

// `tensors` and `entries` as the head claims them, and as many bytes as could hold them.
std::string crowd(uint64_t tensors, uint64_t entries) {
  return gguf_head(tensors, entries).raw(std::string((tensors + entries) * 40, '\0')).str();
}

void add_head(std::vector<BadFile>& rows) {
  for (const BadFile& one :
       {row("an empty file", "F090", "not a GGUF file", ""),
        row("another magic", "F090", "not a GGUF file", "GGML" + std::string(60, '\0')),
        row("a magic in lower case", "F090", "not a GGUF file", "gguf" + std::string(60, '\0')),
        row("a torch zip", "F090", "not a GGUF file", "PK\x03\x04" + std::string(60, '\0')),
        row("version 0", "F090", "version 0", gguf_head(0, 0, 0).pad().str()),
        row("version 1", "F090", "version 1", gguf_head(0, 0, 1).pad().str()),
        row("version 4", "F090", "version 4", gguf_head(0, 0, 4).pad().str()),
        row("the other byte order", "F090", "big-endian", gguf_head(0, 0, 0x03000000).pad().str()),
        row("the magic only", "F093", "needs 4 bytes", "GGUF"),
        row("an end in the head", "F093", "needs 8 bytes", gguf_head(0, 0).str().substr(0, 15)),
        row("more tensors than fit", "F093", "tensors but only",
            gguf_head(1ull << 60, 0).pad().str()),
        row("2^64-1 entries (Ollama 17042)", "F093", "metadata entries but only",
            gguf_head(0, ~0ull).pad().str()),
        row("65,537 entries", "F091", "at most 65536", crowd(0, 65'537)),
        row("100,001 tensors", "F092", "at most 100000", crowd(100'001, 0))})
    rows.push_back(one);
}

void add_metadata(std::vector<BadFile>& rows) {
  for (const BadFile& one :
       {row("an empty key", "F091", "empty or not text", key("")),
        row("a key that is no UTF-8", "F091", "empty or not text", key("\xff")),
        row("a key with a NUL", "F091", "empty or not text", key(std::string("a\0b", 3))),
        row("a key of 70,000 bytes", "F091", "a text of 70000 bytes", key(std::string(70000, 'k'))),
        row("a key twice", "F091", "'key' stands twice", two_keys()),
        row("an unknown type", "F091", "unknown type 13", entry(13, uint64_t{0})),
        row("a type of 2^32-1", "F091", "unknown type 4294967295", entry(~0u, uint64_t{0})),
        row("a boolean of 2", "F091", "boolean of value 2", entry(kBool, uint8_t{2})),
        row("an array with a boolean of 255", "F091", "boolean of value 255",
            entry(kArray, kBool, uint64_t{2}, uint8_t{1}, uint8_t{255})),
        row("a text over the limit", "F091", "a text of 16777217", entry(kText, (16ull << 20) + 1)),
        row("a text of 2^64-1 bytes (Ollama 17042)", "F091", "18446744073709551615",
            entry(kText, ~0ull)),
        row("a text past the end", "F093", "needs 5000 bytes", entry(kText, uint64_t{5000})),
        row("an array of arrays", "F091", "an array of arrays", entry(kArray, kArray, uint64_t{0})),
        row("an array of unknown type", "F091", "unknown type 77", entry(kArray, 77u, uint64_t{0})),
        row("texts past the end", "F093", "needs 9999 bytes", texts_past_the_end()),
        row("a token longer than 2^31 bytes (CVE-2025-49847)", "F091", "a text of 2147483648",
            token_of(1ull << 31)),
        row("a token of 2^63 bytes", "F091", "a text of 9223372036854775808", token_of(1ull << 63)),
        row("an alignment of 0", "F091", "power of two", alignment(kU32, 0)),
        row("an alignment of 48", "F091", "power of two", alignment(kU32, 48)),
        row("an alignment of 2^31 (llama.cpp 24997)", "F091", "at most 1048576",
            alignment(kU32, 1ull << 31)),
        row("an alignment of another type", "F091", "unsigned 32-bit", alignment(kU64, 32))})
    rows.push_back(one);
  const std::pair<const char*, uint32_t> types[] = {{"small integers", 0}, {"integers", 5},
                                                    {"numbers", 6},        {"booleans", 7},
                                                    {"texts", 8},          {"large integers", 10}};
  for (const auto& [name, type] : types)
    rows.push_back(row(std::string("2^61 ") + name + " in an array", "F093", "but only",
                       entry(kArray, type, uint64_t{1} << 61)));
}

void add_tensors(std::vector<BadFile>& rows) {
  constexpr uint64_t kHalf = uint64_t{1} << 58;
  for (const BadFile& one :
       {row("a tensor without a name", "F092", "empty or not text",
            gguf_with_tensor("", {8}, 0, 0, 64)),
        row("a name of 64 bytes", "F092", "a text of 64 bytes",
            gguf_with_tensor(std::string(64, 'w'), {8}, 0, 0, 32)),
        row("a name with a NUL", "F092", "empty or not text",
            gguf_with_tensor(std::string("w\0", 2), {8}, 0, 0, 32)),
        row("a tensor twice", "F092", "'w' stands twice", two_tensors("w", {8}, "w", {8}, 32)),
        row("five dimensions", "F092", "5 dimensions",
            gguf_with_tensor("w", {1, 1, 1, 1, 8}, 0, 0, 32)),
        row("no dimensions", "F092", "0 dimensions", gguf_with_tensor("wide", {}, 0, 0, 64)),
        row("a dimension of 0", "F092", "a dimension of 0",
            gguf_with_tensor("w", {8, 0}, 0, 0, 32)),
        row("a dimension of -1", "F092", "a dimension of 18446744073709551615",
            gguf_with_tensor("w", {~0ull}, 0, 0, 32)),
        row("a product beyond 2^64", "F092", "too large",
            gguf_with_tensor("w", {1ull << 40, 1ull << 40}, 0, 0, 32)),
        row("a product that wraps to a small size (CVE-2026-33298)", "F092", "too large",
            gguf_with_tensor("w", {1ull << 31, 1ull << 31, 8}, 0, 0, 32)),
        row("a product that wraps to 0 (CVE-2025-53630)", "F092", "too large",
            gguf_with_tensor("w", {1ull << 32, 1ull << 30}, 0, 0, 32)),
        row("sizes whose sum wraps (CVE-2026-27940)", "F092", "ends too far away",
            two_tensors("a", {3 * kHalf}, "b", {3 * kHalf}, 12 * kHalf)),
        row("a tensor that ends near 2^62", "F093", "ends at byte",
            gguf_with_tensor("w", {kHalf}, 0, 0, 32)),
        row("a size that the file does not have (CVE-2026-7482)", "F093", "ends at byte",
            gguf_with_tensor("w", {1ull << 20}, 0, 0, 32)),
        row("an unknown tensor type", "F092", "unknown type 4",
            gguf_with_tensor("w", {8}, 4, 0, 32)),
        row("a tensor type of 2^31", "F092", "unknown type 2147483648",
            gguf_with_tensor("w", {8}, 1u << 31, 0, 32)),
        row("rows that do not divide into blocks", "F092", "multiple of 32",
            gguf_with_tensor("w", {48}, 8, 0, 64)),
        row("a gap before a tensor", "F092", "starts at 32", gguf_with_tensor("w", {8}, 0, 32, 64)),
        row("an offset off the alignment", "F092", "starts at 4",
            gguf_with_tensor("w", {8}, 0, 4, 64)),
        row("an offset of 2^64-32", "F092", "starts at 18446744073709551584",
            gguf_with_tensor("w", {8}, 0, ~0ull - 31, 64)),
        row("overlapping tensors", "F092", "expected 64", two_tensors("a", {16}, "b", {8}, 32)),
        row("two tensors in one place", "F092", "expected 32", two_tensors("a", {8}, "b", {8}, 0)),
        row("data that ends early", "F093", "ends at byte", gguf_with_tensor("w", {8}, 0, 0, 31)),
        row("a table that ends early", "F093", "but only", gguf_head(1, 0).str()),
        row("bytes after the last tensor", "F092", "bytes follow the last tensor",
            gguf_with_tensor("w", {8}, 0, 0, 64))})
    rows.push_back(one);
}

}  // namespace

BadFiles bad_gguf() {
  BadFiles table{"gguf", {}};
  add_head(table.rows);
  add_metadata(table.rows);
  add_tensors(table.rows);
  return table;
}

}  // namespace slmtune::testing
