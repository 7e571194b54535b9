#include "ops/hub/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "core/log.h"
#include "core/text.h"
#include "core/version.h"

namespace slmtune::ops {
namespace {

constexpr long kConnectSeconds = 15;
constexpr long kMaxRedirects = 8;
constexpr long kStalledBytesPerSecond = 200;  // at that rate a shard would take a year
constexpr double kLongWaitSeconds = 2;        // a shorter one is nobody's concern
constexpr int kConnectRetries = 2;            // who has no network should hear so soon

// libcurl reads http_proxy in lower case alone, because a web server puts a visitor's "Proxy:"
// header into HTTP_PROXY. This is no web server, and people write both.
void accept_upper_case_proxy() {
  const char* upper = std::getenv("HTTP_PROXY");
  if (upper != nullptr && std::getenv("REQUEST_METHOD") == nullptr)
    setenv("http_proxy", upper, /*overwrite=*/0);
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// libcurl calls this for each header line of each answer, those of redirects included.
size_t on_header(char* data, size_t, size_t count, void* target) {
  auto& reply = *static_cast<HttpReply*>(target);
  std::string_view line(data, count);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) reply.headers.clear();
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || reply.headers.size() > 200) return count;
  const size_t value = line.find_first_not_of(" \t", colon + 1);
  reply.headers[lower(line.substr(0, colon))] =
      value == std::string_view::npos ? "" : std::string(line.substr(value));
  return count;
}

struct TextTarget {
  std::string* body;
  size_t limit;
};

size_t on_text(char* data, size_t, size_t count, void* target) {
  auto& text = *static_cast<TextTarget*>(target);
  if (text.body->size() + count > text.limit) return 0;
  text.body->append(data, count);
  return count;
}

int on_progress(void* target, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(target))() ? 1 : 0;
}

bool waited(double seconds, const std::function<bool()>& should_stop) {
  for (double left = seconds; left > 0; left -= 0.05) {
    if (should_stop()) return false;
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(left, 0.05)));
  }
  return !should_stop();
}

bool is_no_connection(CURLcode outcome) {
  return outcome == CURLE_COULDNT_RESOLVE_HOST || outcome == CURLE_COULDNT_RESOLVE_PROXY ||
         outcome == CURLE_COULDNT_CONNECT;
}

}  // namespace

bool HttpReply::is_passing() const {
  if (proxy_status >= 400 && proxy_status < 500) return false;  // it wants a password, or refuses
  switch (outcome) {
    case CURLE_OK:
      return status == 408 || status == 429 || status >= 500;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
      return true;
    default:
      return false;
  }
}

double retry_delay(int attempt, double retry_after) {
  if (retry_after > 0) return std::min(retry_after, 300.0);
  return std::min(0.25 * std::exp2(std::min(attempt, 20) - 1), 30.0);
}

void tell_wait(const std::string& what, const HttpReply& reply, double seconds) {
  const std::string reason =
      reply.outcome != CURLE_OK ? shown(reply.problem) : fmt::format("HTTP {}", reply.status);
  const std::string text = fmt::format("{}: {}; trying again in {:.2g} s", what, reason, seconds);
  if (seconds >= kLongWaitSeconds)
    log_info(text);
  else
    log_verbose(text);
}

HttpSession::HttpSession(const HubSettings& hub, double stall_seconds)
    : hub_(hub), stall_seconds_(stall_seconds) {
  accept_upper_case_proxy();
  curl();  // here, because the destructor must not be the first to open it
  if (!hub_.token.empty())
    headers_ = curl().slist_append(headers_, ("Authorization: Bearer " + hub_.token).c_str());
}

HttpSession::~HttpSession() {
  curl().slist_free_all(headers_);
}

EasyHandle HttpSession::request(const std::string& url, HttpReply& reply) const {
  EasyHandle handle(curl().easy_init(), curl().easy_cleanup);
  SLMTUNE_ASSERT(handle != nullptr, "libcurl gives no handle");
  const auto set = [&](CURLoption option, auto value) {
    curl().easy_setopt(handle.get(), option, value);
  };
  const std::string agent = "slmtune/" + std::string(version());
  const bool secure = hub_.endpoint.starts_with("https://");
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_USERAGENT, agent.c_str());
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_NOSIGNAL, 1L);
  // One connection for each file: streams that share one are slowed together by one lost packet.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, kMaxRedirects);
  set(CURLOPT_UNRESTRICTED_AUTH, 0L);
  set(CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(CURLOPT_LOW_SPEED_LIMIT, kStalledBytesPerSecond);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(std::ceil(stall_seconds_)));
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, &reply);
  set(CURLOPT_ERRORBUFFER, reply.detail.data());
  if (!hub_.certificate_file.empty()) set(CURLOPT_CAINFO, hub_.certificate_file.c_str());
  return handle;
}

void HttpSession::finish(CURL* handle, CURLcode outcome, HttpReply& reply) {
  reply.outcome = outcome;
  reply.problem = reply.detail[0] != '\0' ? reply.detail.data() : curl().easy_strerror(outcome);
  curl().easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &reply.status);
  curl().easy_getinfo(handle, CURLINFO_HTTP_CONNECTCODE, &reply.proxy_status);
  curl_off_t seconds = 0;
  if (curl().easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK)
    reply.retry_after = static_cast<double>(seconds);
}

HttpReply HttpSession::get(const std::string& url, size_t limit_bytes, int retries,
                           const std::function<bool()>& should_stop) const {
  for (int attempt = 1;; ++attempt) {
    HttpReply reply;
    TextTarget target{&reply.body, limit_bytes};
    EasyHandle handle = request(url, reply);
    curl().easy_setopt(handle.get(), CURLOPT_ACCEPT_ENCODING, "");
    curl().easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, on_text);
    curl().easy_setopt(handle.get(), CURLOPT_WRITEDATA, &target);
    curl().easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L);
    curl().easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, on_progress);
    curl().easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &should_stop);
    finish(handle.get(), curl().easy_perform(handle.get()), reply);
    const int allowed =
        is_no_connection(reply.outcome) ? std::min(retries, kConnectRetries) : retries;
    if (!reply.is_passing() || attempt > allowed) return reply;
    tell_wait("the hub's list of files", reply, retry_delay(attempt, reply.retry_after));
    if (!waited(retry_delay(attempt, reply.retry_after), should_stop)) {
      reply.outcome = CURLE_ABORTED_BY_CALLBACK;
      return reply;
    }
  }
}

}  // namespace slmtune::ops
