// What is said when a library throws something that slmtune has no message for. The library's own
// text means nothing to a user and may hold what was worked on, so it is shown by -v only.
#pragma once
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace slmtune::cli {

inline InternalError library_fault(std::string_view text) {
  log_verbose("exception: " + shown(text.substr(0, text.find('\n')), 600));
  return {"X001", "slmtune", "something failed that never should",
          "this is a bug in slmtune; run the command again with -v and report what it prints"};
}

}  // namespace slmtune::cli
