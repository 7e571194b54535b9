// verify.json: what was found out about each exported file of its folder.
//
//   {"schema": 1, "files": [{"file": "faq-q4_k_m.gguf", "bytes": …, "sha256": "…", …}, …]}
#pragma once
#include <filesystem>
#include <optional>

#include "core/json.h"

namespace slmtune::exporting {

inline constexpr const char* kVerifyName = "verify.json";

// Puts `record`, whose "file" names an exported file beside it, into verify.json in `folder`, in
// place of an older one of that file. A verify.json that is no such list stays as it is, with a
// warning. W001, W002, W003.
void write_verify_record(const std::filesystem::path& folder, const OrderedJson& record);

// Takes the record of `file` out, for one that is written anew without being compared.
void drop_verify_record(const std::filesystem::path& file);

// The record of `file`: none where there is none, and none where the file's size is another one.
std::optional<OrderedJson> read_verify_record(const std::filesystem::path& file);

}  // namespace slmtune::exporting
