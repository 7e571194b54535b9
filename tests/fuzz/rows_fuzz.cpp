// A JSONL file of any shape; conversations are also printed by one of the chat templates.
#include "data/chat/chat_template.h"
#include "data/loader.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kRows("rows", [](std::string_view input) {
  using namespace data;
  read_or_refuse([&] {
    const auto templates = ChatTemplate::all();
    const ChatTemplate& chat = templates[input.size() % templates.size()];
    for (const Example& row : read_examples(write_input("rows.jsonl", input), "auto"))
      if (row.kind == Example::Kind::kChat)
        read_or_refuse([&] { chat.render_text(row, input.size() % 2 == 0); });
  });
});

}  // namespace slmtune::fuzz
