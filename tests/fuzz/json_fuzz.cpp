// A JSON file of a model folder; as an index of shards, it may name files.
#include "core/json.h"

#include "core/safetensors.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kJson("json", [](std::string_view input) {
  read_or_refuse([&] {
    const Json json = read_json(write_input("model.safetensors.index.json", input));
    read_or_refuse([&] { json_integer(json, "a", "a.json"); });
    read_or_refuse([&] { json_number(json, "a", "a.json"); });
    read_or_refuse([&] { json_text(json, "a", "a.json"); });
    TensorFolder::open(folder());
  });
});

}  // namespace slmtune::fuzz
