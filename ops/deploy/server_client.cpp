#include "ops/deploy/server_client.h"

#include <algorithm>

#include "core/atomic_file.h"
#include "core/stop.h"
#include "core/text.h"
#include "ops/deploy/address.h"

namespace slmtune::ops {
namespace {

constexpr double kAskSeconds = 2;  // for a server that should only say whether it is there

HttpSettings settings_of(const ServerAddress& address) {
  const bool is_here = is_loopback_url(address.url);
  return {.token = address.token,
          .only_https = !is_here,
          .takes_proxies = !is_here,
          .follows_redirects = false,
          .stall_seconds = address.answer_seconds};
}

// For libcurl, through which no exception may pass.
bool is_stop_wanted() {
  try {
    check_stop();
    return false;
  } catch (const StopRequested&) {
    return true;
  }
}

// What servers say in {"error": "..."} or {"error": {"message": "..."}}.
std::string words_of(const HttpReply& reply) {
  const Json json = Json::parse(reply.body, nullptr, false);
  if (!json.is_object() || !json.contains("error")) return "";
  const Json& error = json["error"];
  if (error.is_string()) return error.get<std::string>();
  return error.is_object() && error.contains("message") && error["message"].is_string()
             ? error["message"].get<std::string>()
             : "";
}

}  // namespace

std::string read_token(const std::filesystem::path& file) {
  std::string text = read_text_file(file, 64 << 10);
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  const bool fits =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (text.empty() || text.size() > 4096 || !fits)
    throw UserError("U004", file.string(), "this is no API key",
                    "it should hold the key alone, on its first line (it is not shown here)");
  return text;
}

ServerClient::ServerClient(ServerAddress address)
    : address_(std::move(address)), session_(settings_of(address_)) {
  while (address_.url.ends_with('/')) address_.url.pop_back();
}

HttpReply ServerClient::send(HttpRequest request) const {
  HttpReply reply = session_.send(request, is_stop_wanted);
  check_stop();
  return reply;
}

HttpReply ServerClient::call(const std::string& method, const std::string& path,
                             const std::string& body) const {
  return send({.method = method, .url = address_.url + path, .body = body});
}

HttpReply ServerClient::upload(const std::string& path, const std::filesystem::path& file) const {
  return send({.method = "POST", .url = address_.url + path, .upload = file});
}

Json ServerClient::json(const std::string& method, const std::string& path,
                        const Json& body) const {
  const HttpReply reply = call(method, path, body.is_null() ? "" : body.dump());
  if (!reply.succeeded()) refuse(path, reply);
  Json answer = Json::parse(reply.body, nullptr, false);
  if (answer.is_discarded() || !answer.is_object())
    throw UnavailableError("V005", address_.url + path, "the answer is no JSON object",
                           "is this the server that the target's kind says?");
  return answer;
}

bool ServerClient::answers(const std::string& path) const {
  const HttpReply reply = send({.url = address_.url + path, .seconds = kAskSeconds});
  return reply.succeeded();
}

void ServerClient::refuse(const std::string& path, const HttpReply& reply) const {
  if (reply.outcome != CURLE_OK)
    throw UnavailableError("V001", address_.url,
                           "the server was not reached: " + shown(reply.problem),
                           "start it, or correct the target's address");
  std::string what = "the server answers with HTTP " + std::to_string(reply.status);
  if (const std::string said = words_of(reply); !said.empty()) what += ": " + shown(said, 300);
  throw UnavailableError("V005", address_.url + path, what,
                         reply.status == 404 ? "it may be too old for this" : "");
}

}  // namespace slmtune::ops
