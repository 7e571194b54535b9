// JSON files that tell whether they are as they were written: their last member is the SHA-256 of
// all that stands before it.
//
//   write_file(path, sealed(json, "state_sha256"));
//   if (!is_seal_whole(read_text_file(path), "state_sha256")) …
#pragma once
#include <string>
#include <string_view>

#include "core/json.h"

namespace slmtune {

// The file's text. Precondition: `json` is an object with at least one member.
std::string sealed(OrderedJson json, const std::string& member);

// False for a text that changed in any bit, was cut, or has no seal.
bool is_seal_whole(std::string_view text, const std::string& member);

}  // namespace slmtune
