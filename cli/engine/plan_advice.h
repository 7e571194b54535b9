// What a plan advises against or for, beside the numbers.
#pragma once
#include <string>
#include <vector>

#include "cli/engine/plan_inputs.h"

namespace slmtune::cli {

struct Advice {
  std::string topic;                 // for programs: "retrieval", "many_epochs", …
  std::string text;                  // a sentence
  std::vector<std::string> reasons;  // more of them
};

std::vector<Advice> advice_for(const Recipe& recipe, const PlanInputs& inputs);

}  // namespace slmtune::cli
