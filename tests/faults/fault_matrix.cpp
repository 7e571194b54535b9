#include "tests/faults/fault_matrix.h"

#include <signal.h>

#include <regex>

namespace slmtune::faults {
namespace {

struct Case {
  Fault fault = Fault::kNone;
  const char* name = "";
  bool lasts = false;
  Loss loss = Loss::kEverything;
  uint64_t seed = 0;
};

constexpr Case kCases[] = {
    {Fault::kKillBefore, "kill"},
    {Fault::kKillHalf, "kill"},
    {Fault::kKillAfter, "kill"},
    {Fault::kPowerCut, "power cut", false, Loss::kEverything},
    {Fault::kPowerCut, "power cut", false, Loss::kContents},
    {Fault::kPowerCut, "power cut", false, Loss::kEntries},
    {Fault::kPowerCut, "power cut", false, Loss::kTorn, 1},
    {Fault::kPowerCut, "power cut", false, Loss::kTorn, 2},
    {Fault::kNoSpace, "disk full", false},
    {Fault::kNoSpace, "disk full", true},
    {Fault::kInputError, "I/O error", false},
    {Fault::kInputError, "I/O error", true},
    {Fault::kShortWrite, "short write"},
    {Fault::kInterrupt, "interrupted call"},
};

constexpr const char* kKindNames[] = {"write",  "sync",   "rename", "link", "unlink",
                                      "resize", "create", "mkdir",  "rmdir"};

bool names_needed_and_free_bytes(const std::string& message) {
  static const std::regex pattern(
      R"([\d.]+ ([KMGT]i)?B still to write, [\d.]+ ([KMGTPE]i)?B free)");
  return std::regex_search(message, pattern);
}

// What is wrong after the fault, "" if nothing.
class CaseCheck {
 public:
  CaseCheck(Stage& stage, const Case& the_case, const Call& call)
      : stage_(stage), case_(the_case), call_(call) {}

  std::string run(int64_t number) {
    stage_.reset();
    Plan plan;
    plan.at = number;
    plan.fault = case_.fault;
    plan.lasts = case_.lasts;
    plan.loss = case_.loss;
    plan.seed = case_.seed + static_cast<uint64_t>(number) * 16;
    const Ending ending = stage_.run(plan);
    std::string wrong = after_fault(ending);
    if (wrong.empty()) wrong = stage_.problem(ending.exit_code == 0);
    return wrong.empty() ? after_next_run() : wrong;
  }

 private:
  std::string after_fault(const Ending& ending) const {
    const std::string said = "exit " + std::to_string(ending.exit_code) + ": " + ending.message;
    switch (case_.fault) {
      case Fault::kNoSpace:
      case Fault::kInputError:
        if (ending.exit_code == 0) return "";
        if (ending.exit_code != 74) return said;
        if (case_.fault == Fault::kNoSpace && !names_needed_and_free_bytes(ending.message))
          return "the message lacks the needed and the free bytes: " + said;
        return left_behind();
      case Fault::kShortWrite:
      case Fault::kInterrupt:
        return ending.exit_code == 0 ? "" : said;
      default:
        return ending.exit_code == -SIGKILL ? "" : said;
    }
  }

  // After an error the temporary files are gone, unless removing them was what failed.
  std::string left_behind() const {
    const bool cannot_remove =
        case_.fault == Fault::kInputError &&
        (case_.lasts || call_.kind == CallKind::kUnlink || call_.kind == CallKind::kRemoveFolder);
    const std::string& rule = stage_.operation().may_stay;
    const std::string may_stay = rule.empty() ? "\n" : rule;  // no name begins with a line end
    const std::string found = cannot_remove ? "" : stage_.leftovers(may_stay);
    return found.empty() ? "" : "left behind: " + found;
  }

  std::string after_next_run() const {
    const Ending next = stage_.run({});
    if (next.exit_code != 0)
      return "the next run: exit " + std::to_string(next.exit_code) + ": " + next.message;
    if (std::string wrong = stage_.problem(true); !wrong.empty()) return "the next run: " + wrong;
    const std::string found = stage_.leftovers();
    return found.empty() ? "" : "the next run leaves " + found;
  }

  Stage& stage_;
  const Case& case_;
  const Call& call_;
};

std::string description(const Operation& operation, const Case& the_case, const Call& call,
                        size_t number) {
  return operation.name + ": " + the_case.name + (the_case.lasts ? " that lasts" : "") +
         (the_case.fault == Fault::kPowerCut
              ? " (loss " + std::to_string(static_cast<int>(the_case.loss)) + ")"
              : "") +
         " at call " + std::to_string(number) + " (" + kKindNames[static_cast<int>(call.kind)] +
         " " + call.path + "): ";
}

}  // namespace

int64_t Findings::total() const {
  int64_t sum = 0;
  for (const auto& [fault, count] : cases) sum += count;
  return sum;
}

Findings run_matrix(const Operation& operation) {
  Stage stage(operation);
  Findings findings;
  const std::vector<Call> calls = stage.count_calls();
  if (std::string wrong = stage.problem(true); !wrong.empty())
    findings.problems.push_back(operation.name + " without a fault: " + wrong);
  for (size_t i = 0; i < calls.size(); ++i) {
    for (const Case& one : kCases) {
      // Before a call is after the one before it.
      if (!can_have(calls[i].kind, one.fault) || (one.fault == Fault::kKillBefore && i > 0))
        continue;
      ++findings.cases[one.name];
      const std::string wrong = CaseCheck(stage, one, calls[i]).run(static_cast<int64_t>(i) + 1);
      if (!wrong.empty())
        findings.problems.push_back(description(operation, one, calls[i], i + 1) + wrong);
    }
  }
  return findings;
}

}  // namespace slmtune::faults
