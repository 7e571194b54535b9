#include "eval/agreement.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "eval/generation.h"

namespace slmtune::eval {
namespace {

constexpr int64_t kPlacesPerChunk = 64;  // logits of so many are in memory at once

// Calls `take(first, log_probabilities)` with chunks [n, V] float32 on the CPU, for the tokens that
// follow the given places of `ids`.
template <typename Take>
void for_each_chunk(models::CausalLM& model, const std::vector<int32_t>& ids,
                    const std::vector<int64_t>& places, Take take) {
  if (places.empty()) return;
  check_stop();
  const std::vector<int64_t> wide(ids.begin(), ids.end());
  const at::Tensor input = at::tensor(wide, at::kLong).to(model.device);
  const auto count = static_cast<int64_t>(ids.size());
  const at::Tensor hidden = model.hidden(input, models::Layout::single(count))
                                .index_select(0, at::tensor(places, at::kLong).to(model.device));
  for (int64_t first = 0; first < hidden.size(0); first += kPlacesPerChunk) {
    const int64_t length = std::min(kPlacesPerChunk, hidden.size(0) - first);
    const at::Tensor logits =
        model.logits(hidden.narrow(0, first, length)).to(at::kCPU, at::kFloat);
    take(first, at::log_softmax(logits, -1));
  }
}

std::vector<int64_t> places_before_trained(const AgreementRow& row) {
  std::vector<int64_t> places;
  for (size_t i = 1; i < row.ids.size(); ++i)
    if (row.is_trained[i]) places.push_back(static_cast<int64_t>(i) - 1);
  return places;
}

at::Tensor tokens_after(const std::vector<int32_t>& ids, const std::vector<int64_t>& places) {
  std::vector<int64_t> tokens;
  for (const int64_t place : places) tokens.push_back(ids[static_cast<size_t>(place) + 1]);
  return at::tensor(tokens, at::kLong);
}

// Likeliest tokens at the prompt's last token and along the answer.
std::vector<int32_t> best_along(models::CausalLM& model, const std::vector<int32_t>& answered,
                                int64_t prompt, size_t count) {
  std::vector<int64_t> places;
  for (size_t i = 0; i < count; ++i) places.push_back(prompt - 1 + static_cast<int64_t>(i));
  std::vector<int32_t> best;
  for_each_chunk(model, answered, places, [&](int64_t, const at::Tensor& log_probabilities) {
    const at::Tensor found = log_probabilities.argmax(-1).to(at::kInt).contiguous();
    const int32_t* first = found.const_data_ptr<int32_t>();
    best.insert(best.end(), first, first + found.numel());
  });
  return best;
}

void answer(models::CausalLM& model, const AgreementOptions& options, RowTestimony& said) {
  const AgreementRow& row = said.row;
  const std::span<const int32_t> prompt(row.ids.data(), static_cast<size_t>(row.prompt));
  const int64_t context = model.config().max_positions;
  SamplingOptions sampling;
  sampling.greedy = true;
  sampling.max_tokens =
      context > 0 ? std::min(options.max_tokens, context - row.prompt) : options.max_tokens;
  said.answered.assign(prompt.begin(), prompt.end());
  if (sampling.max_tokens <= 0) return;
  const std::vector<int32_t> made = generate(model, prompt, options.stop_ids, sampling);
  said.answered.insert(said.answered.end(), made.begin(), made.end());
  const bool has_stopped = static_cast<int64_t>(made.size()) < sampling.max_tokens;
  // Asked in one pass as the copy is, so that the two differ by their weights alone.
  said.best = best_along(model, said.answered, row.prompt, made.size() + (has_stopped ? 1 : 0));
}

void measure(models::CausalLM& model, const AgreementOptions& options, RowTestimony& said) {
  const std::vector<int64_t> places = places_before_trained(said.row);
  const at::Tensor targets = tokens_after(said.row.ids, places);
  std::vector<at::Tensor> tokens, kept, target;
  for_each_chunk(model, said.row.ids, places, [&](int64_t first, const at::Tensor& all) {
    const int64_t count = std::min(options.kept_tokens, all.size(1));
    auto [values, indices] = all.topk(count, -1);
    tokens.push_back(indices.to(at::kInt));
    kept.push_back(values.contiguous());
    target.push_back(all.gather(1, targets.narrow(0, first, all.size(0)).unsqueeze(1)).squeeze(1));
  });
  if (tokens.empty()) return;
  said.tokens = at::cat(tokens);
  said.log_probabilities = at::cat(kept);
  said.target = at::cat(target);
}

// A line for models that take longer than a second.
class Progress {
 public:
  Progress(std::string_view what, size_t rows) : what_(what), rows_(rows) {}
  void row_done() {
    ++done_;
    if (now_seconds() - start_ > 1.0)
      line_.show(fmt::format("verify: asking the {} model, {} of {} prompts", what_, done_, rows_));
  }

 private:
  std::string_view what_;
  size_t rows_, done_ = 0;
  double start_ = now_seconds();
  ProgressLine line_;
};

// Sums over the places of all rows.
struct Sums {
  int64_t same_greedy = 0, same_answers = 0, same_best = 0;
  double model_loss = 0.0, copy_loss = 0.0;
  std::vector<double> divergences;
};

// Σ p·(log p − log q) over the kept tokens, and all others as one. `rest`: there are others.
double divergence(const float* p_logs, const float* q_logs, int64_t count, bool rest) {
  constexpr double kLeast = 1e-12;
  double sum = 0.0, p_kept = 0.0, q_kept = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    const double p = std::exp(double{p_logs[i]});
    p_kept += p;
    q_kept += std::exp(double{q_logs[i]});
    if (p > 0.0) sum += p * (double{p_logs[i]} - double{q_logs[i]});
  }
  const double p_rest = 1.0 - p_kept, q_rest = 1.0 - q_kept;
  if (rest && p_rest > kLeast) sum += p_rest * std::log(p_rest / std::max(q_rest, kLeast));
  return sum < 0.0 ? 0.0 : sum;  // rounding; NaN stays
}

void compare_answer(const RowTestimony& said, const Testimony& all, models::CausalLM& copy,
                    Sums& sums) {
  const auto is_stop = [&](int32_t id) {
    return std::find(all.stop_ids.begin(), all.stop_ids.end(), id) != all.stop_ids.end();
  };
  const std::vector<int32_t> found =
      best_along(copy, said.answered, said.row.prompt, said.best.size());
  int64_t same = 0;
  for (size_t i = 0; i < found.size(); ++i)
    same += found[i] == said.best[i] || (is_stop(found[i]) && is_stop(said.best[i]));
  sums.same_greedy += same;
  sums.same_answers += same == static_cast<int64_t>(found.size());
}

void compare_measured(const RowTestimony& said, models::CausalLM& copy, Sums& sums) {
  const std::vector<int64_t> places = places_before_trained(said.row);
  const at::Tensor targets = tokens_after(said.row.ids, places);
  for_each_chunk(copy, said.row.ids, places, [&](int64_t first, const at::Tensor& all) {
    const int64_t length = all.size(0), count = said.tokens.size(1);
    const at::Tensor tokens = said.tokens.narrow(0, first, length).to(at::kLong);
    const at::Tensor q = all.gather(1, tokens).contiguous();
    const at::Tensor p = said.log_probabilities.narrow(0, first, length);
    for (int64_t i = 0; i < length; ++i)
      sums.divergences.push_back(divergence(p.const_data_ptr<float>() + i * count,
                                            q.const_data_ptr<float>() + i * count, count,
                                            count < all.size(1)));
    sums.same_best += (all.argmax(-1) == tokens.select(1, 0)).sum().item<int64_t>();
    const at::Tensor wanted = targets.narrow(0, first, length).unsqueeze(1);
    sums.copy_loss -= all.gather(1, wanted).sum(at::kDouble).item<double>();
    sums.model_loss -= said.target.narrow(0, first, length).sum(at::kDouble).item<double>();
  });
}

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 1.0;
}

// The value that at most one place in a hundred exceeds. NaN counts as the greatest.
double percentile_99(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto less = [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; };
  const auto at = values.begin() + static_cast<ptrdiff_t>((values.size() * 99 + 99) / 100 - 1);
  std::nth_element(values.begin(), at, values.end(), less);
  return *at;
}

}  // namespace

Testimony testimony(models::CausalLM& model, std::span<const AgreementRow> rows,
                    const AgreementOptions& options) {
  const c10::InferenceMode no_gradients;
  Progress progress("trained", rows.size());
  Testimony said{{}, options.stop_ids};
  for (const AgreementRow& row : rows) {
    SLMTUNE_ASSERT(row.prompt > 0 && row.prompt <= static_cast<int64_t>(row.ids.size()) &&
                       row.ids.size() == row.is_trained.size(),
                   "a row to compare answers on");
    RowTestimony one{row, {}, {}, {}, {}, {}};
    answer(model, options, one);
    measure(model, options, one);
    said.rows.push_back(std::move(one));
    progress.row_done();
  }
  return said;
}

Agreement agreement_with(const Testimony& said, models::CausalLM& copy) {
  const c10::InferenceMode no_gradients;
  Progress progress("written", said.rows.size());
  Agreement result;
  Sums sums;
  for (const RowTestimony& row : said.rows) {
    compare_answer(row, said, copy, sums);
    result.answer_tokens += static_cast<int64_t>(row.best.size());
    if (row.tokens.defined()) {
      compare_measured(row, copy, sums);
      result.kept_tokens = row.tokens.size(1);
    }
    ++result.rows;
    progress.row_done();
  }
  result.measured_tokens = static_cast<int64_t>(sums.divergences.size());
  result.greedy_agreement = share(sums.same_greedy, result.answer_tokens);
  result.identical_answers = share(sums.same_answers, result.rows);
  result.top1_agreement = share(sums.same_best, result.measured_tokens);
  const double count = static_cast<double>(std::max<int64_t>(result.measured_tokens, 1));
  for (const double one : sums.divergences) result.mean_divergence += one / count;
  result.p99_divergence = percentile_99(sums.divergences);
  result.model_perplexity = std::exp(sums.model_loss / count);
  result.copy_perplexity = std::exp(sums.copy_loss / count);
  return result;
}

}  // namespace slmtune::eval
