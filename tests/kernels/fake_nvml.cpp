// A stand-in for libnvidia-ml.so.1 with the signatures of NVIDIA's reference
// (https://docs.nvidia.com/deploy/nvml-api/): one GPU at 0000:65:00.0. With SLMTUNE_BARE_NVML it is
// that of a card and driver that tell its memory only.
#include <cstring>

#include <unistd.h>

extern "C" {

using nvmlReturn_t = int;
struct nvmlDevice_st {
  int number;
};
using nvmlDevice_t = nvmlDevice_st*;
struct nvmlMemory_t {
  unsigned long long total, free, used;
};
struct nvmlProcessInfo_t {
  unsigned pid;
  unsigned long long usedGpuMemory;
  unsigned gpuInstanceId, computeInstanceId;
};

static nvmlDevice_st gpu{0};
static int started = 0;
static constexpr nvmlReturn_t kSuccess = 0, kUninitialized = 1, kNotSupported = 3, kNotFound = 6,
                              kInsufficientSize = 7;

nvmlReturn_t nvmlInit_v2() {
  ++started;
  return kSuccess;
}
nvmlReturn_t nvmlShutdown() {
  --started;
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char* address, nvmlDevice_t* device) {
  if (started == 0) return kUninitialized;
  if (std::strcmp(address, "0000:65:00.0") != 0) return kNotFound;
  *device = &gpu;
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory) {
  if (device != &gpu) return kNotFound;
  *memory = {24ull << 30, 20ull << 30, 4ull << 30};
  return kSuccess;
}

#ifdef SLMTUNE_BARE_NVML
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t, unsigned*) {
  return kNotSupported;
}
#else
// More processes than a caller's first guess holds; this one is the last.
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned* count,
                                                     nvmlProcessInfo_t* infos) {
  if (device != &gpu) return kNotFound;
  constexpr unsigned kProcesses = 40;
  const unsigned room = *count;
  *count = kProcesses;
  if (room < kProcesses) return kInsufficientSize;
  for (unsigned i = 0; i < kProcesses; ++i) infos[i] = {1, 1ull << 20, ~0u, ~0u};
  infos[kProcesses - 1] = {static_cast<unsigned>(getpid()), 3ull << 30, ~0u, ~0u};
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t, unsigned* milliwatts) {
  *milliwatts = 301500;
  return kSuccess;
}

// 36 kJ more at every call.
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t, unsigned long long* millijoules) {
  static unsigned long long energy = 1'000'000'000;
  *millijoules = energy += 36'000'000;
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t, int sensor, unsigned* celsius) {
  if (sensor != 0) return kNotSupported;
  *celsius = 71;
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t, int kind, unsigned* megahertz) {
  if (kind < 0 || kind > 3) return kNotSupported;
  const unsigned clocks[] = {2520, 2505, 10501, 1950};  // graphics, SM, memory, video
  *megahertz = clocks[kind];
  return kSuccess;
}
#endif

}  // extern "C"
