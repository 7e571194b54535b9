// Pairs and votes for a tiny model, and what one step of an objective does with them.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "tests/train/tiny_training.h"

namespace slmtune::train::testing {

// A question of 2 to 6 tokens and an answer of 1 to 9, which trains.
inline data::Tokens tiny_answer(SplitMix64& random, const std::vector<int32_t>& question,
                                data::RowMark mark) {
  const auto any = [&random] { return static_cast<int32_t>(3 + random.below(kVocabulary - 4)); };
  data::Tokens tokens{question, std::vector<int32_t>(question.size(), data::kNotTrained), mark};
  for (size_t left = 1 + random.below(9); left > 0; --left) {
    tokens.ids.push_back(any());
    tokens.labels.push_back(tokens.ids.back());
  }
  return tokens;
}

inline std::vector<int32_t> tiny_question(SplitMix64& random) {
  std::vector<int32_t> question(2 + random.below(5));
  for (int32_t& id : question) id = static_cast<int32_t>(3 + random.below(kVocabulary - 4));
  return question;
}

inline data::Dataset tiny_pairs(size_t count, uint64_t seed = 5) {
  data::Dataset dataset;
  SplitMix64 random(seed);
  for (uint32_t line = 1; line <= count; ++line) {
    const std::vector<int32_t> question = tiny_question(random);
    for (data::RowMark mark : {data::RowMark::kChosen, data::RowMark::kRejected})
      dataset.rows.push_back(tiny_answer(random, question, mark), "rows.jsonl", line);
  }
  return dataset;
}

// Every third vote is a thumb down.
inline data::Dataset tiny_votes(size_t count, uint64_t seed = 5) {
  data::Dataset dataset;
  SplitMix64 random(seed);
  for (uint32_t line = 1; line <= count; ++line) {
    const data::RowMark mark = line % 3 == 0 ? data::RowMark::kBad : data::RowMark::kGood;
    dataset.rows.push_back(tiny_answer(random, tiny_question(random), mark), "rows.jsonl", line);
  }
  return dataset;
}

// log p of each row's answer, [R] float64 with gradient, from the whole logits.
inline at::Tensor plain_log_probabilities(models::CausalLM& model, const data::Rows& rows) {
  std::vector<at::Tensor> sums;
  for (const data::Row row : rows) {
    const data::Tokens tokens = row.tokens();
    const at::Tensor ids = at::tensor(tokens.ids, at::kInt).to(at::kLong);
    const at::Tensor log_p = at::log_softmax(
        model.logits(model.hidden(ids, models::Layout::single(ids.size(0)))).to(at::kDouble), 1);
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (size_t i = 1; i < tokens.ids.size(); ++i)
      if (tokens.labels[i] != data::kNotTrained)
        sum = sum + log_p[static_cast<int64_t>(i) - 1][tokens.labels[i]];
    sums.push_back(sum);
  }
  return at::stack(sums);
}

using Gradients = std::vector<std::pair<std::string, at::Tensor>>;

// Takes the gradients out of the model.
inline Gradients take_gradients(models::CausalLM& model) {
  Gradients gradients;
  for (auto& [name, tensor] : models::trainable_tensors(model)) {
    gradients.emplace_back(name, tensor.grad().clone());
    tensor.mutable_grad() = at::Tensor();
  }
  return gradients;
}

inline void expect_close(const Gradients& a, const Gradients& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = (a[i].second - b[i].second).norm().item<double>();
    EXPECT_LE(difference, tolerance * (1e-6 + b[i].second.norm().item<double>())) << a[i].first;
  }
}

inline double largest_difference(models::CausalLM& a, models::CausalLM& b) {
  double largest = 0.0;
  auto left = models::trainable_tensors(a), right = models::trainable_tensors(b);
  EXPECT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i)
    largest = std::max(largest, (left[i].second - right[i].second).abs().max().item<double>());
  return largest;
}

// Everything of a finished run that must not depend on interruptions.
struct FinishedRun {
  std::string model, optimizer;  // bytes of the last checkpoint
  std::string log;               // without times
};

inline FinishedRun finished(const std::filesystem::path& run) {
  const auto checkpoint = latest_checkpoint(run);
  EXPECT_TRUE(checkpoint);
  FinishedRun outcome{slmtune::testing::TempFolder::read(*checkpoint / "model.safetensors"),
                      slmtune::testing::TempFolder::read(*checkpoint / "optimizer.safetensors"),
                      ""};
  for (OrderedJson line : log_lines(run)) {
    for (const char* key : {"seconds", "tokens_per_second"}) line.erase(key);
    outcome.log += line.dump() + "\n";
  }
  return outcome;
}

using RunObjective = TrainResult (*)(const TrainJob&);

// Trains to the end, stopping each time `should_stop` was asked `stop_every` times (0 = never) and
// going on as a fresh process would.
inline FinishedRun train_with_stops(RunObjective run, data::Dataset rows, data::Dataset valid,
                                    int stop_every) {
  TinyRun tiny(tiny_lora_model(0.3));
  tiny.train = std::move(rows);
  tiny.job.valid = &valid;
  tiny.job.eval.every = 0.5;
  for (int part = 0; part < 100; ++part) {
    int asked = 0;
    tiny.job.should_stop = [&asked, stop_every] { return stop_every && ++asked == stop_every; };
    if (run(tiny.job).ended == "done") return finished(tiny.run.path());
    tiny.model = tiny_lora_model(0.3);
    tiny.job.model = tiny.model.get();
    at::manual_seed(static_cast<uint64_t>(part));  // nothing may depend on what came before
    tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  }
  ADD_FAILURE() << "the run never ended";
  return {};
}

inline void expect_same_run(const FinishedRun& a, const FinishedRun& b) {
  EXPECT_TRUE(a.model == b.model);
  EXPECT_TRUE(a.optimizer == b.optimizer);
  EXPECT_EQ(a.log, b.log);
}

}  // namespace slmtune::train::testing
