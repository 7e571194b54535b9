#include "ops/hub/pull.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "core/atomic_file.h"
#include "core/disk_space.h"
#include "core/error.h"
#include "core/file_lock.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/hub/cache.h"
#include "ops/hub/download.h"
#include "ops/hub/hub_errors.h"
#include "ops/hub/manifest.h"
#include "ops/hub/progress.h"
#include "ops/hub/selection.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestAnswer = 16 << 20;
constexpr uint64_t kSpareBytes = 1 << 20;  // manifest and folder entries

bool same_disk(const fs::path& a, const fs::path& b) {
  struct stat one, other;
  return stat(a.c_str(), &one) == 0 && stat(b.c_str(), &other) == 0 && one.st_dev == other.st_dev;
}

uint64_t size_or_zero(const fs::path& path) {
  std::error_code failed;
  const uint64_t size = fs::file_size(path, failed);
  return failed ? 0 : size;
}

// One run of the command. The steps of run() in order; each leaves on the disk what the next run
// can go on with.
class Pull {
 public:
  Pull(const PullRequest& request, const HubSettings& hub)
      : request_(request), hub_(hub), gathering_(request.folder / ".pull") {}

  void run();
  PullResult result;

 private:
  struct Wanted {
    RemoteFile file;
    Origin origin = Origin::kHub;
    fs::path part, done;  // in gathering_
    std::optional<fs::path> cached;
    bool is_gathered = false;  // `done` is there and verified
  };

  HttpReply ask(const std::string& url);
  Listing ask_hub();
  Listing find_listing();
  void ask_for_details(Listing& listing);
  void choose(const Listing& listing);
  void remove_leftovers() const;
  void check_disk() const;
  void take_cached(PullProgress& progress);
  void fetch(PullProgress& progress);
  void publish();
  uint64_t gathered_bytes() const;
  void stop_if_wanted() const {
    if (request_.should_stop()) throw PullStopped{};
  }
  const HttpSession& session() {
    if (!session_)
      session_.emplace(HttpSettings{.token = hub_.token,
                                    .certificate_file = hub_.certificate_file,
                                    .only_https = hub_.endpoint.starts_with("https://"),
                                    .stall_seconds = request_.stall_seconds});
    return *session_;
  }
  std::string where() const { return page_url(hub_, request_.repository); }

  const PullRequest& request_;
  const HubSettings& hub_;
  fs::path gathering_;
  std::optional<HttpSession> session_;
  Manifest before_;
  std::vector<Wanted> wanted_;
};

void Pull::run() {
  const Listing listing = find_listing();
  result.commit = listing.commit;
  const std::vector<RemoteFile> files = select_files(listing.files, where());
  before_ = read_manifest(request_.folder);
  if (!before_.repository.empty() && before_.repository != request_.repository.name)
    throw IoError("W004", request_.folder.string(),
                  "cannot create: this folder holds '" + shown(before_.repository) + "'",
                  "choose another folder with --to");
  make_folder(gathering_);
  // What is not needed in this folder is removed, so it must be one that pull has made.
  std::error_code unreadable;
  if (fs::is_symlink(gathering_, unreadable))
    throw IoError("W004", gathering_.string(), "cannot create: a link has this name", "remove it");
  const FileLock lock(gathering_ / "lock", request_.command);
  choose({listing.commit, files});
  remove_leftovers();
  check_disk();
  uint64_t total = 0;
  for (const Wanted& wanted : wanted_) total += wanted.file.bytes;
  PullProgress progress(total, request_.should_stop);
  take_cached(progress);
  fetch(progress);
  stop_if_wanted();
  publish();
}

// The hub's word, or the cache's when the hub is out of reach.
Listing Pull::find_listing() {
  std::optional<Listing> cached = cached_listing(hub_, request_.repository);
  if (hub_.offline) {
    if (!cached)
      throw UnavailableError(
          "H001", where(),
          "HF_HUB_OFFLINE is set and the cache has no copy of this model that can be "
          "checked",
          "unset HF_HUB_OFFLINE, or set HF_HUB_CACHE to a cache that has it");
  } else {
    try {
      return ask_hub();
    } catch (const UnavailableError& error) {
      if (error.code() != "H001" || !cached) throw;
      log_warning("the hub was not reached; taking the revision that the cache in " +
                  hub_.cache.string() + " has");
    }
  }
  result.is_offline = true;
  return *cached;
}

HttpReply Pull::ask(const std::string& url) {
  return session().get("the hub's list of files", {.url = url, .limit_bytes = kLongestAnswer},
                       request_.retries, request_.should_stop);
}

Listing Pull::ask_hub() {
  const std::string url = info_url(hub_, request_.repository);
  const HttpReply reply = ask(url);
  stop_if_wanted();
  if (!reply.succeeded()) throw_http_error(hub_, request_.repository, url, reply);
  Listing listing = parse_listing(reply.body, url);
  ask_for_details(listing);
  return listing;
}

// Mirrors that do not know `blobs=true` list names only; what is needed of them is in the tree.
void Pull::ask_for_details(Listing& listing) {
  auto lacks_hash = [&] {
    const auto needed = select_files(listing.files, where());
    return std::find_if(needed.begin(), needed.end(),
                        [](const RemoteFile& file) { return file.hash.empty(); }) != needed.end();
  };
  if (!lacks_hash()) return;
  const std::string url = tree_url(hub_, request_.repository, listing.commit);
  const HttpReply reply = ask(url);
  stop_if_wanted();
  if (!reply.succeeded()) throw_http_error(hub_, request_.repository, url, reply);
  add_tree_details(listing, reply.body, url);
  if (lacks_hash())
    throw UnavailableError("H007", url, "the hub names no checksum for a file that is needed",
                           "nothing unverified is fetched; use another HF_ENDPOINT");
}

void Pull::choose(const Listing& listing) {
  for (const RemoteFile& file : listing.files) {
    Wanted wanted;
    wanted.file = file;
    const std::string name = file.name + "." + file.hash.substr(0, 16);
    wanted.done = gathering_ / name;
    wanted.part = gathering_ / (name + ".part");
    std::error_code absent;
    if (presence_of(request_.folder, file, before_, [this] { stop_if_wanted(); }) ==
        Presence::kSame) {
      wanted.origin = Origin::kKept;
    } else if (fs::exists(wanted.done, absent) && size_or_zero(wanted.done) == file.bytes) {
      wanted.is_gathered = true;
    } else if (auto cached = cached_file(hub_, request_.repository, listing.commit, file)) {
      wanted.origin = Origin::kCache;
      wanted.cached = cached;
    }
    wanted_.push_back(std::move(wanted));
  }
}

// Parts of another revision would only take room.
void Pull::remove_leftovers() const {
  std::error_code unreadable;  // then nothing is removed, and writing into it says what is wrong
  for (const auto& entry : fs::directory_iterator(gathering_, unreadable)) {
    const bool needed = std::any_of(wanted_.begin(), wanted_.end(), [&](const Wanted& wanted) {
      return entry.path() == wanted.part || entry.path() == wanted.done;
    });
    std::error_code stays;  // then it takes room and does no harm
    if (!needed && entry.path().filename() != "lock") fs::remove_all(entry.path(), stays);
  }
}

void Pull::check_disk() const {
  uint64_t needed = kSpareBytes;
  for (const Wanted& wanted : wanted_) {
    if (wanted.origin == Origin::kKept || wanted.is_gathered) continue;
    const bool linked =
        wanted.cached && is_linkable(wanted.file) && same_disk(*wanted.cached, gathering_);
    if (!linked)
      needed += wanted.file.bytes - std::min(wanted.file.bytes, size_or_zero(wanted.part));
  }
  check_free_space(gathering_, needed, "the model");
}

uint64_t Pull::gathered_bytes() const {
  uint64_t bytes = 0;
  for (const Wanted& wanted : wanted_)
    if (wanted.origin == Origin::kKept || wanted.is_gathered) bytes += wanted.file.bytes;
  return bytes;
}

void Pull::take_cached(PullProgress& progress) {
  for (Wanted& wanted : wanted_) {
    if (!wanted.cached) continue;
    const uint64_t before = gathered_bytes();
    wanted.is_gathered = take_from_cache(*wanted.cached, wanted.file, wanted.part, wanted.done,
                                         [&](uint64_t read) { progress.update(before + read); });
    if (wanted.is_gathered) {
      progress.finished(wanted.file, "from the cache");
      continue;
    }
    log_warning(wanted.cached->string() + " is damaged: its content does not have the hash");
    if (result.is_offline)
      throw FileFormatError("H006", wanted.cached->string(),
                            "the cached bytes do not have the checksum in their name",
                            "remove this file and pull again with the network");
    wanted.origin = Origin::kHub;
  }
}

void Pull::fetch(PullProgress& progress) {
  std::vector<DownloadJob> jobs;
  for (const Wanted& wanted : wanted_)
    if (wanted.origin == Origin::kHub && !wanted.is_gathered)
      jobs.push_back({wanted.file,
                      file_url(hub_, request_.repository, result.commit, wanted.file.name),
                      wanted.part, wanted.done});
  if (jobs.empty()) return;
  // The small files first: what is wrong with the repository or the token shows before the
  // gigabytes.
  std::stable_partition(jobs.begin(), jobs.end(), [](const DownloadJob& job) {
    return !job.file.name.ends_with(".safetensors");
  });
  download({session(), hub_, request_.repository}, jobs,
           {.parallel = request_.parallel, .retries = request_.retries}, gathered_bytes(),
           progress);
}

void Pull::publish() {
  Manifest manifest{
      request_.repository.name, request_.repository.revision, result.commit, hub_.endpoint, {}};
  for (const Wanted& wanted : wanted_) {
    if (wanted.origin != Origin::kKept &&
        rename(wanted.done.c_str(), (request_.folder / wanted.file.name).c_str()) != 0)
      throw_io_error((request_.folder / wanted.file.name).string(),
                     "cannot put the finished file in place", errno);
    manifest.files.push_back({wanted.file, 0});  // its time is read when the manifest is written
    result.files.push_back({wanted.file, wanted.origin});
  }
  // What an earlier revision had and this one has not would be loaded beside it.
  for (const ManifestEntry& old : before_.files) {
    const bool listed = std::any_of(wanted_.begin(), wanted_.end(), [&](const Wanted& wanted) {
      return wanted.file.name == old.file.name;
    });
    if (listed || !is_untouched(request_.folder, old)) continue;
    std::error_code stays;
    fs::remove(request_.folder / old.file.name, stays);
  }
  write_manifest(request_.folder, manifest);  // syncs the folder's entries too
  std::error_code stays;
  fs::remove_all(gathering_, stays);
}

}  // namespace

uint64_t PullResult::bytes() const {
  uint64_t sum = 0;
  for (const PulledFile& pulled : files) sum += pulled.file.bytes;
  return sum;
}

uint64_t PullResult::fetched_bytes() const {
  uint64_t sum = 0;
  for (const PulledFile& pulled : files)
    if (pulled.origin == Origin::kHub) sum += pulled.file.bytes;
  return sum;
}

PullResult pull(const PullRequest& request, const HubSettings& hub) {
  Pull run(request, hub);
  try {
    run.run();
  } catch (const PullStopped&) {
    run.result.was_stopped = true;
  }
  return std::move(run.result);
}

}  // namespace slmtune::ops
