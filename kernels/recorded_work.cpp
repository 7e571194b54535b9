#include "kernels/recorded_work.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

#include "kernels/cuda/cuda_module.h"
#include "kernels/side_stream.h"

namespace slmtune::kernels {
namespace {

class KeptWork final : public RecordedWork {
 public:
  explicit KeptWork(std::function<void()> work) : work_(std::move(work)) {}
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

class CudaGraphWork final : public RecordedWork {
 public:
  CudaGraphWork(at::Device device, const CudaGraphWork* share, const std::function<void()>& work)
      : table_(opened_cuda_module().graphs) {
    SideStream recorder(device);  // the default stream cannot be recorded
    recorder.run([&] {
      check_cuda(table_.begin(device.index(), share ? share->graph_ : nullptr, &graph_),
                 "recording a step");
      try {
        work();
      } catch (...) {
        table_.release(graph_);
        throw;
      }
      const int error = table_.end(graph_);
      if (error != 0) table_.release(graph_);
      check_cuda(error, "recording a step");
    });
  }
  ~CudaGraphWork() override { table_.release(graph_); }
  CudaGraphWork(const CudaGraphWork&) = delete;
  CudaGraphWork& operator=(const CudaGraphWork&) = delete;

  void replay() override { check_cuda(table_.replay(graph_), "starting a recorded step"); }

 private:
  const CudaGraphs& table_;
  void* graph_ = nullptr;
};

}  // namespace

std::unique_ptr<RecordedWork> record_work(at::Device device, const RecordedWork* share,
                                          const std::function<void()>& work) {
  if (device.is_cpu()) return std::make_unique<KeptWork>(work);
  return std::make_unique<CudaGraphWork>(device, static_cast<const CudaGraphWork*>(share), work);
}

}  // namespace slmtune::kernels
