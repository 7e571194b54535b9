#include "data/rated_rows.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/error.h"

namespace slmtune::data {
namespace {

// Rows after which the memory of mapped files is handed back.
constexpr size_t kRowsAtOnce = 4096;

// A kind of rows, the objective that trains on it and what it is called.
struct Kind {
  std::string_view objective, rows, format;
};

constexpr std::array kKinds = {Kind{"sft", "an answer that was not rated", "another format"},
                               Kind{"dpo", "a pair of answers", "preference"},
                               Kind{"kto", "an answer with a vote", "kto"}};

const Kind& kind_of(RowMark mark) {
  switch (mark) {
    case RowMark::kChosen:
    case RowMark::kRejected:
      return kKinds[1];
    case RowMark::kGood:
    case RowMark::kBad:
      return kKinds[2];
    case RowMark::kNone:
      break;
  }
  return kKinds[0];
}

std::string advice(const Kind& kind, const std::string& objective) {
  std::string text = "write 'objective: " + std::string(kind.objective) + "'";
  if (objective == "dpo") return text + ", or give rows with 'chosen' and 'rejected'";
  if (objective == "kto") return text + ", or give rows with 'label' or 'kto_tag'";
  if (kind.objective == "kto")
    text += ", or name the shape of the answers in data.format to learn all of them";
  return text;
}

}  // namespace

RatedCounts count_rated(const Rows& rows) {
  RatedCounts counts;
  for (size_t i = 0; i < rows.size(); ++i) {
    const RowMark mark = rows[i].mark();
    counts.pairs += mark == RowMark::kChosen;
    counts.good += mark == RowMark::kGood;
    counts.bad += mark == RowMark::kBad;
    counts.plain += mark == RowMark::kNone;
    if (i % kRowsAtOnce == 0) rows.release();
  }
  return counts;
}

void check_objective(const Rows& rows, const std::string& objective) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const Kind& kind = kind_of(rows[i].mark());
    if (kind.objective != objective)
      throw UserError("D040", rows.place(i),
                      "the row is " + std::string(kind.rows) + ", which objective " + objective +
                          " does not train on",
                      advice(kind, objective));
    if (i % kRowsAtOnce == 0) rows.release();
  }
  if (objective == "kto" && rows.size() < 2)
    throw UserError("D041", rows.place(0), "objective kto needs at least two rows",
                    "an answer is compared with the answers to other questions; add rows");
}

Dataset good_answers(const Dataset& dataset) {
  Dataset good;
  good.rows = Rows::like(dataset.rows);
  good.sha256 = dataset.sha256;
  for (size_t i = 0; i < dataset.rows.size(); ++i) {
    const RowMark mark = dataset.rows[i].mark();
    if (mark != RowMark::kRejected && mark != RowMark::kBad) add_row(good, dataset.rows.ref(i));
    if (i % kRowsAtOnce == 0) dataset.rows.release();
  }
  good.counts.rows = good.counts.kept;
  return good;
}

}  // namespace slmtune::data
