#include "eval/evaluate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "eval/answer_metrics.h"
#include "train/loss.h"

namespace slmtune::eval {
namespace {

constexpr size_t kRowsPerGroup =
    1024;  // packed together: enough for full micro-batches, few enough for little memory
constexpr int64_t kLabelRowsPerChunk = 1024;
constexpr int64_t kDefaultMicroBatchTokens = 2048;

// Tokens that an answer may have: `max_tokens`, or what the context leaves after the prompt.
int64_t answer_budget(const models::CausalLM& model, const Question& question, int64_t max_tokens) {
  const int64_t limit = model.config().max_positions,
                used = static_cast<int64_t>(question.prompt.size());
  if (limit <= 0) return max_tokens;
  if (used >= limit)
    throw UserError("D030", question.place,
                    "the row's " + std::to_string(used) +
                        " prompt tokens fill the model's context of " + std::to_string(limit),
                    "leave the row out, or shorten it");
  return std::min(max_tokens, limit - used);
}

}  // namespace

Score score_loss(models::CausalLM& model, const data::Rows& rows, int64_t micro_batch_tokens) {
  const at::NoGradGuard no_gradients;
  const int64_t budget = micro_batch_tokens > 0 ? micro_batch_tokens : kDefaultMicroBatchTokens;
  ProgressLine progress;
  Score score;
  double sum = 0.0;
  size_t rows_done = 0;
  for (size_t first = 0; first < rows.size(); first += kRowsPerGroup) {
    std::vector<uint64_t> group(std::min(kRowsPerGroup, rows.size() - first));
    std::iota(group.begin(), group.end(), uint64_t{first});
    for (const data::MicroBatch& batch : data::pack(rows, group, budget, /*pack=*/true)) {
      check_stop();
      rows_done += batch.starts.size() - 1;
      if (batch.trained == 0) continue;
      const train::BatchTensors tensors = train::to_tensors(batch, model.device);
      sum += train::loss_sum(model, tensors, kLabelRowsPerChunk).item<double>();
      score.label_tokens += batch.trained;
      progress.show(fmt::format("evaluating loss: {} of {} rows, {} label tokens, loss {:.4f}",
                                rows_done, rows.size(), score.label_tokens,
                                sum / static_cast<double>(score.label_tokens)));
    }
  }
  if (score.label_tokens > 0) score.loss = sum / static_cast<double>(score.label_tokens);
  score.perplexity = std::exp(score.loss);
  return score;
}

void score_answers(models::CausalLM& model, const data::Tokenizer& tokenizer,
                   std::span<const Question> rows, int64_t max_tokens, Score& score,
                   const std::function<void(size_t, const std::string&)>& on_answer) {
  if (rows.empty()) return;
  ProgressLine progress;
  double exact = 0.0, overlap = 0.0;
  SamplingOptions options;
  for (size_t i = 0; i < rows.size(); ++i) {
    options.max_tokens = answer_budget(model, rows[i], max_tokens);
    const std::vector<int32_t> ids = generate(model, rows[i].prompt, tokenizer.stop_ids(), options);
    const std::string answer = tokenizer.decode(ids);
    exact += exact_match(answer, rows[i].reference) ? 1.0 : 0.0;
    overlap += token_f1(answer, rows[i].reference);
    if (on_answer) on_answer(i, answer);
    const double done = static_cast<double>(i + 1);
    progress.show(fmt::format("answering: {} of {}, exact match {:.1f} %, F1 {:.1f} %", i + 1,
                              rows.size(), 100.0 * exact / done, 100.0 * overlap / done));
  }
  score.answers = static_cast<int64_t>(rows.size());
  score.exact_match = exact / static_cast<double>(rows.size());
  score.f1 = overlap / static_cast<double>(rows.size());
}

}  // namespace slmtune::eval
