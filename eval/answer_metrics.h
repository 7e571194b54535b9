// Answer metrics as in SQuAD (Rajpurkar et al. 2016, evaluate-v1.1): lower case, punctuation and
// articles removed, white space folded, then equality (exact match) or token overlap (F1).
#pragma once
#include <string>
#include <string_view>

namespace slmtune::eval {

std::string normalise_answer(std::string_view text);
bool exact_match(std::string_view prediction, std::string_view reference);
double token_f1(std::string_view prediction, std::string_view reference);

}  // namespace slmtune::eval
