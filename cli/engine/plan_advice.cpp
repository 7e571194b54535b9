#include "cli/engine/plan_advice.h"

#include <fmt/format.h>

namespace slmtune::cli {
namespace {

// Fewer rows teach a manner, but facts only by rote.
constexpr int64_t kRowsForFacts = 1000, kFewRows = 100;
constexpr double kManyEpochs = 10;

Advice retrieval(int64_t rows) {
  return {"retrieval",
          fmt::format("fewer than {} records ({}): use retrieval (RAG) instead of training where "
                      "the answers are facts",
                      kRowsForFacts, rows),
          {"facts that change, by the week or the day: an index is updated in a minute, a model is "
           "trained again",
           "so few records teach facts by rote; a question put another way gets an invented answer",
           "answers that have to name their source: a retrieved text can be cited, weights cannot",
           "who may see which record: an index can check rights, a model tells everybody",
           "training remains right for manner and form: tone, fixed formats, sorting into classes; "
           "the two also go together"}};
}

}  // namespace

std::vector<Advice> advice_for(const Recipe& recipe, const PlanInputs& inputs) {
  std::vector<Advice> all;
  const PlanRows& rows = inputs.rows;
  if (recipe.objective == "sft" && rows.rows < kRowsForFacts) all.push_back(retrieval(rows.rows));
  if (inputs.epochs > kManyEpochs)
    all.push_back({"many_epochs",
                   fmt::format("{:.0f} epochs: most recipes learn all that they can in 1 to 4, and "
                               "recite afterwards; watch the validation loss",
                               inputs.epochs),
                   {}});
  if (!recipe.data.valid && recipe.data.valid_fraction == 0)
    all.push_back({"no_validation",
                   "there are no validation rows, so nothing tells whether the model got better: "
                   "add 'valid: {fraction: 0.05}' to section 'data'",
                   {}});
  if (recipe.method == "full" && rows.rows < 10 * kFewRows)
    all.push_back({"full_few_rows",
                   "method full changes every weight for few rows and forgets other skills easily: "
                   "'method: lora' is safer and takes a fraction of the memory",
                   {}});
  if (rows.is_estimated && rows.too_long > 0)
    all.push_back(
        {"too_long",
         fmt::format("about {} rows are longer than data.max_tokens ({}): 'data.too_long' "
                     "says whether they are refused, dropped or truncated",
                     rows.too_long, recipe.data.max_tokens),
         {}});
  return all;
}

}  // namespace slmtune::cli
