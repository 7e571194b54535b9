#include "train/identity.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::train {
namespace {

constexpr size_t kShown = 20;  // of an error (core/error.cpp); the help stands with the last
constexpr size_t kHashDigits = 64, kShownDigits = 12;

// A run may go on with another number of ranks, each with its own number of threads: sums are made
// in another order then, as those of several ranks always are.
constexpr const char *kRanks = "kernel.ranks", *kThreads = "kernel.threads";

std::string value_or_empty(const Identity& identity, const char* field) {
  const auto found = identity.find(field);
  return found == identity.end() ? "" : found->second;
}

// A SHA-256 tells two things apart by its first digits.
std::string value_text(const std::string& value) {
  const bool is_hash =
      value.size() == kHashDigits && value.find_first_not_of("0123456789abcdef") == value.npos;
  if (is_hash) return value.substr(0, kShownDigits) + "…";
  return value.empty() ? "absent" : shown(value);
}

}  // namespace

std::vector<IdentityChange> identity_changes(const Identity& before, const Identity& now) {
  std::vector<IdentityChange> changes;
  for (const auto& [field, value] : before) {
    auto other = now.find(field);
    std::string current = other == now.end() ? "" : other->second;
    if (other == now.end() || current != value) changes.push_back({field, value, current});
  }
  for (const auto& [field, value] : now)
    if (!before.contains(field)) changes.push_back({field, "", value});
  if (value_or_empty(before, kRanks) != value_or_empty(now, kRanks))
    std::erase_if(changes, [](const IdentityChange& change) {
      return change.field == kRanks || change.field == kThreads;
    });
  std::sort(changes.begin(), changes.end(),
            [](const auto& a, const auto& b) { return a.field < b.field; });
  return changes;
}

std::string change_text(const IdentityChange& change) {
  return "'" + shown(change.field) + "' is " + value_text(change.now) +
         ", but the run was started with " + value_text(change.before);
}

void refuse_changes(const std::filesystem::path& where,
                    const std::vector<IdentityChange>& changes) {
  std::vector<Diagnostic> found;
  for (const IdentityChange& change : changes)
    found.push_back({"T010", where.string(), change_text(change), "", ""});
  found[std::min(found.size(), kShown) - 1].help =
      "put it back to go on with this run; --resume-as-new goes on from its weights in a new run; "
      "--resume never starts from the beginning";
  throw UserError(std::move(found));
}

}  // namespace slmtune::train
