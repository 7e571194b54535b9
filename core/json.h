// JSON for configs and small records (nlohmann-json); JSONL rows go through simdjson in data/.
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace slmtune {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Parses a JSON file of at most `limit_bytes`, 500,000 values and 64 levels. N001 missing, F001 too large, F002 not
// JSON (with line:column), F006 a key that stands twice. A whole number beyond 64 bits, as in the "model_max_length" of
// published tokenizers, becomes a floating-point number, which json_integer refuses.
Json read_json(const std::filesystem::path& path, uint64_t limit_bytes = 64ull << 20);
// The same for a text that stands in another file; `where` names it in errors.
Json parse_json(const std::string& text, const std::string& where);

// Typed member access with the file's name in the error: F003 missing, F004 wrong type.
int64_t json_integer(const Json& object, const std::string& key, const std::string& where);
double json_number(const Json& object, const std::string& key, const std::string& where);
std::string json_text(const Json& object, const std::string& key, const std::string& where);

}  // namespace slmtune
