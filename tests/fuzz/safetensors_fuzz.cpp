// A safetensors file: header, ranges, and every tensor's bytes.
#include "core/safetensors.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kSafetensors("safetensors", [](std::string_view input) {
  read_or_refuse([&] {
    const auto file = SafetensorsFile::open(write_input("a.safetensors", input));
    for (const auto& [name, tensor] : file.tensors()) touch(tensor.bytes);
  });
});

}  // namespace slmtune::fuzz
