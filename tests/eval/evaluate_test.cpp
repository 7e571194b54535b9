#include "eval/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/eval/successor_model.h"
#include "tests/support/temp_folder.h"

namespace slmtune::eval {
namespace {

using slmtune::testing::TempFolder;

const data::Tokenizer& tiny_tokenizer() {
  static const data::Tokenizer tokenizer =
      data::Tokenizer::load(std::string(SLMTUNE_SOURCE_DIR) + "/configs/models/tiny");
  return tokenizer;
}

std::vector<Question> questions_of(const std::string& rows, const data::ChatTemplate* chat) {
  TempFolder folder;
  return questions(folder.write("rows.jsonl", rows), "auto", tiny_tokenizer(), chat);
}

data::Rows rows_of(const std::vector<data::Tokens>& tokens) {
  data::Rows rows;
  for (const data::Tokens& row : tokens) rows.push_back(row);
  return rows;
}

const data::ChatTemplate* chatml() {
  return &data::ChatTemplate::by_name("chatml");
}

TEST(ScoreLoss, UniformModelCostsTheLogOfTheVocabulary) {
  SuccessorModel model(40, {});
  const data::Rows rows =
      rows_of({{{1, 2, 3, 4}, {-100, 2, 3, 4}}, {{5, 6, 7}, {-100, -100, 7}}});
  const Score score = score_loss(model, rows, 16);
  EXPECT_EQ(score.label_tokens, 4);
  EXPECT_NEAR(score.loss, std::log(40.0), 1e-5);
  EXPECT_NEAR(score.perplexity, 40.0, 1e-3);
  EXPECT_FALSE(score.exact_match.has_value());
}

TEST(ScoreLoss, KnownProbabilityGivesItsNegativeLog) {
  SuccessorModel model(10, {{1, 2}}, 64, std::log(9.0));  // p(2 | 1) = 9 / (9 + 9)
  EXPECT_NEAR(score_loss(model, rows_of({{{1, 2}, {-100, 2}}}), 16).loss, std::log(2.0), 1e-5);
}

TEST(ScoreLoss, DoesNotDependOnTheMicroBatch) {
  SuccessorModel model(10, {{1, 2}, {2, 5}}, 64, 3.0);
  data::Rows rows;
  for (int32_t i = 0; i < 50; ++i) rows.push_back({{1, 2, i % 10, 5}, {-100, 2, i % 10, 5}});
  const double whole = score_loss(model, rows, 4096).loss;
  EXPECT_NEAR(score_loss(model, rows, 4).loss, whole, 1e-6);
  EXPECT_NEAR(score_loss(model, rows, 0).loss, whole, 1e-6);  // automatic
}

TEST(ScoreLoss, NoRowsNoLoss) {
  SuccessorModel model(10, {});
  const Score score = score_loss(model, {}, 16);
  EXPECT_EQ(score.label_tokens, 0);
  EXPECT_EQ(score.loss, 0.0);
}

TEST(Questions, AskForTheLastAssistantTurn) {
  const auto rows = questions_of(
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},)"
      R"( {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]})"
      "\n",
      chatml());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].reference, "d");
  EXPECT_TRUE(rows[0].place.ends_with("rows.jsonl:1"));
  const std::string prompt = tiny_tokenizer().decode(rows[0].prompt, /*skip_special=*/false);
  EXPECT_NE(prompt.find("c<|im_end|>"), std::string::npos);
  EXPECT_TRUE(prompt.ends_with("<|im_start|>assistant\n"));
}

TEST(Questions, TakeCompletionsAndLeaveTextOut) {
  const auto completions =
      questions_of("{\"prompt\": \"Two and two is\", \"completion\": \" four\"}\n", nullptr);
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(tiny_tokenizer().decode(completions[0].prompt), "Two and two is");
  EXPECT_EQ(completions[0].reference, " four");
  EXPECT_TRUE(questions_of("{\"text\": \"Two and two is four\"}\n", nullptr).empty());
}

TEST(Questions, ConversationsNeedATemplate) {
  try {
    questions_of(
        R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"
        "\n",
        nullptr);
    FAIL() << "no error without a chat template";
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "D021");
  }
}

// A model that answers "yes" and ends its turn, whatever it is asked: it saw "…assistant\n" last.
SuccessorModel yes_model(int64_t max_positions = 64) {
  const data::Tokenizer& tokenizer = tiny_tokenizer();
  const std::vector<int32_t> yes = tokenizer.encode("yes");
  std::map<int32_t, int32_t> next = {{tokenizer.encode("\n").front(), yes.front()}};
  for (size_t i = 0; i < yes.size(); ++i)
    next[yes[i]] = i + 1 < yes.size() ? yes[i + 1] : tokenizer.stop_ids().front();
  return {tokenizer.size(), next, max_positions};
}

std::vector<Question> two_questions() {
  const std::string ask =
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": )";
  return questions_of(ask + "\"Yes.\"}]}\n" + ask + "\"no\"}]}\n", chatml());
}

TEST(ScoreAnswers, AddsMeansOverTheRows) {
  SuccessorModel model = yes_model();
  Score score;
  std::vector<std::string> answers;
  score_answers(model, tiny_tokenizer(), two_questions(), 8, score,
                [&](size_t, const std::string& text) { answers.push_back(text); });
  EXPECT_EQ(answers, (std::vector<std::string>{"yes", "yes"}));
  EXPECT_EQ(score.answers, 2);
  EXPECT_DOUBLE_EQ(score.exact_match.value(), 0.5);
  EXPECT_DOUBLE_EQ(score.f1.value(), 0.5);
}

TEST(ScoreAnswers, NoQuestionsLeaveTheMetricsAbsent) {
  SuccessorModel model = yes_model();
  Score score;
  score_answers(model, tiny_tokenizer(), {}, 8, score);
  EXPECT_FALSE(score.exact_match.has_value());
}

TEST(ScoreAnswers, ShortContextShortensTheAnswer) {
  const auto rows = two_questions();
  const auto used = static_cast<int64_t>(rows[0].prompt.size());
  SuccessorModel model = yes_model(used + 4);
  Score score;
  score_answers(model, tiny_tokenizer(), rows, 1000, score);
  EXPECT_EQ(score.answers, 2);
}

TEST(ScoreAnswers, PromptThatFillsTheContextIsNamed) {
  SuccessorModel model = yes_model(4);
  Score score;
  try {
    score_answers(model, tiny_tokenizer(), two_questions(), 8, score);
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "D030");
    EXPECT_TRUE(error.diagnostics()[0].where.ends_with("rows.jsonl:1"));
  }
}

}  // namespace
}  // namespace slmtune::eval
