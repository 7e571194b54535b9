// Several processes that train together, as the train command sees them: they meet, the leader says
// with what, all leave together. With one process nothing of this does anything.
#pragma once
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "collective/collective.h"
#include "collective/launch.h"
#include "core/error.h"
#include "core/stop.h"
#include "train/identity.h"

namespace slmtune::cli {

// For all ranks of this machine to use GPUs of their own: before the first CUDA call. P001.
void pick_gpu(const collective::Launch& launch);

class Ranks {
 public:
  explicit Ranks(const collective::Launch& launch) : launch_(launch) {}

  const collective::Launch& launch() const { return launch_; }
  void join(bool on_gpu);  // P002 to P005
  // Of the time between join() and leave(); else this process alone.
  collective::Collective& all() { return joined_ ? *joined_ : collective::alone(); }
  void leave();

  // The leader says what all train; without an identity there is nothing to train.
  void tell(const std::optional<train::Identity>& identity);
  std::optional<train::Identity> hear();

  // Runs `work`; when it fails the others are told, so that they end, too.
  template <typename Work>
  auto guard(const Work& work) {
    try {
      return work();
    } catch (const Error& error) {
      if (error.code() != "P003") all().fail(text_of(error));
      throw;
    } catch (const StopRequested&) {
      all().fail("it was stopped");
      throw;
    } catch (const std::exception& error) {
      all().fail(error.what());
      throw;
    }
  }

 private:
  static std::string text_of(const Error& error);

  const collective::Launch launch_;
  std::unique_ptr<collective::Collective> joined_;
};

// P002 where this rank would train something else than the leader. What a machine adds ("kernel.…")
// may differ.
void check_same_run(int rank, const train::Identity& leaders, const train::Identity& own);

}  // namespace slmtune::cli
