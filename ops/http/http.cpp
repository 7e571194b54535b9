#include "ops/http/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
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

size_t on_upload(char* data, size_t size, size_t count, void* source) {
  auto& file = *static_cast<std::ifstream*>(source);
  file.read(data, static_cast<std::streamsize>(size * count));
  return file.bad() ? CURL_READFUNC_ABORT : static_cast<size_t>(file.gcount());
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

HttpSession::HttpSession(HttpSettings settings) : settings_(std::move(settings)) {
  if (settings_.takes_proxies) accept_upper_case_proxy();
  curl();  // here, because the destructor must not be the first to open it
  const auto add = [](curl_slist*& list, const std::string& line) {
    list = curl().slist_append(list, line.c_str());
  };
  for (curl_slist** list : {&headers_, &json_headers_, &file_headers_})
    if (!settings_.token.empty()) add(*list, "Authorization: Bearer " + settings_.token);
  add(json_headers_, "Content-Type: application/json");
  add(file_headers_, "Content-Type: application/octet-stream");
  // Otherwise libcurl waits for a go-ahead that small servers do not give.
  for (curl_slist** list : {&json_headers_, &file_headers_}) add(*list, "Expect:");
}

HttpSession::~HttpSession() {
  for (curl_slist* list : {headers_, json_headers_, file_headers_}) curl().slist_free_all(list);
}

EasyHandle HttpSession::request(const std::string& url, HttpReply& reply) const {
  EasyHandle handle(curl().easy_init(), curl().easy_cleanup);
  SLMTUNE_ASSERT(handle != nullptr, "libcurl gives no handle");
  const auto set = [&](CURLoption option, auto value) {
    curl().easy_setopt(handle.get(), option, value);
  };
  const std::string agent = "slmtune/" + std::string(version());
  const char* protocols = settings_.only_https ? "https" : "http,https";
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_USERAGENT, agent.c_str());
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_NOSIGNAL, 1L);
  // One connection for each file: streams that share one are slowed together by one lost packet.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, settings_.follows_redirects ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, kMaxRedirects);
  set(CURLOPT_UNRESTRICTED_AUTH, 0L);
  set(CURLOPT_PROTOCOLS_STR, protocols);
  set(CURLOPT_REDIR_PROTOCOLS_STR, protocols);
  set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(CURLOPT_LOW_SPEED_LIMIT, kStalledBytesPerSecond);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(std::ceil(settings_.stall_seconds)));
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, &reply);
  set(CURLOPT_ERRORBUFFER, reply.detail.data());
  if (!settings_.takes_proxies) set(CURLOPT_PROXY, "");
  if (!settings_.certificate_file.empty()) set(CURLOPT_CAINFO, settings_.certificate_file.c_str());
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

void HttpSession::set_content(CURL* handle, const HttpRequest& wanted, std::ifstream& file) const {
  const auto set = [&](CURLoption option, auto value) {
    curl().easy_setopt(handle, option, value);
  };
  if (wanted.upload) {
    file.open(*wanted.upload, std::ios::binary);
    if (!file)
      throw UserError("N001", wanted.upload->string(), "cannot be read", "check its permissions");
    set(CURLOPT_POST, 1L);
    set(CURLOPT_HTTPHEADER, file_headers_);
    set(CURLOPT_READFUNCTION, on_upload);
    set(CURLOPT_READDATA, &file);
    set(CURLOPT_POSTFIELDSIZE_LARGE,
        static_cast<curl_off_t>(std::filesystem::file_size(*wanted.upload)));
  } else if (!wanted.body.empty()) {
    set(CURLOPT_HTTPHEADER, json_headers_);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(wanted.body.size()));
    set(CURLOPT_POSTFIELDS, wanted.body.c_str());
  }
}

HttpReply HttpSession::send(const HttpRequest& wanted,
                            const std::function<bool()>& should_stop) const {
  HttpReply reply;
  TextTarget target{&reply.body, wanted.limit_bytes};
  EasyHandle handle = request(wanted.url, reply);
  const auto set = [&](CURLoption option, auto value) {
    curl().easy_setopt(handle.get(), option, value);
  };
  set(CURLOPT_ACCEPT_ENCODING, "");
  set(CURLOPT_WRITEFUNCTION, on_text);
  set(CURLOPT_WRITEDATA, &target);
  if (wanted.seconds > 0)
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::ceil(wanted.seconds * 1000)));
  std::ifstream file;
  set_content(handle.get(), wanted, file);
  if (wanted.method == "HEAD")
    set(CURLOPT_NOBODY, 1L);
  else
    set(CURLOPT_CUSTOMREQUEST, wanted.method.c_str());
  if (should_stop) {
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, on_progress);
    set(CURLOPT_XFERINFODATA, &should_stop);
  }
  finish(handle.get(), curl().easy_perform(handle.get()), reply);
  return reply;
}

HttpReply HttpSession::get(const std::string& what, const HttpRequest& wanted, int retries,
                           const std::function<bool()>& should_stop) const {
  for (int attempt = 1;; ++attempt) {
    HttpReply reply = send(wanted, should_stop);
    const int allowed =
        is_no_connection(reply.outcome) ? std::min(retries, kConnectRetries) : retries;
    if (!reply.is_passing() || attempt > allowed) return reply;
    tell_wait(what, reply, retry_delay(attempt, reply.retry_after));
    if (!waited(retry_delay(attempt, reply.retry_after), should_stop)) {
      reply.outcome = CURLE_ABORTED_BY_CALLBACK;
      return reply;
    }
  }
}

}  // namespace slmtune::ops
