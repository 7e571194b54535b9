#include "tests/faults/shim_gate.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace slmtune::faults {
namespace {

struct State {
  std::recursive_mutex mutex;
  Plan plan;
  bool is_armed = false;
  int64_t calls = 0;
  int report = -1;
  DiskModel disk;
};

State& state() {
  static State* the_state = new State;  // outlives every destructor that still writes
  return *the_state;
}

thread_local int own_calls = 0;

[[noreturn]] void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// Return addresses of the callers, the innermost first; the shim's own frames among them do no
// harm.
std::array<void*, 16> callers() {
  std::array<void*, 16> frames{};
  backtrace(frames.data(), static_cast<int>(frames.size()));
  return frames;
}

bool is_called_from(const void* address) {
  if (!address) return false;
  const auto frames = callers();
  return std::find(frames.begin(), frames.end(), address) != frames.end();
}

void report(CallKind kind, const std::string& path) {
  std::ostringstream line;
  line << static_cast<int>(kind);
  for (const void* frame : callers()) line << ' ' << frame;
  line << ' ' << path << '\n';
  const std::string text = line.str();
  if (syscall(SYS_write, state().report, text.data(), text.size()) < 0) die();
}

int error_of(Fault fault) {
  switch (fault) {
    case Fault::kNoSpace:
      return ENOSPC;
    case Fault::kInputError:
      return EIO;
    case Fault::kInterrupt:
      return EINTR;
    default:
      return 0;
  }
}

const char* text_of(const char* name) {
  const char* text = std::getenv(name);
  return text ? text : "";
}

Fault fault_of(const std::string& name) {
  constexpr std::pair<const char*, Fault> kNames[] = {
      {"kill-before", Fault::kKillBefore}, {"kill-half", Fault::kKillHalf},
      {"kill-after", Fault::kKillAfter},   {"power-cut", Fault::kPowerCut},
      {"no-space", Fault::kNoSpace},       {"input-error", Fault::kInputError},
      {"short-write", Fault::kShortWrite}, {"interrupt", Fault::kInterrupt}};
  for (const auto& [known, fault] : kNames)
    if (name == known) return fault;
  return Fault::kNone;
}

__attribute__((constructor)) void arm_from_environment() {
  Plan plan;
  plan.root = text_of("SLMTUNE_FAULT_ROOT");
  if (plan.root.empty()) return;
  plan.at = std::atoll(text_of("SLMTUNE_FAULT_AT"));
  plan.fault = fault_of(text_of("SLMTUNE_FAULT"));
  plan.lasts = *text_of("SLMTUNE_FAULT_LASTS") != '\0';
  plan.loss = static_cast<Loss>(std::atoi(text_of("SLMTUNE_FAULT_LOSS")) & 3);
  plan.seed = std::strtoull(text_of("SLMTUNE_FAULT_SEED"), nullptr, 10);
  if (*text_of("SLMTUNE_FAULT_FREE")) plan.free_bytes = std::atoll(text_of("SLMTUNE_FAULT_FREE"));
  plan.report = text_of("SLMTUNE_FAULT_REPORT");
  arm(plan);
}

}  // namespace

bool can_have(CallKind kind, Fault fault) {
  using enum CallKind;
  const bool removes = kind == kUnlink || kind == kRemoveFolder;
  const bool renames = kind == kRename || kind == kLink;
  switch (fault) {
    case Fault::kNone:
      return false;
    case Fault::kKillHalf:
    case Fault::kShortWrite:
      return kind == kWrite;
    case Fault::kNoSpace:
      return !removes;
    case Fault::kInterrupt:
      return !removes && !renames && kind != kMakeFolder;
    default:
      return true;
  }
}

void arm(const Plan& plan) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  ++own_calls;
  s.plan = plan;
  s.calls = 0;
  if (!plan.report.empty())
    s.report = open(plan.report.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (plan.fault == Fault::kPowerCut || plan.can_cut) s.disk.begin(plan.root);
  callers();  // the first backtrace loads a library
  s.is_armed = true;
  --own_calls;
}

void disarm() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  s.is_armed = false;
  if (s.report >= 0) close(s.report);
  s.report = -1;
}

void cut_power() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  ++own_calls;
  if (s.disk.is_active()) s.disk.cut(s.plan.loss, s.plan.seed);
  s.is_armed = false;
  --own_calls;
}

std::string path_of(int descriptor) {
  char target[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = readlink(link.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

std::string absolute_path(int folder_descriptor, const char* path) {
  if (!path || !*path) return {};
  std::string whole = path;
  if (whole[0] != '/') {
    char here[PATH_MAX];
    if (folder_descriptor != AT_FDCWD)
      whole = path_of(folder_descriptor) + "/" + whole;
    else if (getcwd(here, sizeof here))
      whole = std::string(here) + "/" + whole;
  }
  whole = std::filesystem::path(whole).lexically_normal().string();
  while (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  return whole;
}

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

bool is_watched(const std::string& path) {
  const State& s = state();
  if (!s.is_armed || own_calls > 0) return false;
  const std::string& root = s.plan.root;
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

DiskModel* disk_model() {
  return state().disk.is_active() ? &state().disk : nullptr;
}

int64_t planned_free_bytes() {
  return state().plan.free_bytes;
}

bool has_plain_renames() {
  return state().plan.plain_renames;
}

Passage::Passage(CallKind kind, const std::string& path) : kind_(kind) {
  State& s = state();
  s.mutex.lock();
  ++own_calls;
  number_ = ++s.calls;
  if (s.report >= 0) report(kind, path);
  const Plan& plan = s.plan;
  decision_.is_pretended = kind == CallKind::kSync && is_called_from(plan.no_sync);
  decision_.is_torn = kind == CallKind::kRename && is_called_from(plan.torn_rename);
  const bool is_later = plan.lasts && number_ > plan.at;
  if (plan.at == 0 || (number_ != plan.at && !is_later) || !can_have(kind, plan.fault)) return;
  if (plan.fault == Fault::kKillBefore) die();
  decision_.error = error_of(plan.fault);
  decision_.is_half = plan.fault == Fault::kShortWrite || plan.fault == Fault::kKillHalf;
}

void Passage::end() {
  State& s = state();
  if (s.plan.at == 0 || number_ != s.plan.at || !can_have(kind_, s.plan.fault)) return;
  if (s.plan.fault == Fault::kPowerCut) s.disk.cut(s.plan.loss, s.plan.seed);
  if (s.plan.fault == Fault::kPowerCut || s.plan.fault == Fault::kKillAfter ||
      s.plan.fault == Fault::kKillHalf)
    die();
}

Passage::~Passage() {
  --own_calls;
  state().mutex.unlock();
}

void pass_point(CallKind kind, const std::string& path) {
  --own_calls;
  {
    Passage point(kind, path);
    point.end();
  }
  ++own_calls;
}

}  // namespace slmtune::faults
