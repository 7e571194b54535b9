// A plan as a table for people and as JSON for programs.
#pragma once
#include <string>
#include <vector>

#include "cli/engine/plan_advice.h"
#include "cli/engine/plan_machines.h"
#include "core/json.h"

namespace slmtune::cli {

struct Plan {
  const Recipe& recipe;
  const PlanInputs& inputs;
  std::vector<Outlook> outlooks;  // at least one
  std::vector<Advice> advice;
};

// `shown`: the machine whose parts are listed.
std::string plan_text(const Plan& plan, size_t shown);
OrderedJson plan_json(const Plan& plan);

}  // namespace slmtune::cli
