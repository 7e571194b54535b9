// Results on stdout. A reader that went away (`slmtune inspect … | head`) ends the program as
// SIGPIPE would; any other failure is an error, so that a full disk behind a redirection is never
// taken for success.
#pragma once
#include <string_view>

#include "core/json.h"

namespace slmtune::cli {

// Thrown when the reader of stdout is gone; main.cpp dies by SIGPIPE.
struct OutputClosed {};

void print(std::string_view text);           // W001, W002; OutputClosed
void print_line(std::string_view text);      // text and a newline, flushed
void print_json(const OrderedJson& object);  // one line, flushed
bool stdout_is_terminal();

}  // namespace slmtune::cli
