// The one table of error codes. A code names a class of mistake, its exit code and the page that `slmtune explain`
// prints; the message at hand adds place, values and advice. Adding a mistake = adding a row in error_codes.cpp.
//
//   throw UserError("R012", "recipes/my.yaml:14:3", "unknown key 'lora.rnak'", "did you mean 'lora.rank'?");
#pragma once
#include <span>
#include <string_view>

namespace slmtune {

// Process exit codes, frozen by docs and tests (sysexits numbering).
enum class ExitCode : int {
  kDone = 0,
  kRefused = 3,       // trained, but not fit to ship
  kUsage = 64,        // command line
  kBadData = 65,      // rows, weights or tokenizer files that cannot be used
  kNoInput = 66,      // a named file or folder is missing
  kUnavailable = 69,  // no GPU, no memory, no server
  kInternal = 70,     // our bug, or training that diverged
  kCannotCreate = 73,
  kIo = 74,           // disk full, read error
  kTryLater = 75,     // lock held, stopped but resumable
  kPermission = 77,
  kRecipe = 78
};

struct ErrorRow {
  std::string_view code;         // "R012": letter = area, three digits
  ExitCode exit;
  std::string_view title;        // one line, lower case, without a full stop
  std::string_view explanation;  // what it means, why it is an error, what to do
};

// Areas: U command line · R recipe · D data rows · F file formats (weights, tokenizer, GGUF, adapter, JSON) ·
// N missing input · W writing and disk · G device and memory · P several processes · T training · S store · L lock ·
// H model hub · V servers that models are handed to · X internal.
std::span<const ErrorRow> error_rows();

// Row of `code`; an unknown code is an InternalError row (X001), never a crash.
const ErrorRow& error_row(std::string_view code);

}  // namespace slmtune
