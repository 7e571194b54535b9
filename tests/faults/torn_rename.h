// What a rename must never be: one that others see half done.
#pragma once
#include <string>

namespace slmtune::faults {

// Moves `from` to `to` in steps, each of which the plan may strike at: a file is copied in two
// halves over the old one, a folder entry by entry. Same result as renameat2 in the end.
int torn_rename(const std::string& from, const std::string& to, unsigned flags);

}  // namespace slmtune::faults
