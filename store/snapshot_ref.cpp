#include "core/error.h"
#include "core/text.h"
#include "store/snapshot_store.h"

namespace slmtune::store {

std::optional<SnapshotRef> parse_snapshot_ref(
    const std::string& text, const std::optional<std::filesystem::path>& default_store) {
  std::error_code ignored;
  // A folder first: its name may hold a '#' of its own.
  if (!text.empty() &&
      std::filesystem::exists(std::filesystem::path(text) / "manifest.json", ignored))
    return SnapshotRef{text, read_manifest(text)};
  size_t hash = text.rfind('#');
  if (hash == std::string::npos) return std::nullopt;
  std::filesystem::path store_path = text.substr(0, hash);
  if (store_path.empty()) {
    if (!default_store)
      throw UserError("S003", "", "'" + shown(text) + "' names no store",
                      "write it as STORE#42, for example 'runs/faq#42'");
    store_path = *default_store;
  }
  SnapshotStore store = SnapshotStore::open(store_path);
  SnapshotInfo info = store.show(store.number_of(text.substr(hash)));
  return SnapshotRef{info.path, info.manifest};
}

}  // namespace slmtune::store
