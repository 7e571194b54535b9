// `slmtune pull`: a model folder from a Hugging Face-compatible hub, or from the cache that
// huggingface_hub keeps.
//
// Files are gathered in <folder>/.pull under names that hold their hash, and moved into the folder
// when all of them are there and verified. So a folder holds one whole revision or, before the
// first pull is done, nothing; the same command goes on after a stop.
//
//   PullResult pulled = pull({.repository = parse_repository("Qwen/Qwen2.5-0.5B"), .folder =
//   "models/q"}, hub);
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ops/hub/address.h"
#include "ops/hub/listing.h"

namespace slmtune::ops {

struct PullRequest {
  Repository repository;
  std::filesystem::path folder;
  int parallel = 4, retries = 8;
  double stall_seconds = 30;
  std::string command = "slmtune pull";  // for whoever finds the folder locked
  std::function<bool()> should_stop = [] { return false; };
};

enum class Origin { kKept, kCache, kHub };  // was in the folder already, the local cache, fetched

struct PulledFile {
  RemoteFile file;
  Origin origin = Origin::kHub;
};

struct PullResult {
  std::string commit;
  std::vector<PulledFile> files;  // sorted by name
  bool was_stopped = false;       // should_stop() said so; nothing was put into the folder
  bool is_offline = false;        // the hub was not asked; the cache's revision was taken

  uint64_t bytes() const;          // of all files
  uint64_t fetched_bytes() const;  // of those from the hub
};

// H001 … H008, W001 … W004, L001 (another pull into this folder).
PullResult pull(const PullRequest& request, const HubSettings& hub);

}  // namespace slmtune::ops
