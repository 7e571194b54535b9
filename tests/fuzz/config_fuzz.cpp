// config.json of a model.
#include "models/model_config.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kConfig("config", [](std::string_view input) {
  write_input("config.json", input);
  read_or_refuse([&] { models::ModelConfig::load(folder()); });
});

}  // namespace slmtune::fuzz
