// Places in the code that sync or rename, and what happens without them.
#include <cxxabi.h>
#include <dlfcn.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {
namespace {

constexpr Loss kLosses[] = {Loss::kEverything, Loss::kContents, Loss::kEntries, Loss::kTorn};

std::string function_at(const void* address) {
  Dl_info info{};
  if (!address || !dladdr(static_cast<const char*>(address) - 1, &info) || !info.dli_sname)
    return "";
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : info.dli_sname;
}

// Functions that only hand the call on: the place is where they are called.
bool hands_on(const std::string& function) {
  for (std::string_view name : {"sync_fully(", "sync_folder(", "sync_file("})
    if (function.find(name) != std::string::npos) return true;
  return function.find("slmtune::") == std::string::npos ||
         function.find("slmtune::faults::") != std::string::npos;
}

struct Place {
  const void* address = nullptr;
  std::string name;
};

std::optional<Place> place_of(const Call& call) {
  for (const void* caller : call.callers) {
    const std::string function = function_at(caller);
    if (function.empty() || hands_on(function)) continue;
    const char* what = call.kind == CallKind::kRename ? "rename" : "fsync";
    return Place{caller, std::string(what) + " in " + function.substr(0, function.find('('))};
  }
  return std::nullopt;
}

// The first bad state that the plan leads to when it strikes at any call or after the last one.
std::string first_bad_state(Stage& stage, Plan plan, size_t calls, bool by_kill) {
  const auto bad = [&](const Ending& ending, bool done) -> std::string {
    if (ending.exit_code != 0 && ending.exit_code != -SIGKILL) return ending.message;
    return stage.problem(done);
  };
  if (!by_kill) {
    for (const Loss loss : kLosses) {
      stage.reset();
      plan.loss = loss;
      if (std::string wrong = bad(stage.run(plan, true), true); !wrong.empty())
        return "power cut after the end: " + wrong;
    }
  }
  for (size_t number = 1; number <= calls; ++number) {
    for (const Loss loss : kLosses) {
      if (by_kill && loss != Loss::kEverything) continue;
      plan.at = static_cast<int64_t>(number);
      plan.fault = by_kill ? Fault::kKillAfter : Fault::kPowerCut;
      plan.loss = loss;
      plan.seed = number;
      stage.reset();
      if (std::string wrong = bad(stage.run(plan), false); !wrong.empty())
        return (by_kill ? "kill after call " : "power cut after call ") + std::to_string(number) +
               ": " + wrong;
    }
  }
  return "";
}

}  // namespace

std::vector<Mutant> run_mutants(const Operation& operation,
                                const std::function<bool(const std::string& place)>& wanted) {
  Stage stage(operation);
  const std::vector<Call> calls = stage.count_calls();
  std::map<const void*, std::string> places;
  for (const Call& call : calls)
    if (call.kind == CallKind::kSync || call.kind == CallKind::kRename)
      if (auto place = place_of(call)) places.emplace(place->address, place->name);
  std::vector<Mutant> mutants;
  for (const auto& [address, name] : places) {
    if (!wanted(name)) continue;
    const bool is_rename = name.starts_with("rename");
    Plan plan;
    (is_rename ? plan.torn_rename : plan.no_sync) = address;
    const size_t count = is_rename ? stage.count_calls(address).size() : calls.size();
    mutants.push_back({address, name, first_bad_state(stage, plan, count, is_rename)});
  }
  return mutants;
}

}  // namespace slmtune::faults
