// Errors of slmtune. Every error says where, what is wrong and what to do, and knows its exit code through its code.
// Only cli/main.cpp turns one into an exit status. Text of the user's rows never goes into an error.
//
//   recipes/my.yaml:14:3: error[R012]: unknown key 'lora.rnak'
//      14 |   rnak: 16
//         |   ^
//   help: did you mean 'lora.rank'?
#pragma once
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error_codes.h"

namespace slmtune {

struct Diagnostic {
  std::string code;     // row of core/error_codes
  std::string where;    // "file:line:col", "file:line", "file", "--flag" or empty
  std::string what;     // lower case, no full stop; names in single quotes
  std::string help;     // one sentence of advice; may be empty
  std::string excerpt;  // source line with caret (only for recipes, never for data rows); may be empty
};

// The form above. Names from files and paths may stand in it: control characters and broken UTF-8 become '?'.
std::string format_diagnostic(const Diagnostic& diagnostic);

class Error : public std::exception {
 public:
  // Precondition: `diagnostics` is not empty. what() shows the first 20 and counts the rest.
  explicit Error(std::vector<Diagnostic> diagnostics);
  const char* what() const noexcept override { return text_.c_str(); }
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
  const std::string& code() const { return diagnostics_.front().code; }
  ExitCode exit_code() const { return error_row(code()).exit; }  // that of the first diagnostic

 private:
  std::vector<Diagnostic> diagnostics_;
  std::string text_;
};

#define SLMTUNE_ERROR_CLASS(Name)                                                            \
  class Name : public Error {                                                                \
   public:                                                                                   \
    using Error::Error;                                                                      \
    Name(std::string code, std::string where, std::string what, std::string help = "")       \
        : Error({{std::move(code), std::move(where), std::move(what), std::move(help), {}}}) {} \
  }

SLMTUNE_ERROR_CLASS(UserError);         // recipe, data rows, flags, missing file
SLMTUNE_ERROR_CLASS(FileFormatError);   // weights, tokenizer, GGUF, adapter, config.json
SLMTUNE_ERROR_CLASS(UnavailableError);  // GPU, memory, server
SLMTUNE_ERROR_CLASS(BusyError);         // lock held
SLMTUNE_ERROR_CLASS(IoError);           // disk; the code tells permission, full and cannot-create apart
SLMTUNE_ERROR_CLASS(InternalError);     // a broken invariant: our bug
#undef SLMTUNE_ERROR_CLASS

// IoError with the code that fits `errno_value`: W001 I/O, W002 disk full, W003 permission, W004 cannot create.
[[noreturn]] void throw_io_error(const std::string& path, const std::string& what, int errno_value);

// The same for what std::filesystem throws.
[[noreturn]] void throw_io_error(const std::filesystem::filesystem_error& error);

// For conditions only our own mistake can break; never reachable from user input.
#define SLMTUNE_ASSERT(condition, text)                                                     \
  do {                                                                                      \
    if (!(condition))                                                                       \
      throw ::slmtune::InternalError("X001", std::string(__FILE__) + ":" + std::to_string(__LINE__), \
                                     std::string(text) + " (" #condition ")",               \
                                     "this is a bug in slmtune; please report it");         \
  } while (false)

}  // namespace slmtune
