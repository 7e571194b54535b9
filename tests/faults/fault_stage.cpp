#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "core/error.h"
#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFrames = 16;

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// In memory where the system has such a folder: syncs cost nothing there.
fs::path new_base() {
  const char* memory = "/dev/shm";
  std::string pattern = (access(memory, W_OK) == 0 ? fs::path(memory) : fs::temp_directory_path()) /
                        "slmtune-faults-XXXXXX";
  if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
  return fs::canonical(pattern);
}

// As the program's main does.
int run_to_exit_code(const Operation& operation, const fs::path& root, bool cut_at_end) {
  try {
    try {
      operation.run(root);
    } catch (const fs::filesystem_error& error) {
      throw_io_error(error);
    }
    if (cut_at_end) cut_power();
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "not one of our errors: %s\n", error.what());
    return 70;
  }
}

}  // namespace

Stage::Stage(Operation operation)
    : operation_(std::move(operation)),
      base_(new_base()),
      before_(base_ / "before"),
      root_(base_ / "root") {
  fs::create_directory(before_);
  // Made under the name that it is used with, since some files hold paths.
  fs::create_directory(root_);
  operation_.prepare(root_);
  fs::remove(before_);
  fs::rename(root_, before_);
}

Stage::~Stage() {
  std::error_code ignored;
  fs::remove_all(base_, ignored);
}

void Stage::reset() {
  fs::remove_all(root_);
  fs::copy(before_, root_, fs::copy_options::recursive);
}

Ending Stage::run(Plan plan, bool cut_at_end) const {
  plan.root = root_.string();
  plan.can_cut = cut_at_end;
  plan.plain_renames = operation_.plain_renames;
  const fs::path messages = base_ / "messages";
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0) {
    const int out = open(messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    arm(plan);
    const int code = run_to_exit_code(operation_, root_, cut_at_end);
    std::fflush(nullptr);
    _exit(code);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return {WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status), content_of(messages)};
}

std::string Stage::problem(bool done) const {
  try {
    return operation_.problem(root_, done);
  } catch (const std::exception& error) {
    return std::string("unreadable: ") + error.what();
  }
}

std::string Stage::leftovers(const std::string& may_stay) const {
  std::string found;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    const fs::path name = entry.path().filename();
    if (name.string().starts_with(may_stay)) continue;
    if (name.string().starts_with('.') || name.extension() == ".tmp")
      found += (found.empty() ? "" : ", ") + entry.path().lexically_relative(root_).string();
  }
  return found;
}

std::vector<Call> Stage::count_calls(const void* torn_rename) {
  reset();
  Plan plan;
  plan.report = (base_ / "report").string();
  plan.torn_rename = torn_rename;
  fs::remove(plan.report);
  const Ending ending = run(plan);
  if (ending.exit_code != 0)
    throw std::runtime_error(operation_.name + " without a fault: exit " +
                             std::to_string(ending.exit_code) + ": " + ending.message);
  std::vector<Call> calls;
  std::ifstream report(plan.report);
  for (std::string line; std::getline(report, line);) {
    std::istringstream words(line);
    int kind = 0;
    Call call;
    words >> kind;
    for (size_t i = 0; i < kFrames; ++i) {
      void* frame = nullptr;
      words >> frame;
      call.callers.push_back(frame);
    }
    call.kind = static_cast<CallKind>(kind);
    std::getline(words >> std::ws, call.path);
    call.path = fs::path(call.path).lexically_relative(root_).string();
    calls.push_back(std::move(call));
  }
  return calls;
}

}  // namespace slmtune::faults
