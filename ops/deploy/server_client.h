// JSON over HTTP with one model server, and its refusals as errors.
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "core/json.h"
#include "ops/http/http.h"

namespace slmtune::ops {

struct ServerAddress {
  std::string url;              // without a slash at the end
  std::string token = "";       // API key; "" = none
  double answer_seconds = 300;  // a model may have to be loaded for an answer
};

// First line of `file`, for ServerAddress. U004 when it is no key, N001.
std::string read_token(const std::filesystem::path& file);

class ServerClient {
 public:
  explicit ServerClient(ServerAddress address);  // H009

  const std::string& url() const { return address_.url; }
  // The reply as it is. Throws StopRequested when a stop was asked for.
  HttpReply call(const std::string& method, const std::string& path,
                 const std::string& body = "") const;
  HttpReply upload(const std::string& path, const std::filesystem::path& file) const;
  // The answer's JSON. V001 not reached, V005 an error or no JSON.
  Json json(const std::string& method, const std::string& path, const Json& body = nullptr) const;
  // Whether a GET of `path` is answered with 200, asked with little patience.
  bool answers(const std::string& path) const;

  // V001 or V005 for a reply that is no success.
  [[noreturn]] void refuse(const std::string& path, const HttpReply& reply) const;

 private:
  HttpReply send(HttpRequest request) const;

  ServerAddress address_;
  HttpSession session_;
};

}  // namespace slmtune::ops
