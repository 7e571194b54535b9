// aliases.json of a store: a table of names and snapshot numbers, replaced as a whole, so that
// whoever reads it sees all names before a move or all after it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/journal.h"

namespace slmtune::store {

using Aliases = std::map<std::string, int64_t>;

// Letters, digits, '-' and '_', at most 64.
bool is_alias_name(std::string_view text);

// The table as it is in the file; empty when there is none. S007.
Aliases read_aliases(const std::filesystem::path& path);
void write_aliases(const std::filesystem::path& path, const Aliases& aliases);

// Numbers that `production` has named, oldest first, without those that a rollback left; the last
// one is what it names now (none: it is in no table). Moves that the journal announces and that did
// not happen are left out.
std::vector<int64_t> production_history(const Journal& journal, const Aliases& aliases);

}  // namespace slmtune::store
