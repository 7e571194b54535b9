// What a hub says a repository holds at one commit, read from its JSON answers. The answers are
// hostile input: a name that could leave the folder, a size no model has or a checksum of the wrong
// form is an error before anything is fetched.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/sha256.h"

namespace slmtune::ops {

struct RemoteFile {
  std::string name;  // relative to the repository's top, checked; may hold folders
  uint64_t bytes = 0;
  HashKind kind = HashKind::kSha1;
  std::string
      hash;  // SHA-256 of a large file's bytes, or the git blob id of a small one; "" = not told

  bool operator==(const RemoteFile&) const = default;
};

struct Listing {
  std::string commit;             // 40 hexadecimal digits
  std::vector<RemoteFile> files;  // sorted by name, without repeats
};

// Answer of /api/models/{repository}/revision/{revision}?blobs=true; `where` is its URL for
// messages. H007.
Listing parse_listing(std::string_view json, const std::string& where);

// Answer of /api/models/{repository}/tree/{commit}: fills in sizes and checksums that the first
// answer lacked, as mirrors do that know no `blobs`. H007.
void add_tree_details(Listing& listing, std::string_view json, const std::string& where);

// Hash of the file as the hub names it; feed it the file's bytes.
Hasher content_hasher(const RemoteFile& file);

// True when the bytes of `path` have the hash. `tick` is called with the bytes read so far, every
// few milliseconds. N001, W001, W003, F005.
bool content_matches(const std::filesystem::path& path, const RemoteFile& file,
                     const std::function<void(uint64_t)>& tick);

// "sha256:…" or "git-sha1:…", for the manifest.
std::string hash_text(const RemoteFile& file);

}  // namespace slmtune::ops
