// Small text functions that several modules need.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slmtune {

// Candidate nearest to `name` by edit distance with transpositions; empty when none is near (distance > max(2, n/3)).
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

// "'a', 'b' or 'c'"
std::string quoted_list(std::span<const std::string> names);

// Bytes in binary units for people: "512 B", "8.0 KiB", "1.5 GiB".
std::string human_bytes(unsigned long long bytes);

// Seconds for people: "42 s", "3 min 05 s", "2 h 10 min".
std::string human_seconds(double seconds);

// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

// `text` made safe for a terminal: control characters and broken UTF-8 become '?', longer than `limit` bytes ends in "…".
std::string shown(std::string_view text, size_t limit = 80);

// `text` of any length made safe for a terminal in the same way; line ends stay.
std::string printable(std::string_view text);

// Lower-case hexadecimal of `bytes`.
std::string hex(std::span<const unsigned char> bytes);

// UTC "2026-01-31T09:05:07Z" of now.
std::string utc_now();

}  // namespace slmtune
