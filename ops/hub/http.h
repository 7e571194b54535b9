// HTTP as `pull` needs it, on libcurl: a session that holds what all requests have in common
// (token, certificates, time limits), and what came back. The token is sent to the hub's own
// scheme, host and port alone: libcurl drops it when a redirect leads elsewhere. Proxies come from
// the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
#pragma once
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/error.h"
#include "ops/hub/address.h"
#include "ops/hub/curl_library.h"

namespace slmtune::ops {

struct HttpReply {
  CURLcode outcome = CURLE_OK;
  long status = 0;                             // of the last answer; 0 = none came
  std::map<std::string, std::string> headers;  // of the last answer, names in lower case
  std::string body;                            // of a text request
  std::string problem;                         // libcurl's words for `outcome`
  std::array<char, CURL_ERROR_SIZE> detail{};  // filled by libcurl while the request runs
  long proxy_status = 0;                       // of a proxy asked for a tunnel; 0 = none was
  double retry_after = 0;  // seconds that the server asks to wait; 0 = it does not say

  bool succeeded() const { return outcome == CURLE_OK && (status == 200 || status == 206); }
  // Trying again may help: no connection, a stall, 408, 429, 5xx.
  bool is_passing() const;
};

// Seconds to wait before attempt `attempt` (1 = the first repetition): doubles from 0.25 to 30, or
// what the server asks for, up to 300.
double retry_delay(int attempt, double retry_after);

// Says that a request is tried again after `seconds`: to everybody when it is long, else with -v.
void tell_wait(const std::string& what, const HttpReply& reply, double seconds);

using EasyHandle = std::unique_ptr<CURL, void (*)(CURL*)>;

class HttpSession {
 public:
  // H009. `stall_seconds`: a connection without data for that long is given up.
  HttpSession(const HubSettings& hub, double stall_seconds);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // A request for `url`, with redirects followed within http and https (never from https to http).
  // `reply` receives the headers and must stay in place while the handle lives.
  EasyHandle request(const std::string& url, HttpReply& reply) const;
  // Reads status, problem and retry_after of a finished request.
  static void finish(CURL* handle, CURLcode outcome, HttpReply& reply);

  // The whole answer, at most `limit_bytes`, after up to `retries` repetitions. Stops early with
  // CURLE_ABORTED_BY_CALLBACK when `should_stop` says so.
  HttpReply get(const std::string& url, size_t limit_bytes, int retries,
                const std::function<bool()>& should_stop) const;

 private:
  HubSettings hub_;
  double stall_seconds_;
  curl_slist* headers_ = nullptr;
};

// The error for a request that failed for good. `where` is its URL.
// H001 no connection, H002 access, H003 repository, H004 revision, H007 nonsense, H008 server
// error.
[[noreturn]] void throw_http_error(const HubSettings& hub, const Repository& repository,
                                   const std::string& where, const HttpReply& reply);

}  // namespace slmtune::ops
