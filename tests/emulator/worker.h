// A fiber with a stack of its own that runs one piece of work after another. Workers are kept for
// the whole program; one that stopped in the middle is left behind with its stack.
#pragma once
#include <boost/context/fiber.hpp>
#include <cstdint>
#include <functional>

namespace slmtune::emulator {

class Worker {
 public:
  Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Goes on with `work`, or starts it, until it stops or ends. Called by the program's own thread.
  void run(const std::function<void()>& work);
  // Called by the work: back to run()'s caller, until the next run().
  void stop();

  bool holds(uintptr_t address) const { return address - bottom_ < bytes_; }

 private:
  void enter(boost::context::fiber&& caller);

  boost::context::fiber fiber_, caller_;
  const std::function<void()>* work_ = nullptr;
  uintptr_t bottom_ = 0;
  size_t bytes_ = 0;
  // AddressSanitizer is told of every change of stacks.
  void* fake_stack_ = nullptr;
  const void* caller_bottom_ = nullptr;
  size_t caller_bytes_ = 0;
};

}  // namespace slmtune::emulator
