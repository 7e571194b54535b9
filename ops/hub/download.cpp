#include "ops/hub/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <list>
#include <optional>

#include "core/resumable_file.h"
#include "core/text.h"
#include "ops/hub/hub_errors.h"

namespace slmtune::ops {
namespace {

constexpr int kPollMilliseconds = 100;
constexpr long kBufferBytes = 512 << 10;

// One file on its way, over all its attempts.
struct Transfer {
  const DownloadJob* job = nullptr;
  std::optional<ResumableFile> part;
  Hasher hasher{HashKind::kSha256};
  int attempt = 0, mismatches = 0;
  double not_before = 0;  // now_seconds() at which the next attempt may start

  // Of the attempt under way.
  EasyHandle handle{nullptr, curl().easy_cleanup};
  HttpReply reply;
  uint64_t offset = 0;
  bool is_accepted = false, is_too_long = false, is_elsewhere = false;
  std::exception_ptr failure;  // what a callback threw; it must not pass through libcurl

  uint64_t size() const { return part ? part->size() : 0; }
  void start_over() {
    part->restart();
    hasher = content_hasher(job->file);
  }
};

void open_part(Transfer& transfer) {
  const DownloadJob& job = *transfer.job;
  transfer.part.emplace(job.part);
  transfer.hasher = content_hasher(job.file);
  if (transfer.size() > job.file.bytes) transfer.part->restart();
  if (transfer.size() > 0)
    transfer.part->read([&](std::span<const std::byte> bytes) { transfer.hasher.update(bytes); });
}

// Called before the first byte of an answer that has the file's content.
void accept_answer(Transfer& transfer, long status) {
  transfer.is_accepted = true;
  if (status == 200) {
    if (transfer.size() > 0) transfer.start_over();  // a server that knows no ranges
    return;
  }
  const auto range = transfer.reply.headers.find("content-range");
  transfer.is_elsewhere = range == transfer.reply.headers.end() ||
                          !continues_at(range->second, transfer.offset, transfer.job->file.bytes);
}

size_t take_bytes(Transfer& transfer, std::span<const std::byte> bytes) {
  long status = 0;
  curl().easy_getinfo(transfer.handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200 && status != 206) return bytes.size();  // the text of an error
  if (!transfer.is_accepted) accept_answer(transfer, status);
  if (transfer.is_elsewhere) return 0;
  transfer.is_too_long = transfer.size() + bytes.size() > transfer.job->file.bytes;
  if (transfer.is_too_long) return 0;
  transfer.part->append(bytes);
  transfer.hasher.update(bytes);
  return bytes.size();
}

size_t on_bytes(char* data, size_t, size_t count, void* target) {
  auto& transfer = *static_cast<Transfer*>(target);
  try {
    return take_bytes(transfer, std::as_bytes(std::span(data, count)));
  } catch (...) {
    transfer.failure = std::current_exception();
    return 0;
  }
}

class Download {
 public:
  Download(const DownloadSource& source, const DownloadLimits& limits, uint64_t received,
           PullProgress& progress)
      : source_(source), limits_(limits), finished_bytes_(received), progress_(progress) {
    SLMTUNE_ASSERT(multi_ != nullptr, "libcurl gives no handle");
  }
  ~Download() {
    for (Transfer& transfer : active_) curl().multi_remove_handle(multi_, transfer.handle.get());
    active_.clear();
    curl().multi_cleanup(multi_);
  }
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;

  void run(const std::vector<DownloadJob>& jobs);

 private:
  void start_what_is_due();
  void start(Transfer& transfer);
  void take_finished();
  bool settle(Transfer& transfer);  // false: another attempt is needed
  bool verify(Transfer& transfer);
  void again(Transfer& transfer, bool at_once);
  void show();

  const DownloadSource& source_;
  DownloadLimits limits_;
  uint64_t finished_bytes_;
  PullProgress& progress_;
  CURLM* multi_ = curl().multi_init();
  std::list<Transfer> waiting_, active_;  // lists: libcurl holds addresses
};

void Download::run(const std::vector<DownloadJob>& jobs) {
  for (const DownloadJob& job : jobs) waiting_.emplace_back().job = &job;
  while (!waiting_.empty() || !active_.empty()) {
    start_what_is_due();
    int running = 0;
    curl().multi_perform(multi_, &running);
    take_finished();
    show();
    if (!active_.empty() || !waiting_.empty())
      curl().multi_poll(multi_, nullptr, 0, kPollMilliseconds, nullptr);
  }
}

void Download::start_what_is_due() {
  for (auto next = waiting_.begin();
       next != waiting_.end() && active_.size() < static_cast<size_t>(limits_.parallel);) {
    const auto transfer = next++;
    if (transfer->not_before > now_seconds()) continue;
    if (!transfer->part) open_part(*transfer);
    if (transfer->size() < transfer->job->file.bytes) {
      active_.splice(active_.end(), waiting_, transfer);
      start(*transfer);
    } else if (verify(
                   *transfer)) {  // an earlier run fetched all of it, or there is nothing to fetch
      waiting_.erase(transfer);
    }
  }
}

void Download::start(Transfer& transfer) {
  transfer.reply = HttpReply{};
  transfer.offset = transfer.size();
  transfer.is_accepted = transfer.is_too_long = transfer.is_elsewhere = false;
  transfer.failure = nullptr;
  transfer.handle = source_.session.request(transfer.job->url, transfer.reply);
  CURL* handle = transfer.handle.get();
  // CURLOPT_RESUME_FROM would fail where a server answers with the whole file.
  if (transfer.offset > 0)
    curl().easy_setopt(handle, CURLOPT_RANGE, (std::to_string(transfer.offset) + "-").c_str());
  curl().easy_setopt(handle, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl().easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_bytes);
  curl().easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl().easy_setopt(handle, CURLOPT_PRIVATE, &transfer);
  curl().multi_add_handle(multi_, handle);
}

void Download::take_finished() {
  int left = 0;
  while (CURLMsg* message = curl().multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* handle = message->easy_handle;
    const CURLcode outcome = message->data.result;  // the message dies with the next call
    void* owner = nullptr;
    curl().easy_getinfo(handle, CURLINFO_PRIVATE, &owner);
    auto& transfer = *static_cast<Transfer*>(owner);
    HttpSession::finish(handle, outcome, transfer.reply);
    curl().multi_remove_handle(multi_, handle);
    const auto place = std::find_if(active_.begin(), active_.end(),
                                    [&](const Transfer& other) { return &other == &transfer; });
    std::list<Transfer> settled;
    settled.splice(settled.end(), active_, place);
    transfer.handle.reset();
    if (!settle(transfer)) waiting_.splice(waiting_.begin(), settled, settled.begin());
  }
}

bool Download::settle(Transfer& transfer) {
  if (transfer.failure) std::rethrow_exception(transfer.failure);
  const HttpReply& reply = transfer.reply;
  if (transfer.is_too_long) return verify(transfer);
  if (reply.succeeded() && transfer.size() == transfer.job->file.bytes) return verify(transfer);
  const bool refused_range = reply.status == 416 || transfer.is_elsewhere;
  const bool ended_early = reply.succeeded();
  if (!refused_range && !ended_early && !reply.is_passing())
    throw_http_error(source_.hub, source_.repository, transfer.job->url, reply);
  if (transfer.size() > transfer.offset) transfer.attempt = 0;
  if (++transfer.attempt > limits_.retries) {
    if (refused_range || ended_early)
      throw UnavailableError("H007", transfer.job->url,
                             fmt::format("the hub sends {} of the {} bytes it announced",
                                         transfer.size(), transfer.job->file.bytes),
                             "try again later, or another endpoint");
    throw_http_error(source_.hub, source_.repository, transfer.job->url, reply);
  }
  if (refused_range) transfer.start_over();
  again(transfer, false);
  return false;
}

bool Download::verify(Transfer& transfer) {
  const RemoteFile& file = transfer.job->file;
  if (!transfer.is_too_long && transfer.hasher.finish() == file.hash) {
    transfer.part->commit(transfer.job->done);
    finished_bytes_ += file.bytes;
    progress_.finished(file, "fetched");
    return true;
  }
  // A part of an earlier run may be to blame, so the whole file gets one more chance.
  if (++transfer.mismatches > 1)
    throw FileFormatError("H006", transfer.job->url,
                          transfer.is_too_long
                              ? "more bytes came than the hub announced for this file"
                              : "the fetched bytes do not have the hub's checksum",
                          "try another network, or another HF_ENDPOINT");
  log_verbose(file.name + ": wrong checksum, fetching it once more");
  transfer.start_over();
  again(transfer, true);
  return false;
}

void Download::again(Transfer& transfer, bool at_once) {
  const double wait =
      at_once ? 0 : retry_delay(std::max(transfer.attempt, 1), transfer.reply.retry_after);
  transfer.not_before = now_seconds() + wait;
  if (!at_once) tell_wait(transfer.job->file.name, transfer.reply, wait);
}

void Download::show() {
  uint64_t received = finished_bytes_;
  for (const auto* list : {&active_, &waiting_})
    for (const Transfer& transfer : *list) received += transfer.size();
  progress_.update(received);
}

}  // namespace

bool continues_at(const std::string& content_range, uint64_t offset, uint64_t bytes) {
  const std::string start = fmt::format("bytes {}-", offset);
  if (!content_range.starts_with(start)) return false;
  const size_t slash = content_range.find('/');
  if (slash == std::string::npos) return false;
  const std::string total = content_range.substr(slash + 1);
  return total == "*" || total == std::to_string(bytes);
}

void download(const DownloadSource& source, const std::vector<DownloadJob>& jobs,
              const DownloadLimits& limits, uint64_t received, PullProgress& progress) {
  Download(source, limits, received, progress).run(jobs);
}

}  // namespace slmtune::ops
