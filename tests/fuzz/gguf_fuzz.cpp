// A GGUF file: metadata, tensor table, and every tensor's bytes.
#include "export/gguf/gguf.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kGguf("gguf", [](std::string_view input) {
  read_or_refuse([&] {
    const auto file = exporting::GgufFile::open(write_input("a.gguf", input));
    for (const auto& tensor : file.tensors()) touch(file.data(tensor.name));
  });
});

}  // namespace slmtune::fuzz
