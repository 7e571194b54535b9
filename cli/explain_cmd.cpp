#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

// Breaks `text` at blanks into lines of at most `width` bytes.
std::string wrapped(std::string_view text, size_t width) {
  std::string result;
  size_t column = 0;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (column > 0) {
      bool fits = column + 1 + end <= width;
      result += fits ? " " : "\n";
      column = fits ? column + 1 : 0;
    }
    result += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

ExitCode run_explain(const std::string& asked, const Common& common) {
  std::string code = asked;
  std::transform(code.begin(), code.end(), code.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  auto rows = error_rows();
  auto row = std::find_if(rows.begin(), rows.end(),
                          [&](const ErrorRow& candidate) { return candidate.code == code; });
  if (row == rows.end())
    throw UserError("U007", "slmtune", "no such error code: '" + shown(asked) + "'",
                    "codes look like R012, as in 'error[R012]'");
  int exit = static_cast<int>(row->exit);
  if (common.json) {
    print_json({{"schema", 1},
                {"code", row->code},
                {"exit", exit},
                {"title", row->title},
                {"explanation", row->explanation}});
  } else {
    print_line(std::string(row->code) + ": " + std::string(row->title) + " (exit code " +
               std::to_string(exit) + ")\n\n" + wrapped(row->explanation, 100));
  }
  return ExitCode::kDone;
}

}  // namespace

void setup_explain(CLI::App& app, Program& program) {
  auto code = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("explain", "what an error code means and what to do");
  command->add_option("CODE", *code, "the code in an error message, e.g. R012")->required();
  finish_command(*command, program, "slmtune explain R012");
  command->callback([code, &program] {
    program.run = [code, &program] { return run_explain(*code, program.common); };
  });
}

}  // namespace slmtune::cli
