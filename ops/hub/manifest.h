// pull_manifest.json in a pulled folder: where the files come from, and enough about each to tell
// later whether it still is as `pull` left it. A file that somebody changed is never replaced.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ops/hub/listing.h"

namespace slmtune::ops {

inline constexpr const char* kManifestName = "pull_manifest.json";

struct ManifestEntry {
  RemoteFile file;
  int64_t modified_ns = 0;  // of the file on this disk, as stat says
};

struct Manifest {
  std::string repository, revision, commit, endpoint;
  std::vector<ManifestEntry> files;
};

// Of the folder that `pull` made; an empty one when there is none or it is not of ours (names that
// lead out of the folder, members that are missing): then every file is looked at by its content.
Manifest read_manifest(const std::filesystem::path& folder);

// Writes it with the files' present times. W001 and its like.
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);

enum class Presence {
  kAbsent,
  kSame,
  kOurs
};  // kOurs: as an earlier pull left it, but not what is wanted now

// What lies in `folder` under the wanted file's name. W004 when it is neither the wanted file nor
// one that `pull` has put there. Reads the file only when its size and time are not those of the
// manifest.
Presence presence_of(const std::filesystem::path& folder, const RemoteFile& wanted,
                     const Manifest& manifest, const std::function<void()>& tick);

// True when the listed file is on the disk as `pull` left it.
bool is_untouched(const std::filesystem::path& folder, const ManifestEntry& entry);

}  // namespace slmtune::ops
