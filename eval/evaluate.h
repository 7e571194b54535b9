// Scores of a model on rows: loss over label tokens, and answers against the rows' last assistant
// turn.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "data/loader.h"
#include "data/packer.h"
#include "eval/generation.h"
#include "models/causal_lm.h"

namespace slmtune::eval {

struct Score {
  double loss = 0.0;  // mean over label tokens, natural log
  int64_t label_tokens = 0;
  double perplexity = 0.0;
  // Means over `answers` rows; absent when not asked for or when no row has an answer.
  std::optional<double> exact_match, f1;
  int64_t answers = 0;
};

// One row to answer: ids up to the last assistant turn, and that turn's text.
struct Question {
  std::vector<int32_t> prompt;
  std::string reference;
  std::string place;
};

// Questions of a file's chat and completion rows, those of `places` only if it is given; other rows
// give none.
std::vector<Question> questions(const std::filesystem::path& path, const std::string& format,
                                const data::Tokenizer& tokenizer, const data::ChatTemplate* chat,
                                const std::set<std::string>* places = nullptr);

// Loss part only (answers stay absent). No gradient; adapters as they are set.
Score score_loss(models::CausalLM& model, const data::Rows& rows, int64_t micro_batch_tokens);

// Greedy answers, compared by exact match and F1 and added to `score`. `on_answer(index, text)` may
// be empty.
void score_answers(models::CausalLM& model, const data::Tokenizer& tokenizer,
                   std::span<const Question> rows, int64_t max_tokens, Score& score,
                   const std::function<void(size_t, const std::string&)>& on_answer = {});

}  // namespace slmtune::eval
