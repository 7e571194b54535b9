// How much a copy of a model says what the model itself says: a copy that was merged, quantised,
// written to a file and read again. The model is asked first, and what it said is small, so that
// both need not be in memory at once.
//
//   const Testimony said = testimony(*trained, rows, {.max_tokens = 16, .stop_ids = stop_ids});
//   trained.reset();
//   const Agreement agreement = agreement_with(said, *copy);
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "models/causal_lm.h"

namespace slmtune::eval {

// A held-out row: the first `prompt` tokens (at least one) are the question that the model goes on
// from by itself; the trained tokens are what its probabilities are measured on.
struct AgreementRow {
  std::vector<int32_t> ids;
  std::vector<bool> is_trained;  // as long as ids; that of the first token has no meaning
  int64_t prompt = 1;
};

struct AgreementOptions {
  int64_t max_tokens = 16;  // of an answer
  std::vector<int32_t> stop_ids;
  // Probabilities of so many of the likeliest tokens are kept for each place; those of all others
  // are taken together, which makes the divergence smaller, if anything.
  int64_t kept_tokens = 2048;
};

// What the model said on one row.
struct RowTestimony {
  AgreementRow row;
  // Of the places before each trained token: [n, kept] likeliest tokens and the logarithms of their
  // probabilities, and [n] that of the token that stands there.
  at::Tensor tokens, log_probabilities, target;
  // The row's prompt and the greedy answer to it, and what the model took for likeliest at the
  // prompt's last token and each of the answer's. The last of them is a stop token where it
  // stopped.
  std::vector<int32_t> answered;
  std::vector<int32_t> best;
};

struct Testimony {
  std::vector<RowTestimony> rows;
  std::vector<int32_t> stop_ids;
};

// Shares lie between 0 and 1. A number that is none (NaN) comes out as such.
struct Agreement {
  int64_t rows = 0;
  // Along the model's own greedy answers: places, those where the copy takes the same token for
  // likeliest, and answers that the copy gives in the same words.
  int64_t answer_tokens = 0;
  double greedy_agreement = 0.0, identical_answers = 0.0;
  // On the trained tokens of the rows.
  int64_t measured_tokens = 0, kept_tokens = 0;
  double top1_agreement = 0.0;
  double mean_divergence = 0.0, p99_divergence = 0.0;  // Kullback-Leibler, in nats
  double model_perplexity = 0.0, copy_perplexity = 0.0;
  double perplexity_increase() const { return copy_perplexity / model_perplexity - 1.0; }
};

// Rows must fit the model's context. No gradient; adapters as they are set. StopRequested.
Testimony testimony(models::CausalLM& model, std::span<const AgreementRow> rows,
                    const AgreementOptions& options);

// `copy` has the same vocabulary.
Agreement agreement_with(const Testimony& said, models::CausalLM& copy);

}  // namespace slmtune::eval
