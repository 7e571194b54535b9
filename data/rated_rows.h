// Rows whose answers were rated: pairs of a better and a worse answer (format preference), and
// answers with a thumb up or down (format kto). Each objective trains on one kind of rows.
#pragma once
#include <cstdint>
#include <string>

#include "data/loader.h"

namespace slmtune::data {

struct RatedCounts {
  int64_t pairs = 0, good = 0, bad = 0, plain = 0;
};
RatedCounts count_rated(const Rows& rows);

// Whether `objective` (sft, dpo, kto) trains on all of the rows: D040 names the first that it does
// not, and what to do; D041 when kto has a single row, with which nothing can be compared.
void check_objective(const Rows& rows, const std::string& objective);

// What can be scored as plain answers: the better ones of pairs, those with a thumb up, and rows
// that were not rated.
Dataset good_answers(const Dataset& dataset);

}  // namespace slmtune::data
