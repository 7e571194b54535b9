#include "ops/hub/address.h"

#include <algorithm>
#include <cctype>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

constexpr const char* kForm = "write ORG/NAME or ORG/NAME@REVISION, as in Qwen/Qwen2.5-0.5B";
constexpr size_t kLongestName = 96;  // of one part; the hub's own limit
constexpr size_t kLongestRevision = 200;

bool is_name(std::string_view text) {
  auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= kLongestName && text[0] != '.' && text[0] != '-' &&
         text.find("..") == std::string_view::npos && std::all_of(text.begin(), text.end(), fits);
}

// What git allows in the name of a branch and what a path of the cache may hold.
bool is_revision(std::string_view text) {
  auto fits = [](unsigned char c) {
    return c > 0x20 && c < 0x7f &&
           std::string_view("~^:?*[\\@").find(static_cast<char>(c)) == std::string_view::npos;
  };
  return !text.empty() && text.size() <= kLongestRevision && text.front() != '/' &&
         text.back() != '/' && text.front() != '-' && text.front() != '.' &&
         text.find("..") == std::string_view::npos && text.find("//") == std::string_view::npos &&
         text.find("/.") == std::string_view::npos && std::all_of(text.begin(), text.end(), fits);
}

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '~')
      result += static_cast<char>(c);
    else
      result += "%" + std::string(1, "0123456789ABCDEF"[c >> 4]) + "0123456789ABCDEF"[c & 15];
  }
  return result;
}

std::string value_of(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

std::string parse_endpoint(const std::string& value) {
  std::string url = value.empty() ? "https://huggingface.co" : value;
  while (url.ends_with('/')) url.pop_back();
  const size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  auto printable = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (scheme == 0 || url.size() == scheme || !std::all_of(url.begin(), url.end(), printable) ||
      url.find_first_of("?#") != std::string::npos)
    throw UserError("U004", "HF_ENDPOINT", "this is no http or https address",
                    "write the hub's address as in https://huggingface.co");
  // Never repeated in a message: what stands before the @ may be a password.
  if (url.find('@') != std::string::npos)
    throw UserError("U004", "HF_ENDPOINT", "an address with a user name or password",
                    "give the access token in HF_TOKEN instead");
  return url;
}

std::string trimmed(std::string_view text) {
  const char* blank = " \t\r\n";
  size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(blank) - begin + 1));
}

// A line break in a token would put a header of somebody else's choice into the request.
std::string checked_token(const std::string& token, const std::string& place) {
  auto fits = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (token.size() > 4096 || !std::all_of(token.begin(), token.end(), fits))
    throw UserError("U004", place, "this is no access token",
                    "it should hold the token alone, on one line (it is not shown here)");
  return token;
}

void find_token(const Environment& environment, const fs::path& home, HubSettings& hub) {
  const std::string file = value_of(environment, "HF_TOKEN_PATH");
  const fs::path path = file.empty() ? home / "token" : fs::path(file);
  hub.token_place = "HF_TOKEN or " + path.string();
  const char* name =
      value_of(environment, "HF_TOKEN").empty() ? "HUGGING_FACE_HUB_TOKEN" : "HF_TOKEN";
  hub.token = checked_token(trimmed(value_of(environment, name)), name);
  std::error_code unreadable;
  if (hub.token.empty() && fs::is_regular_file(path, unreadable))
    hub.token = checked_token(trimmed(read_text_file(path, 64 << 10)), path.string());
}

std::string host_of(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  if (url[begin] == '[') return url.substr(begin, url.find(']', begin) + 1 - begin);
  return url.substr(begin, url.find_first_of(":/", begin) - begin);
}

std::string api_url(const HubSettings& hub, const Repository& repository) {
  return hub.endpoint + "/api/models/" + repository.name;
}

}  // namespace

bool is_hash(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Repository parse_repository(const std::string& text) {
  Repository result;
  const size_t at = text.find('@');
  result.name = text.substr(0, at);
  if (at != std::string::npos) result.revision = text.substr(at + 1);
  const size_t slash = result.name.find('/');
  const std::string_view name = result.name;
  const bool fits = slash == std::string::npos
                        ? is_name(name)
                        : is_name(name.substr(0, slash)) && is_name(name.substr(slash + 1));
  if (!fits)
    throw UserError("U004", "REPOSITORY", "'" + shown(result.name) + "' is no name on a hub",
                    kForm);
  if (!is_revision(result.revision))
    throw UserError("U004", "REPOSITORY",
                    "'" + shown(result.revision) + "' is no branch, tag or commit", kForm);
  return result;
}

HubSettings hub_settings(const Environment& environment) {
  HubSettings hub;
  hub.endpoint = parse_endpoint(value_of(environment, "HF_ENDPOINT"));
  std::string base = value_of(environment, "XDG_CACHE_HOME");
  if (base.empty()) base = value_of(environment, "HOME") + "/.cache";
  const std::string hf_home = value_of(environment, "HF_HOME");
  const fs::path home = hf_home.empty() ? fs::path(base) / "huggingface" : fs::path(hf_home);
  const std::string cache = value_of(environment, "HF_HUB_CACHE");
  hub.cache = cache.empty() ? home / "hub" : fs::path(cache);
  find_token(environment, home, hub);
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"})
    if (!value_of(environment, name).empty()) hub.certificate_file = value_of(environment, name);
  std::string offline = value_of(environment, "HF_HUB_OFFLINE");
  std::transform(offline.begin(), offline.end(), offline.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  hub.offline = offline == "1" || offline == "on" || offline == "yes" || offline == "true";
  return hub;
}

bool sends_token_in_clear(const HubSettings& hub) {
  if (hub.token.empty() || !hub.endpoint.starts_with("http://")) return false;
  const std::string host = host_of(hub.endpoint);
  return host != "localhost" && !host.starts_with("127.") && host != "[::1]";
}

std::string info_url(const HubSettings& hub, const Repository& repository) {
  return api_url(hub, repository) + "/revision/" + percent_encoded(repository.revision) +
         "?blobs=true";
}

std::string tree_url(const HubSettings& hub, const Repository& repository,
                     const std::string& commit) {
  return api_url(hub, repository) + "/tree/" + commit + "?recursive=false";
}

std::string file_url(const HubSettings& hub, const Repository& repository,
                     const std::string& commit, const std::string& file) {
  return hub.endpoint + "/" + repository.name + "/resolve/" + commit + "/" + percent_encoded(file);
}

std::string page_url(const HubSettings& hub, const Repository& repository) {
  return hub.endpoint + "/" + repository.name;
}

}  // namespace slmtune::ops
