// Every call of an operation times every fault. The cases are found by counting, not by hand: the
// operation runs once, and then once for each of its calls and each fault that the call can have,
// in a process of its own; another process then looks at what is there.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/faults/fault_shim.h"

namespace slmtune::faults {

struct Operation {
  std::string name;
  std::function<void(const std::filesystem::path&)> prepare;  // makes the state before
  std::function<void(const std::filesystem::path&)> run;      // can be run again, whatever happened
  // What is wrong with the folder, "" if nothing. `done`: the operation has returned; otherwise the
  // state before is as good as the one after. Exceptions count as unreadable.
  std::function<std::string(const std::filesystem::path&, bool done)> problem;
  std::string may_stay = {};  // beginning of the names of hidden files that an error may leave
  bool plain_renames = false;  // on a file system without RENAME_NOREPLACE
};

struct Call {
  CallKind kind = CallKind::kWrite;
  std::vector<const void*> callers;  // innermost first
  std::string path;
};

// How a run of the operation ended.
struct Ending {
  int exit_code = 0;  // −signal when it was killed
  std::string message;
};

// A folder in memory for the runs of one operation.
class Stage {
 public:
  explicit Stage(Operation operation);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  const Operation& operation() const { return operation_; }
  void reset();                                          // the state before
  Ending run(Plan plan, bool cut_at_end = false) const;  // plan.root is set here
  std::string problem(bool done) const;
  // Hidden and temporary files whose names do not begin with `may_stay`, "" if none.
  std::string leftovers(const std::string& may_stay = "\n") const;
  std::vector<Call> count_calls(const void* torn_rename = nullptr);

 private:
  Operation operation_;
  std::filesystem::path base_, before_, root_;
};

struct Findings {
  std::map<std::string, int64_t> cases;  // by fault
  std::vector<std::string> problems;     // "save: call 7 (rename step-000030), power cut: …"
  int64_t total() const;
};

Findings run_matrix(const Operation& operation);

// One place in the code that syncs or renames, taken out.
struct Mutant {
  const void* address = nullptr;
  std::string place;     // "fsync in slmtune::AtomicFile::commit"
  std::string evidence;  // the first bad state, "" if the place could go unnoticed
};

// For each place of the operation whose name `wanted` takes.
std::vector<Mutant> run_mutants(const Operation& operation,
                                const std::function<bool(const std::string& place)>& wanted);

}  // namespace slmtune::faults
