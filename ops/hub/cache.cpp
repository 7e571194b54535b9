#include "ops/hub/cache.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/mapped_file.h"
#include "core/resumable_file.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

fs::path repository_folder(const HubSettings& hub, const Repository& repository) {
  std::string name = "models--" + repository.name;
  if (const size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return hub.cache / name;
}

// Where the links of a snapshot lead, when that is a plain file.
std::optional<fs::path> plain_file(const fs::path& path) {
  std::error_code failed;
  fs::path real = fs::canonical(path, failed);
  if (failed || !fs::is_regular_file(real, failed) || failed) return std::nullopt;
  return real;
}

std::optional<fs::path> of_size(std::optional<fs::path> path, uint64_t bytes) {
  std::error_code failed;
  if (path && (fs::file_size(*path, failed) != bytes || failed)) return std::nullopt;
  return path;
}

std::string cached_commit(const fs::path& folder, const std::string& revision) {
  if (is_hash(revision, 40)) return revision;
  const auto reference = plain_file(folder / "refs" / revision);
  std::error_code failed;
  if (!reference || fs::file_size(*reference, failed) > 64 || failed) return "";
  std::string commit = read_text_file(*reference, 64);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r')) commit.pop_back();
  return is_hash(commit, 40) ? commit : "";
}

// A cached file's name is its hash; without links (as on some file systems) it is not known.
RemoteFile described(const fs::path& entry, const fs::path& real) {
  RemoteFile file;
  file.name = entry.filename().string();
  std::error_code failed;
  file.bytes = fs::file_size(real, failed);
  const std::string blob = real.filename().string();
  file.kind = blob.size() == 64 ? HashKind::kSha256 : HashKind::kSha1;
  if (!failed && (is_hash(blob, 64) || is_hash(blob, 40))) file.hash = blob;
  return file;
}

// `to` becomes another name of the cached file, under `step` first: who filled the cache may not
// have synced it. Not under the name of a part, which would be written to. False across disks.
bool link_into_place(const fs::path& cached, const fs::path& step, const fs::path& to) {
  unlink(step.c_str());
  if (link(cached.c_str(), step.c_str()) != 0) return false;
  sync_file(step);
  if (rename(step.c_str(), to.c_str()) != 0)
    throw_io_error(to.string(), "cannot put the finished file in place", errno);
  return true;
}

}  // namespace

std::optional<fs::path> cached_file(const HubSettings& hub, const Repository& repository,
                                    const std::string& commit, const RemoteFile& file) {
  const fs::path folder = repository_folder(hub, repository);
  if (auto found = of_size(plain_file(folder / "snapshots" / commit / file.name), file.bytes))
    return found;
  return of_size(plain_file(folder / "blobs" / file.hash), file.bytes);
}

std::optional<Listing> cached_listing(const HubSettings& hub, const Repository& repository) {
  const fs::path folder = repository_folder(hub, repository);
  Listing listing;
  listing.commit = cached_commit(folder, repository.revision);
  if (listing.commit.empty()) return std::nullopt;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder / "snapshots" / listing.commit, absent))
    if (const auto real = plain_file(entry.path()))
      listing.files.push_back(described(entry.path(), *real));
  const bool checkable = std::all_of(listing.files.begin(), listing.files.end(),
                                     [](const RemoteFile& file) { return !file.hash.empty(); });
  if (listing.files.empty() || !checkable) return std::nullopt;
  std::sort(listing.files.begin(), listing.files.end(),
            [](const RemoteFile& a, const RemoteFile& b) { return a.name < b.name; });
  return listing;
}

bool is_linkable(const RemoteFile& file) {
  return file.name.ends_with(".safetensors");
}

bool take_from_cache(const fs::path& cached, const RemoteFile& file, const fs::path& part,
                     const fs::path& to, const std::function<void(uint64_t)>& tick) {
  if (!content_matches(cached, file, tick)) return false;
  if (is_linkable(file) && link_into_place(cached, part.string() + ".link", to)) return true;
  ResumableFile copy(part);
  copy.restart();
  copy.append(MappedFile(cached).bytes());
  copy.commit(to);
  return true;
}

}  // namespace slmtune::ops
