#include "tests/emulator/worker.h"

#include <boost/context/preallocated.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <utility>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace slmtune::emulator {
namespace {

namespace context = boost::context;

constexpr size_t kStackBytes = 256 * 1024;

#ifdef __SANITIZE_ADDRESS__
void leave_stack(void** fake_stack, const void* bottom, size_t bytes) {
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}
void arrive(void* fake_stack, const void** old_bottom, size_t* old_bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, old_bottom, old_bytes);
}
#else
void leave_stack(void**, const void*, size_t) {}
void arrive(void*, const void**, size_t*) {}
#endif

}  // namespace

Worker::Worker() {
  context::protected_fixedsize_stack allocator(kStackBytes);
  const context::stack_context stack = allocator.allocate();
  bytes_ = stack.size;
  bottom_ = reinterpret_cast<uintptr_t>(stack.sp) - bytes_;
  fiber_ = context::fiber(std::allocator_arg, context::preallocated(stack.sp, stack.size, stack),
                          allocator, [this](context::fiber&& caller) {
                            enter(std::move(caller));
                            return std::move(caller_);
                          });
}

void Worker::run(const std::function<void()>& work) {
  work_ = &work;
  void* own_fake_stack = nullptr;
  leave_stack(&own_fake_stack, reinterpret_cast<const void*>(bottom_), bytes_);
  fiber_ = std::move(fiber_).resume();
  arrive(own_fake_stack, nullptr, nullptr);
}

void Worker::stop() {
  leave_stack(&fake_stack_, caller_bottom_, caller_bytes_);
  caller_ = std::move(caller_).resume();
  arrive(fake_stack_, &caller_bottom_, &caller_bytes_);
}

void Worker::enter(context::fiber&& caller) {
  caller_ = std::move(caller);
  arrive(nullptr, &caller_bottom_, &caller_bytes_);
  for (;;) {
    (*work_)();
    stop();
  }
}

}  // namespace slmtune::emulator
