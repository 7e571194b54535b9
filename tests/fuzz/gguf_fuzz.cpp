// A GGUF file: metadata, tensor table and every tensor's bytes; the model and the tokenizer in it.
#include "export/gguf/gguf_source.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kGguf("gguf", [](std::string_view input) {
  const std::filesystem::path path = write_input("a.gguf", input);
  read_or_refuse([&] {
    const auto file = exporting::GgufFile::open(path);
    for (const auto& tensor : file.tensors()) touch(file.data(tensor.name));
    exporting::gguf_chat_template(file);
    const data::Tokenizer tokenizer = exporting::gguf_tokenizer(file);
    tokenizer.decode(tokenizer.encode("ab  abc <s> e\u0301\u4e2d 123\n<|im_end|>"));
  });
  read_or_refuse([&] {
    const auto source = exporting::GgufSource::open(path);
    for (const TensorSource& tensor : source.tensors())
      tensor.fill([](std::span<const std::byte> values) { touch(values); });
  });
});

}  // namespace slmtune::fuzz
