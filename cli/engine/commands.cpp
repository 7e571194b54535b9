#include "cli/engine/commands.h"

#include <c10/util/Exception.h>

#include "cli/engine.h"
#include "core/error.h"
#include "core/text.h"
#include "core/version.h"

namespace slmtune::cli {
namespace {

[[noreturn]] void refuse_memory(const std::string& detail) {
  throw UnavailableError("G010", "slmtune", "out of memory" + detail,
                         "lower train.micro_batch_tokens or data.max_tokens, or use a smaller "
                         "model");
}

std::string first_line(const char* text) {
  std::string line = text;
  return shown(line.substr(0, line.find('\n')), 600);
}

// LibTorch's exceptions end here: the program does not know their types.
template <auto run, typename... Arguments>
ExitCode translated(Arguments... arguments) {
  try {
    return run(arguments...);
  } catch (const c10::OutOfMemoryError& error) {
    refuse_memory(": " + first_line(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    const char* text = error.what_without_backtrace();
    // LibTorch's CPU allocator reports exhaustion as a plain c10::Error.
    if (std::string_view(text).find("not enough memory") != std::string_view::npos)
      refuse_memory("");
    throw InternalError("X001", "slmtune", first_line(text),
                        "this is a bug in slmtune; please report it");
  }
}

constexpr Engine kEngine = {
    .train = translated<run_train>,
    .eval = translated<run_eval>,
    .generate = translated<run_generate>,
    .chat = translated<run_chat>,
    .merge = translated<run_merge>,
    .export_model = translated<run_export>,
    .inspect = translated<run_inspect>,
    .data_preview = translated<run_data_preview>,
    .data_tokenize = translated<run_data_tokenize>,
};

}  // namespace
}  // namespace slmtune::cli

// nullptr for a program of another version.
extern "C" const slmtune::cli::Engine* slmtune_engine(std::string_view program_version) {
  return program_version == slmtune::version() ? &slmtune::cli::kEngine : nullptr;
}
