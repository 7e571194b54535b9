#include "cli/engine/answer.h"

namespace slmtune::cli {

Answer answer(LoadedModel& loaded, std::span<const int32_t> prompt,
              const eval::SamplingOptions& options,
              const std::function<void(const std::string&)>& on_text) {
  data::StreamDecoder decoder(loaded.text.tokenizer);
  Answer result;
  auto add = [&](const std::string& piece) {
    result.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  auto on_token = [&](int32_t id) {
    add(decoder.push(id));
    return true;
  };
  result.ids =
      eval::generate(*loaded.model, prompt, loaded.text.tokenizer.stop_ids(), options, on_token);
  add(decoder.finish());
  return result;
}

}  // namespace slmtune::cli
