#include "kernels/cuda/nvml.h"

#include <dlfcn.h>
#include <unistd.h>

#include <vector>

namespace slmtune::kernels {
namespace {

// The parts of nvml.h that are used here.
struct Device;  // nvmlDevice_t is a pointer to it
using Result = int;
constexpr Result kSuccess = 0, kInsufficientSize = 7;
constexpr int kTemperatureOfChip = 0, kClockOfCores = 1, kClockOfMemory = 2;
constexpr uint64_t kNotAvailable = ~uint64_t{0};

struct Memory {
  unsigned long long total, free, used;
};

struct Process {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
};

}  // namespace

struct Nvml::Calls {
  Calls() = default;
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;
  ~Calls() {
    if (started && shutdown != nullptr) shutdown();
    if (library != nullptr) dlclose(library);
  }

  template <typename Function>
  void find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(dlsym(library, name));
  }

  // False without what every reading needs.
  bool open(const char* file) {
    library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return false;
    find("nvmlInit_v2", start);
    find("nvmlShutdown", shutdown);
    find("nvmlDeviceGetHandleByPciBusId_v2", device_at);
    find("nvmlDeviceGetMemoryInfo", memory);
    find("nvmlDeviceGetComputeRunningProcesses_v3", processes);
    find("nvmlDeviceGetPowerUsage", power);
    find("nvmlDeviceGetTotalEnergyConsumption", energy);
    find("nvmlDeviceGetTemperature", temperature);
    find("nvmlDeviceGetClockInfo", clock);
    started = start != nullptr && device_at != nullptr && start() == kSuccess;
    return started;
  }

  void* library = nullptr;
  bool started = false;
  Device* device = nullptr;
  Result (*start)() = nullptr;
  Result (*shutdown)() = nullptr;
  Result (*device_at)(const char* pci_address, Device** device) = nullptr;
  Result (*memory)(Device*, Memory*) = nullptr;
  Result (*processes)(Device*, unsigned* count, Process*) = nullptr;
  Result (*power)(Device*, unsigned* milliwatts) = nullptr;
  Result (*energy)(Device*, unsigned long long* millijoules) = nullptr;
  Result (*temperature)(Device*, int sensor, unsigned* celsius) = nullptr;
  Result (*clock)(Device*, int kind, unsigned* megahertz) = nullptr;
};

namespace {

// In a container the driver may count processes by the host's numbers; then this one is not found.
template <typename Calls>
std::optional<uint64_t> memory_of_this_process(const Calls& calls) {
  if (calls.processes == nullptr) return std::nullopt;
  std::vector<Process> found(16);
  auto count = static_cast<unsigned>(found.size());
  Result result = calls.processes(calls.device, &count, found.data());
  if (result == kInsufficientSize) {
    found.resize(count + 16);
    count = static_cast<unsigned>(found.size());
    result = calls.processes(calls.device, &count, found.data());
  }
  if (result != kSuccess || count > found.size()) return std::nullopt;
  const auto own = static_cast<unsigned>(getpid());
  for (unsigned i = 0; i < count; ++i)
    if (found[i].pid == own && found[i].memory != kNotAvailable) return found[i].memory;
  return std::nullopt;
}

template <typename Calls>
std::optional<int> megahertz(const Calls& calls, int kind) {
  unsigned value = 0;
  if (calls.clock == nullptr || calls.clock(calls.device, kind, &value) != kSuccess)
    return std::nullopt;
  return static_cast<int>(value);
}

}  // namespace

Nvml::Nvml(std::unique_ptr<Calls> calls) : calls_(std::move(calls)) {}
Nvml::~Nvml() = default;

std::unique_ptr<Nvml> Nvml::open(const std::string& pci_address, const std::string& library) {
  auto calls = std::make_unique<Calls>();
  if (!calls->open(library.c_str()) ||
      calls->device_at(pci_address.c_str(), &calls->device) != kSuccess)
    return nullptr;
  return std::unique_ptr<Nvml>(new Nvml(std::move(calls)));
}

NvmlReading Nvml::read() const {
  const Calls& calls = *calls_;
  NvmlReading reading;
  if (Memory memory{}; calls.memory && calls.memory(calls.device, &memory) == kSuccess) {
    reading.memory_total = memory.total;
    reading.memory_used = memory.used;
  }
  reading.process_memory = memory_of_this_process(calls);
  unsigned value = 0;
  if (calls.power && calls.power(calls.device, &value) == kSuccess) reading.watts = value / 1e3;
  unsigned long long energy = 0;
  if (calls.energy && calls.energy(calls.device, &energy) == kSuccess)
    reading.joules = static_cast<double>(energy) / 1e3;
  if (calls.temperature && calls.temperature(calls.device, kTemperatureOfChip, &value) == kSuccess)
    reading.celsius = value;
  reading.core_mhz = megahertz(calls, kClockOfCores);
  reading.memory_mhz = megahertz(calls, kClockOfMemory);
  return reading;
}

}  // namespace slmtune::kernels
