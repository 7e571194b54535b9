// The cache that huggingface_hub keeps on a machine
// (<cache>/models--ORG--NAME/{refs,snapshots,blobs}): what it holds need not be fetched. Its files
// are named by their hash, so they are checked like fetched ones.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>

#include "ops/hub/address.h"
#include "ops/hub/listing.h"

namespace slmtune::ops {

// The bytes of `file` as the cache holds them for `commit`, or for any other commit with the same
// content. nullopt when they are not there in full.
std::optional<std::filesystem::path> cached_file(const HubSettings& hub,
                                                 const Repository& repository,
                                                 const std::string& commit, const RemoteFile& file);

// What the cache knows of the repository without asking the hub: the files of the wanted commit, or
// of the one that the branch had when it was cached. nullopt when there is none, or when it keeps
// files without their hashes.
std::optional<Listing> cached_listing(const HubSettings& hub, const Repository& repository);

// True for files that are linked instead of copied: weights, which nobody edits.
bool is_linkable(const RemoteFile& file);

// Makes `to` from a file of the cache, by way of `part`: weights as a hard link where both lie on
// one disk, anything else as a copy, since small files get edited and the cache must not change
// with them. `tick` is called with the bytes read. False, and no file, when the cached bytes do not
// have the hash. W001, W002.
bool take_from_cache(const std::filesystem::path& cached, const RemoteFile& file,
                     const std::filesystem::path& part, const std::filesystem::path& to,
                     const std::function<void(uint64_t)>& tick);

}  // namespace slmtune::ops
