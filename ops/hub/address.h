// Where a model lies on a hub and how to ask for it: the repository named on the command line, the
// environment variables that huggingface_hub reads too, and the URLs of the Hugging Face HTTP
// interface (its "Hub API Endpoints" page).
//
//   Repository wanted = parse_repository("Qwen/Qwen2.5-0.5B-Instruct@main");
//   HubSettings hub = hub_settings([](const char* name) { return std::getenv(name); });
//   info_url(hub, wanted);   //
//   https://huggingface.co/api/models/Qwen/Qwen2.5-0.5B-Instruct/revision/main?blobs=true
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace slmtune::ops {

struct Repository {
  std::string name;  // "ORG/NAME", or "NAME" for the few without an owner
  std::string revision = "main";

  std::string folder_name() const { return name.substr(name.find('/') + 1); }
};

// "ORG/NAME" or "ORG/NAME@REVISION". U004.
Repository parse_repository(const std::string& text);

struct HubSettings {
  std::string endpoint;          // HF_ENDPOINT without a slash at the end
  std::string token;             // HF_TOKEN, or the token file's content; "" = none
  std::string token_place;       // where the token was looked for, for messages
  std::filesystem::path cache;   // HF_HUB_CACHE: a cache of huggingface_hub; need not exist
  std::string certificate_file;  // SSL_CERT_FILE or CURL_CA_BUNDLE; "" = the system's
  bool offline = false;          // HF_HUB_OFFLINE
};

using Environment = std::function<const char*(const char* name)>;  // as std::getenv

// U004 for an endpoint that is no http or https URL (or holds a password), and for a token with
// characters that no token has; a token is never printed.
HubSettings hub_settings(const Environment& environment);

// True when the token would cross a network unencrypted: plain http to another machine.
bool sends_token_in_clear(const HubSettings& hub);

std::string info_url(const HubSettings& hub, const Repository& repository);
std::string tree_url(const HubSettings& hub, const Repository& repository,
                     const std::string& commit);
std::string file_url(const HubSettings& hub, const Repository& repository,
                     const std::string& commit, const std::string& file);
std::string page_url(const HubSettings& hub, const Repository& repository);

// 40 hexadecimal digits (SHA-1), or 64 (SHA-256), in lower case.
bool is_hash(std::string_view text, size_t digits);

}  // namespace slmtune::ops
