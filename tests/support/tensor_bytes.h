// Bytes of tensors that exist at a time, as LibTorch's allocator reports them.
//
//   const auto bytes = std::make_shared<TensorBytes>();
//   const c10::DebugInfoGuard watching(c10::DebugInfoKind::PROFILER_STATE, bytes);
//   ...  bytes->most
#pragma once
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>

namespace slmtune::testing {

class TensorBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
    now_ += size;
    most = std::max(most, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t most = 0;

 private:
  int64_t now_ = 0;
};

}  // namespace slmtune::testing
