#include "collective/mpi_collective.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <system_error>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace slmtune::collective {
namespace {

namespace fs = std::filesystem;

constexpr int kPieceValues = 1 << 24;
constexpr const char* kWaited = "?";  // the notice of a rank that waited too long

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw UnavailableError("P004", file.string(), what,
                         "install libopenmpi-dev and openmpi-bin and build again, or start the "
                         "processes with torchrun");
}

const MpiModule* load(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) refuse(file, "this slmtune was built without MPI");
  // RTLD_GLOBAL: OpenMPI's own plugins look for its symbols there.
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!handle) {
    const char* reason = dlerror();
    refuse(file, std::string("the MPI module cannot be loaded: ") + (reason ? reason : ""));
  }
  using Entry = const MpiModule* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(handle, "slmtune_mpi_module"));
  const MpiModule* module = entry ? entry() : nullptr;
  if (!module || module->abi != kMpiModuleAbi)
    refuse(file, "the MPI module belongs to another build of slmtune");
  return module;
}

// First without a pause, for ranks that come at the same time; then leaving the core to others.
class Pause {
 public:
  void operator()() {
    if (++turns_ > 200)
      std::this_thread::sleep_for(std::chrono::microseconds(turns_ > 2000 ? 500 : 20));
  }

 private:
  int turns_ = 0;
};

}  // namespace

fs::path default_mpi_module() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path() / "libslmtune_mpi.so";
}

const MpiModule& open_mpi_module(const fs::path& file) {
  static const MpiModule* const opened = load(file);
  return *opened;
}

MpiCollective::MpiCollective(const Launch& launch, const MpiModule& mpi)
    : Collective(launch.rank, launch.size), launch_(launch), mpi_(mpi) {
  int rank = 0, size = 0;
  check(mpi_.join(&rank, &size), "starting MPI");
  if (rank != launch.rank || size != launch.size)
    throw UserError("P002", fmt::format("rank {}", rank),
                    fmt::format("MPI counts this process as rank {} of {}, the launcher's "
                                "variables as rank {} of {}",
                                rank, size, launch.rank, launch.size),
                    "start slmtune by mpirun directly, of the OpenMPI that it was built with");
}

void MpiCollective::check(int error, const char* call) const {
  if (error == 0) return;
  std::array<char, 512> text{};
  mpi_.error_text(error, text.data(), text.size());
  throw UnavailableError("P004", "MPI", std::string(call) + " failed: " + shown(text.data(), 300),
                         "look at the messages of mpirun");
}

void MpiCollective::look_for_notice() {
  int rank = -1;
  std::array<char, 1024> text{};
  check(mpi_.take_notice(&rank, text.data(), text.size()), "MPI");
  if (rank >= 0 && std::string_view(text.data()) != kWaited)
    throw_lost(rank, std::string("ended: ") + text.data());
}

// All that wait do this at about the same time, and take each other's notices.
void MpiCollective::give_up() {
  check(mpi_.notify(kWaited), "MPI");
  const double until = now_seconds() + kHearSeconds;
  int missing = -1;
  while (mpi_.waiting_for(&missing) && now_seconds() < until) {
    look_for_notice();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!mpi_.waiting_for(&missing)) missing = leads() ? 1 : 0;
  throw_lost(missing, "did not come within " + human_seconds(launch_.patience));
}

void MpiCollective::finish(const char* call) {
  const double until = now_seconds() + launch_.patience;
  Pause pause;
  for (int turn = 0;; ++turn) {
    int done = 0;
    check(mpi_.is_done(&done), call);
    if (done) return;
    if (turn % 64 == 63) look_for_notice();
    if (now_seconds() > until) give_up();
    pause();
  }
}

void MpiCollective::sum(float* values, int64_t count) {
  for (int64_t first = 0; first < count; first += kPieceValues) {
    const auto piece = static_cast<int>(std::min<int64_t>(kPieceValues, count - first));
    check(mpi_.start_float_sum(values + first, piece), "adding up");
    finish("adding up");
  }
}

void MpiCollective::sum(std::span<double> numbers) {
  for (size_t first = 0; first < numbers.size(); first += kPieceValues) {
    const size_t piece = std::min<size_t>(kPieceValues, numbers.size() - first);
    check(mpi_.start_double_sum(numbers.data() + first, static_cast<int>(piece)), "adding up");
    finish("adding up");
  }
}

void MpiCollective::broadcast(std::vector<std::byte>& bytes) {
  uint64_t left = bytes.size();
  check(mpi_.start_broadcast(&left, sizeof(left)), "broadcasting");
  finish("broadcasting");
  bytes.resize(left);
  for (uint64_t first = 0; first < left; first += kPieceValues) {
    const auto piece = static_cast<int>(std::min<uint64_t>(kPieceValues, left - first));
    check(mpi_.start_broadcast(bytes.data() + first, piece), "broadcasting");
    finish("broadcasting");
  }
}

void MpiCollective::barrier() {
  double nothing = 0.0;
  sum({&nothing, 1});
}

void MpiCollective::settle() {
  look_for_notice();
}

void MpiCollective::fail(const std::string& why) noexcept {
  try {
    check(mpi_.notify(why.c_str()), "MPI");
    const double until = now_seconds() + kHearSeconds;
    int missing = 0, other = -1;
    std::array<char, 1024> text{};
    // Others may fail at the same time, and wait for this rank to hear it.
    while (mpi_.waiting_for(&missing) && now_seconds() < until) {
      check(mpi_.take_notice(&other, text.data(), text.size()), "MPI");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  } catch (...) {
    // mpirun ends the others then.
  }
}

void MpiCollective::leave() {
  barrier();
  check(mpi_.leave(), "ending MPI");
}

}  // namespace slmtune::collective
