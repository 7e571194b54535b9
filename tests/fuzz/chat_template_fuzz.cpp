// A chat template's Jinja text, bare and as tokenizer_config.json holds it: recognised, never run.
#include "data/chat/chat_template.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kChatTemplate("chat_template", [](std::string_view input) {
  using data::ChatTemplate;
  write_input("chat_template.jinja", input);
  read_or_refuse([&] { ChatTemplate::detect(folder()); });
  std::filesystem::remove(folder() / "chat_template.jinja");
  write_input("tokenizer_config.json", input);
  read_or_refuse([&] { ChatTemplate::detect(folder()); });
});

}  // namespace slmtune::fuzz
