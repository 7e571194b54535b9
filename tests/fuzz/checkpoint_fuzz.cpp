// state.json of a checkpoint.
#include "tests/fuzz/fuzz_target.h"
#include "train/checkpoint_folders.h"

namespace slmtune::fuzz {

const Target kCheckpoint("checkpoint", [](std::string_view input) {
  for (const char* name : train::kCheckpointFiles) write_input(name, "weights");
  write_input("state.json", input);
  read_or_refuse([&] { train::read_state(folder()); });
  read_or_refuse([&] { train::read_verified_state(folder()); });
});

}  // namespace slmtune::fuzz
