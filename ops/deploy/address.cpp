#include "ops/deploy/address.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace slmtune::ops {
namespace {

struct Url {
  bool is_https = false;
  std::string host;  // without the brackets of an IPv6 address
};

bool is_number(std::string_view text, int highest) {
  int value = -1;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && text[0] != '-' && error == std::errc() &&
         stop == text.data() + text.size() && value <= highest;
}

// Strict, because libcurl, the resolver and a reader of the file must see the same host in it.
std::optional<Url> parse(std::string_view url) {
  Url result{url.starts_with("https://"), ""};
  if (!result.is_https && !url.starts_with("http://")) return std::nullopt;
  url.remove_prefix(result.is_https ? 8 : 7);
  if (url.ends_with('/')) url.remove_suffix(1);
  size_t colon = url.rfind(':');
  if (url.starts_with('[')) {
    const size_t end = url.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    result.host = url.substr(1, end - 1);
    colon = end + 1 < url.size() ? end + 1 : std::string_view::npos;
    if (colon != std::string_view::npos && url[colon] != ':') return std::nullopt;
  } else {
    result.host = url.substr(0, colon);
  }
  if (colon != std::string_view::npos && !is_number(url.substr(colon + 1), 65535))
    return std::nullopt;
  const bool is_v6 = url.starts_with('[');
  const bool fits = std::all_of(result.host.begin(), result.host.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || (is_v6 && c == ':');
  });
  if (result.host.empty() || !fits) return std::nullopt;
  return result;
}

// "127.0.0.1", not "127.1" or "127.0.0.1.example.org".
bool is_loopback_v4(std::string_view host) {
  int parts = 0;
  const bool begins = host.starts_with("127.");
  while (!host.empty()) {
    const size_t dot = std::min(host.find('.'), host.size());
    if (!is_number(host.substr(0, dot), 255)) return false;
    ++parts;
    host.remove_prefix(std::min(dot + 1, host.size()));
  }
  return begins && parts == 4;
}

bool is_loopback(const Url& url) {
  return url.host == "localhost" || url.host == "::1" || is_loopback_v4(url.host);
}

}  // namespace

std::string address_problem(const std::string& url, bool allow_remote) {
  const std::optional<Url> parsed = parse(url);
  if (!parsed) return "'url' is no address of the form http://HOST:PORT";
  if (is_loopback(*parsed)) return "";
  if (!allow_remote) return "'url' names another machine";
  return parsed->is_https ? "" : "'url' names another machine and is not https";
}

std::string address_advice() {
  return "a server of this machine is at http://127.0.0.1:PORT; for another one write "
         "'allow_remote: true' and an https address";
}

bool is_loopback_url(const std::string& url) {
  const std::optional<Url> parsed = parse(url);
  return parsed && is_loopback(*parsed);
}

std::string local_url(const std::string& host, int64_t port) {
  const bool is_v6 = host.find(':') != std::string::npos;
  return std::string("http://") + (is_v6 ? "[::1]" : "127.0.0.1") + ":" + std::to_string(port);
}

}  // namespace slmtune::ops
