// What GGUF can hold of a model, asked before anything is written.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "export/export.h"
#include "export/gguf/gguf_metadata.h"
#include "models/families/family.h"
#include "models/families/gguf_keys.h"
#include "models/rope_config.h"

namespace slmtune::exporting {
namespace {

// The only YaRN that the keys describe.
bool is_plain_yarn(const models::RopeScaling& rope) {
  return rope.beta_fast == 32.0 && rope.beta_slow == 1.0 && rope.truncate &&
         std::fabs(rope.attention_factor - models::yarn_magnitude(rope.factor)) < 1e-6;
}

// "" when the file can say all of it.
std::string obstacle(const models::GgufFacts& facts, const models::ModelConfig& config) {
  const std::string& rope = config.rope.type;
  if (std::find(facts.rope_types.begin(), facts.rope_types.end(), rope) == facts.rope_types.end())
    return "rope scaling '" + rope + "' cannot be written to GGUF for " + config.architecture;
  if (rope == "yarn" && !is_plain_yarn(config.rope))
    return "rope scaling 'yarn' has another beta, truncation or attention factor than GGUF knows";
  if (facts.fixes_head_dim && config.head_dim * config.heads != config.hidden_size)
    return "llama.cpp takes heads of 'hidden_size' / 'num_attention_heads' channels, and the model "
           "has 'head_dim' " +
           std::to_string(config.head_dim);
  return facts.obstacle != nullptr ? facts.obstacle(config) : "";
}

}  // namespace

void check_gguf(const models::ModelConfig& config, const std::filesystem::path& folder) {
  const std::string help = "export a Hugging Face folder instead";
  const models::Family* family = models::find_family(config.architecture);
  if (family == nullptr || family->gguf.architecture.empty())
    throw FileFormatError(
        "F094", folder.string(),
        "architecture '" + shown(config.architecture) + "' cannot be written to GGUF", help);
  if (const std::string what = obstacle(family->gguf, config); !what.empty())
    throw FileFormatError("F094", folder.string(), what, help);
}

int64_t gguf_context(const models::ModelConfig& config, const models::GgufFacts& facts) {
  const int64_t window = facts.holds_windows ? 0 : models::shortest_window(config);
  return window > 0 ? window : config.max_positions;
}

std::vector<std::string> gguf_notes(const models::ModelConfig& config) {
  const models::GgufFacts& facts = models::find_family(config.architecture)->gguf;
  std::vector<std::string> notes;
  if (const int64_t context = gguf_context(config, facts); context < config.max_positions)
    notes.push_back("the GGUF's context is " + std::to_string(context) +
                    " tokens, the model's sliding window: llama.cpp has no such window for this "
                    "architecture, and up to there it is not needed");
  if (facts.note != nullptr)
    if (std::string note = facts.note(config); !note.empty()) notes.push_back(std::move(note));
  return notes;
}

}  // namespace slmtune::exporting
