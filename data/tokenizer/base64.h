// Base64 as tekken.json writes bytes (RFC 4648, with padding).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace slmtune::data {

// Nothing when `text` is no base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace slmtune::data
