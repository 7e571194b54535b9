#include "core/log.h"

#include <gtest/gtest.h>

namespace slmtune {
namespace {

// Tests run with stderr captured in a file, so nothing here is a terminal.
template <typename Statement>
std::string stderr_of(Verbosity verbosity, Statement&& statement) {
  set_up_log(verbosity, false);
  ::testing::internal::CaptureStderr();
  statement();
  std::string text = ::testing::internal::GetCapturedStderr();
  set_up_log(Verbosity::kNormal, false);
  return text;
}

void log_all() {
  log_info("info");
  log_verbose("detail");
  log_warning("careful");
}

TEST(Log, VerbosityChoosesWhatIsShown) {
  EXPECT_EQ(stderr_of(Verbosity::kQuiet, log_all), "warning: careful\n");
  EXPECT_EQ(stderr_of(Verbosity::kNormal, log_all), "info\nwarning: careful\n");
  EXPECT_EQ(stderr_of(Verbosity::kVerbose, log_all), "info\ndetail\nwarning: careful\n");
}

TEST(ProgressLine, OffATerminalShowsAtMostOneLineInItsTime) {
  if (stderr_is_terminal()) GTEST_SKIP() << "stderr is a terminal";
  auto show = [] {
    ProgressLine line(1000);
    for (int i = 0; i < 100; ++i) line.show("step " + std::to_string(i));
    line.finish("done");
  };
  EXPECT_EQ(stderr_of(Verbosity::kNormal, show), "step 0\ndone\n");
  EXPECT_EQ(stderr_of(Verbosity::kQuiet, show), "");
}

TEST(NowSeconds, NeverGoesBack) {
  double first = now_seconds();
  EXPECT_LE(first, now_seconds());
}

}  // namespace
}  // namespace slmtune
