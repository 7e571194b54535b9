// Memory for a run that does not fit beside the model servers of its store: they pause while it
// trains (Program::make_room).
//
//   RunRoom room;                                          // lives longer than model and tensors
//   if (room.make(recipe, memory, device, make_room)) ...  // what is free is another amount now
#pragma once
#include <memory>

#include "cli/engine/memory_choice.h"

namespace slmtune::cli {

class RunRoom {
 public:
  RunRoom() = default;
  ~RunRoom();
  RunRoom(const RunRoom&) = delete;
  RunRoom& operator=(const RunRoom&) = delete;

  // Whether servers pause now: where `memory` is planned for more than is free, and would fit if
  // nothing else ran (else they would stop for nothing). V009, L001.
  bool make(const Recipe& recipe, const MemoryChoice& memory, const kernels::DeviceChoice& device,
            const MakeRoom& make_room);

 private:
  at::Device device_ = at::kCPU;
  std::shared_ptr<void> pause_;
};

}  // namespace slmtune::cli
