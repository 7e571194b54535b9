// HTTP as `pull` and `deploy` need it, on libcurl: a session that holds what all requests have in
// common (token, certificates, time limits), and what came back. A token is sent to the scheme,
// host and port of the request alone: libcurl drops it when a redirect leads elsewhere.
//
//   HttpSession session({.token = token});
//   HttpReply reply = session.send({.method = "POST", .url = url, .body = json.dump()});
#pragma once
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "ops/http/curl_library.h"

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

  // 200, 201 or 206.
  bool succeeded() const {
    return outcome == CURLE_OK && (status == 200 || status == 201 || status == 206);
  }
  // Trying again may help: no connection, a stall, 408, 429, 5xx.
  bool is_passing() const;
};

// Seconds to wait before attempt `attempt` (1 = the first repetition): doubles from 0.25 to 30, or
// what the server asks for, up to 300.
double retry_delay(int attempt, double retry_after);

// Says that a request is tried again after `seconds`: to everybody when it is long, else with -v.
void tell_wait(const std::string& what, const HttpReply& reply, double seconds);

using EasyHandle = std::unique_ptr<CURL, void (*)(CURL*)>;

struct HttpSettings {
  std::string token = {};             // sent as "Authorization: Bearer"; "" = none
  std::string certificate_file = {};  // "" = the system's
  bool only_https = false;            // redirects included
  // From the environment: HTTPS_PROXY, HTTP_PROXY, NO_PROXY. A server of this machine needs none,
  // and must not be reached through one.
  bool takes_proxies = true;
  bool follows_redirects = true;  // within http and https, never from https to http
  double stall_seconds = 30;      // a connection without data for that long is given up
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::string body = {};                             // JSON
  std::optional<std::filesystem::path> upload = {};  // a file in place of a body
  size_t limit_bytes = 16 << 20;                     // of the answer
  double seconds = 0;                                // for the whole request; 0 = no limit
};

class HttpSession {
 public:
  explicit HttpSession(HttpSettings settings);  // H009
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // A request for `url` that the caller carries out. `reply` receives the headers and must stay in
  // place while the handle lives.
  EasyHandle request(const std::string& url, HttpReply& reply) const;
  // Reads status, problem and retry_after of a finished request.
  static void finish(CURL* handle, CURLcode outcome, HttpReply& reply);

  // The whole answer, once. Ends with CURLE_ABORTED_BY_CALLBACK when `should_stop` says so, or the
  // file that is uploaded cannot be read (N001 when it is missing).
  HttpReply send(const HttpRequest& request, const std::function<bool()>& should_stop = {}) const;
  // The same for a GET after up to `retries` repetitions, which are told with `what`.
  HttpReply get(const std::string& what, const HttpRequest& request, int retries,
                const std::function<bool()>& should_stop) const;

 private:
  // What `wanted` sends. `file`, where one is uploaded, and `wanted` are read while the request
  // runs.
  void set_content(CURL* handle, const HttpRequest& wanted, std::ifstream& file) const;

  HttpSettings settings_;
  curl_slist* headers_ = nullptr;       // the token
  curl_slist* json_headers_ = nullptr;  // the token, and what a body is
  curl_slist* file_headers_ = nullptr;
};

}  // namespace slmtune::ops
