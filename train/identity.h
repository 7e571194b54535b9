// What the result of a run depends on, as named texts: recipe settings, hashes of rows and weights,
// device, versions. Every checkpoint keeps them, and a run goes on only where all are the same, so
// that the result equals that of an uninterrupted run.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace slmtune::train {

using Identity = std::map<std::string, std::string>;

struct IdentityChange {
  std::string field, before, now;  // "" where the field is absent on that side
};

// Fields that differ or stand on one side only, by name. "kernel.ranks" is the number of processes
// that train together, absent for one: it may change, and where it does "kernel.threads" may, too.
std::vector<IdentityChange> identity_changes(const Identity& before, const Identity& now);

// For people: "'train.seed' is 8, but the run was started with 7". Hashes are shortened.
std::string change_text(const IdentityChange& change);

// UserError T010 with every change; `where` is the checkpoint or run.
[[noreturn]] void refuse_changes(const std::filesystem::path& where,
                                 const std::vector<IdentityChange>& changes);

}  // namespace slmtune::train
