// One answer, written out while it is made; shared by generate and chat.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/engine/model_source.h"
#include "eval/generation.h"

namespace slmtune::cli {

struct Answer {
  std::string text;
  std::vector<int32_t> ids;
};

// `on_text` gets each piece of text that became complete; whole characters only.
Answer answer(LoadedModel& loaded, std::span<const int32_t> prompt,
              const eval::SamplingOptions& options,
              const std::function<void(const std::string&)>& on_text = {});

}  // namespace slmtune::cli
