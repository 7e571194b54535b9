#include "ops/deploy/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include "core/error.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

// As it was when this program began. What a training has set since (which GPU, how cuBLAS works) is
// not meant for a server that pauses beside it.
const std::vector<std::string> kEnvironment = [] {
  std::vector<std::string> variables;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) variables.emplace_back(*one);
  return variables;
}();

// Fields 3 and 22 of /proc/PID/stat; the second one is a name in brackets that may hold anything.
struct ProcessStat {
  char state = '?';
  uint64_t start_ticks = 0;
};

std::optional<ProcessStat> stat_of(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  size_t at = line.rfind(')');
  if (at == std::string::npos || at + 2 >= line.size()) return std::nullopt;
  ProcessStat result;
  result.state = line[at + 2];
  for (int field = 2; field < 22; ++field) {
    at = line.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  std::from_chars(line.data() + at + 1, line.data() + line.size(), result.start_ticks);
  return result;
}

// A handle of the process that cannot become another one's. Negative when it is gone.
int handle_of(const ProcessIdentity& process) {
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  if (handle < 0) return -1;
  const auto stat = stat_of(process.pid);
  if (stat && stat->start_ticks == process.start_ticks && stat->state != 'Z') return handle;
  close(handle);
  return -1;
}

bool has_ended(int handle, int milliseconds) {
  pollfd wanted{handle, POLLIN, 0};
  int found = 0;
  do found = poll(&wanted, 1, milliseconds);
  while (found < 0 && errno == EINTR);
  return found > 0;
}

// Safe between fork and exec.
void end_process(int handle, int patience_milliseconds) {
  syscall(SYS_pidfd_send_signal, handle, SIGTERM, nullptr, 0);
  if (has_ended(handle, patience_milliseconds)) return;
  syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0);
  has_ended(handle, patience_milliseconds);
}

fs::path program_in_path(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    const fs::path candidate = fs::path(rest.substr(0, end)) / name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return name;
}

fs::path checked_program(const std::string& name) {
  fs::path program = program_in_path(name);
  std::error_code ignored;
  if (!fs::is_regular_file(program, ignored) || access(program.c_str(), X_OK) != 0)
    throw UnavailableError("V003", program.string(), "there is no such program, or it may not run",
                           "name llama-server in the target's 'server' key");
  return program;
}

// What the child needs; made before the fork, because memory must not be allocated after it.
struct Launch {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int gate, log, nothing, replaces, patience_milliseconds;
};

[[noreturn]] void become_server(const Launch& launch) {
  setsid();
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(launch.nothing, STDIN_FILENO);
  dup2(launch.log, STDOUT_FILENO);
  dup2(launch.log, STDERR_FILENO);
  char go = 0;
  ssize_t count = 0;
  do count = read(launch.gate, &go, 1);
  while (count < 0 && errno == EINTR);
  if (count != 1) _exit(0);  // whoever started it is gone, and has not recorded it
  if (launch.replaces >= 0) end_process(launch.replaces, launch.patience_milliseconds);
  // A training's files and its GPU among them: the server would hold them for as long as it lives.
  syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
  execve(launch.program, launch.arguments, launch.environment);
  _exit(127);
}

// For exec, which does not write to them.
std::vector<char*> null_terminated(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

int open_or_throw(const fs::path& path, int flags) {
  const int descriptor = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (descriptor < 0) throw_io_error(path.string(), "cannot open", errno);
  return descriptor;
}

}  // namespace

bool is_running(const ProcessIdentity& process) {
  if (process.pid <= 0) return false;
  const auto stat = stat_of(process.pid);
  return stat && stat->start_ticks == process.start_ticks && stat->state != 'Z' &&
         stat->state != 'X';
}

bool stop_process(const ProcessIdentity& process, double patience_seconds) {
  const int handle = process.pid > 0 ? handle_of(process) : -1;
  if (handle < 0) return false;
  end_process(handle, static_cast<int>(patience_seconds * 1000));
  close(handle);
  waitpid(static_cast<pid_t>(process.pid), nullptr, WNOHANG);  // if it is a child of ours
  return true;
}

Started::~Started() {
  if (gate_ >= 0) close(gate_);
}

Started::Started(Started&& other) noexcept : identity(other.identity), gate_(other.gate_) {
  other.gate_ = -1;
}

void Started::go() {
  const char byte = 1;
  ssize_t count = 0;
  do count = write(gate_, &byte, 1);
  while (count < 0 && errno == EINTR);
  close(gate_);
  gate_ = -1;
}

Started start_server(const ServerCommand& command) {
  const fs::path program = checked_program(command.arguments.at(0));
  const std::vector<char*> arguments = null_terminated(command.arguments);
  const std::vector<char*> environment = null_terminated(kEnvironment);
  const int log = open_or_throw(command.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  const int nothing = open_or_throw("/dev/null", O_RDONLY);
  const int replaces = command.replaces ? handle_of(*command.replaces) : -1;
  int gate[2];
  if (pipe2(gate, O_CLOEXEC) != 0) throw_io_error("pipe", "cannot open", errno);
  const Launch launch{program.c_str(),
                      arguments.data(),
                      environment.data(),
                      gate[0],
                      log,
                      nothing,
                      replaces,
                      static_cast<int>(command.patience_seconds * 1000)};
  const pid_t child = fork();
  if (child == 0) {
    close(gate[1]);  // otherwise it would wait for itself
    become_server(launch);
  }
  const int failure = errno;
  for (int descriptor : {gate[0], log, nothing, replaces})
    if (descriptor >= 0) close(descriptor);
  if (child < 0) {
    close(gate[1]);
    throw_io_error(program.string(), "cannot start", failure);
  }
  const auto stat = stat_of(child);
  return {ProcessIdentity{child, stat ? stat->start_ticks : 0}, gate[1]};
}

}  // namespace slmtune::ops
