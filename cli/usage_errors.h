// Mistakes on the command line in the form of every other error:
//
//   slmtune: error[U001]: unknown option '--jsn'
//   help: did you mean '--json'? 'slmtune eval --help' lists the options
#pragma once
#include "cli/command_line.h"
#include "core/error.h"

namespace slmtune::cli {

// The UserError for what CLI11 refused. `app` is the root, after the failed parse.
UserError usage_error(CLI::App& app, const CLI::ParseError& error);

}  // namespace slmtune::cli
