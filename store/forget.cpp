#include "store/forget.h"

#include <algorithm>
#include <set>

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

bool is_snapshot(const fs::path& folder) {
  std::error_code ignored;
  return !folder.empty() && fs::exists(folder / kManifestName, ignored);
}

bool is_in(const SnapshotStore& store, const fs::path& snapshot) {
  std::error_code ignored;
  return fs::equivalent(fs::absolute(snapshot).parent_path().parent_path(), store.path(), ignored);
}

// A parent is recorded as the user named its store, perhaps from another folder than this one.
bool is_same_store(const fs::path& named, const SnapshotStore& store) {
  std::error_code ignored;
  if (fs::exists(named, ignored)) return fs::equivalent(named, store.path(), ignored);
  return named.filename() == fs::canonical(store.path()).filename();
}

// The snapshots of other stores that `manifest` names as its parent or base.
void add_elsewhere(const SnapshotStore& store, const Manifest& manifest,
                   std::set<std::string>& found) {
  if (is_snapshot(manifest.base_path) && !is_in(store, manifest.base_path))
    found.insert(manifest.base_path);
  const size_t hash = manifest.parent.rfind('#');
  if (hash != std::string::npos && !is_same_store(manifest.parent.substr(0, hash), store))
    found.insert(manifest.parent);
}

SeenRows count_rows(const RowIndex& index, const std::vector<SoughtRow>& hidden) {
  SeenRows seen;
  auto is_any = [](const SoughtRow& row, auto&& holds) {
    return std::any_of(row.begin(), row.end(), holds);
  };
  for (const SoughtRow& row : hidden) {
    const bool own = is_any(row, [&](const RowDigest& one) { return index.has_own(one); });
    seen.trained += own;
    seen.inherited +=
        !own && is_any(row, [&](const RowDigest& one) { return index.has_inherited(one); });
  }
  return seen;
}

}  // namespace

RowSearch find_rows(const SnapshotStore& store, const std::vector<SoughtRow>& rows) {
  RowSearch search;
  const auto key = RowKey::read(store.path());
  std::vector<SoughtRow> hidden = rows;
  for (SoughtRow& row : hidden)
    for (RowDigest& digest : row)
      if (key) digest = key->hide(digest);
  std::set<std::string> elsewhere;
  for (SnapshotInfo& info : store.list()) {
    add_elsewhere(store, info.manifest, elsewhere);
    const auto index = key ? RowIndex::read_whole(info.path, *key) : std::nullopt;
    SeenRows seen = index ? count_rows(*index, hidden) : SeenRows{};
    if (seen.trained + seen.inherited > 0) {
      seen.info = std::move(info);
      search.seen.push_back(std::move(seen));
    } else if (!index || !index->is_complete()) {
      search.unknown.push_back(info.number);
    }
  }
  search.elsewhere.assign(elsewhere.begin(), elsewhere.end());
  return search;
}

std::vector<fs::path> origins_in(const SnapshotStore& store, const std::vector<fs::path>& folders) {
  std::set<fs::path> origins;
  for (const fs::path& folder : folders)
    if (is_snapshot(folder) && is_in(store, folder))
      origins.insert(fs::absolute(folder).lexically_normal());
  return {origins.begin(), origins.end()};
}

}  // namespace slmtune::store
