// Fetches files from a hub: several at once, each resumed where its part file ends, hashed while it
// comes in and put under its name only when the hash is the hub's. What breaks on the way (a cut, a
// stall, a busy server) is tried again.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "ops/http/http.h"
#include "ops/hub/address.h"
#include "ops/hub/listing.h"
#include "ops/hub/progress.h"

namespace slmtune::ops {

struct DownloadJob {
  RemoteFile file;  // with a checksum
  std::string url;
  std::filesystem::path part,
      done;  // where the bytes are gathered, and where the verified file goes
};

struct DownloadLimits {
  int parallel = 4;  // files at once
  int retries = 8;   // of one file, counted anew after each byte that came in
};

struct DownloadSource {
  const HttpSession& session;
  const HubSettings& hub;
  const Repository& repository;
};

// `received` counts the bytes of the whole pull that are there already; it grows as bytes come in.
// Errors of throw_http_error(); H006 wrong bytes twice; W001, W002. After an error the parts stay.
// PullStopped.
void download(const DownloadSource& source, const std::vector<DownloadJob>& jobs,
              const DownloadLimits& limits, uint64_t received, PullProgress& progress);

// True when a 206 answer starts at `offset` of a file of `bytes` bytes ("bytes 5-9/10").
bool continues_at(const std::string& content_range, uint64_t offset, uint64_t bytes);

}  // namespace slmtune::ops
