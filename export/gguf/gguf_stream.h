// From the plan of a GGUF file to the bytes of its tensors, streamed: one thread reads or merges
// ahead, one per core converts, encodes and decodes again, and the caller writes. A run is about a
// million values, and only a few of them are in memory at a time, however large a tensor is.
//
//   source ──> [run][run][run] ──> encode, decode, compare ──> [bytes][bytes] ──> write
//   (one thread)  (waiting)            (one thread per core)      (in file order)   (the caller)
//
//   EncodedStream stream(plan);
//   for (size_t i = 0; i < plan.size(); ++i) stream.write(i, [&](auto bytes) { file.write(bytes);
//   });
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "export/gguf/encoded_run.h"
#include "export/gguf/gguf_tensors.h"

namespace slmtune::exporting {

// What is known of a tensor that was written.
struct WrittenTensor {
  struct Piece {
    uint64_t bytes = 0;
    uint32_t crc = 0;
  };

  Difference difference;
  std::vector<Piece> pieces;  // as they were handed over, in order
};

class EncodedStream {
 public:
  // `plan` must live as long. Every core that this process may use encodes.
  explicit EncodedStream(std::span<const PlannedTensor> plan);
  ~EncodedStream();
  EncodedStream(const EncodedStream&) = delete;
  EncodedStream& operator=(const EncodedStream&) = delete;

  // The bytes of tensor `index`, in pieces; to be called for 0, 1, 2, … Throws what the source
  // throws, F096 for a value that the encoding cannot hold, StopRequested.
  void write(size_t index, const std::function<void(std::span<const std::byte>)>& take);

  // One per tensor of the plan, filled as they are written.
  const std::vector<WrittenTensor>& written() const { return written_; }

 private:
  struct Run {
    size_t tensor = 0;
    std::vector<std::byte> values;  // as the source stores them, rows in the order of the file
    EncodedRun encoded;
    std::exception_ptr failure;
    bool is_done = false;
  };

  void read();
  void read_tensor(size_t index);
  void encode();
  void add(std::unique_ptr<Run> run);
  Run* next_to_encode();
  std::unique_ptr<Run> next_to_write();

  std::span<const PlannedTensor> plan_;
  std::vector<WrittenTensor> written_;
  size_t window_ = 0;  // most runs in memory

  std::mutex mutex_;
  std::condition_variable room_, work_, done_;
  std::deque<std::unique_ptr<Run>> runs_;  // in file order; the first `taken_` are being encoded
  size_t taken_ = 0;
  bool is_stopped_ = false, is_read_ = false;
  std::vector<std::jthread> threads_;  // last: joined before the rest goes
};

}  // namespace slmtune::exporting
