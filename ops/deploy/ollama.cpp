#include "ops/deploy/ollama.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>
#include <tuple>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::ops {
namespace {

// Names without a tag mean its tag latest.
std::string with_tag(const std::string& model) {
  return model.find(':', model.rfind('/') + 1) == std::string::npos ? model + ":latest" : model;
}

std::string text_in(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

bool OllamaVersion::at_least(int other_major, int other_minor, int other_patch) const {
  return std::tie(major, minor, patch) >= std::tie(other_major, other_minor, other_patch);
}

std::string OllamaVersion::text() const {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

std::optional<OllamaVersion> parse_ollama_version(const std::string& text) {
  std::array<int, 3> parts{};
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    auto [stop, error] = std::from_chars(at, end, parts[i]);
    if (error != std::errc() || parts[i] < 0) return std::nullopt;
    at = stop;
    if (i + 1 < parts.size() && (at == end || *at++ != '.')) return std::nullopt;
  }
  if (at != end && *at != '-' && *at != '+') return std::nullopt;
  return OllamaVersion{parts[0], parts[1], parts[2]};
}

OllamaVersion Ollama::version() const {
  const std::string text = text_in(client_.json("GET", "/api/version"), "version");
  const auto version = parse_ollama_version(text);
  if (!version)
    throw UnavailableError("V005", client_.url() + "/api/version",
                           "'" + shown(text) + "' is no version of Ollama",
                           "is this address Ollama's?");
  // A development build has everything.
  return version->text() == "0.0.0" ? OllamaVersion{1000, 0, 0} : *version;
}

bool Ollama::has_blob(const std::string& sha256) const {
  const std::string path = "/api/blobs/sha256:" + sha256;
  const HttpReply reply = client_.call("HEAD", path);
  if (!reply.succeeded() && reply.status != 404) client_.refuse(path, reply);
  return reply.succeeded();
}

void Ollama::push_blob(const std::filesystem::path& file, const std::string& sha256) const {
  const std::string path = "/api/blobs/sha256:" + sha256;
  const HttpReply reply = client_.upload(path, file);
  if (!reply.succeeded()) client_.refuse(path, reply);
}

void Ollama::create(const std::string& model, Json body) const {
  body["model"] = model;
  body["stream"] = true;
  const HttpReply reply = client_.call("POST", "/api/create", body.dump());
  if (!reply.succeeded()) client_.refuse("/api/create", reply);
  // The status is 200 whatever comes after it.
  std::string last;
  std::string_view rest = reply.body;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const Json line = Json::parse(rest.substr(0, end), nullptr, false);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.is_object()) continue;
    last = text_in(line, "status");
    if (const std::string error = text_in(line, "error"); !error.empty())
      throw UnavailableError("V005", client_.url() + "/api/create",
                             "the server does not take the model: " + shown(error, 300));
  }
  if (last != "success")
    throw UnavailableError("V005", client_.url() + "/api/create",
                           "the server did not say that it made the model",
                           "look at Ollama's own log");
}

void Ollama::copy(const std::string& from, const std::string& to) const {
  const HttpReply reply =
      client_.call("POST", "/api/copy", Json{{"source", from}, {"destination", to}}.dump());
  if (!reply.succeeded()) client_.refuse("/api/copy", reply);
}

bool Ollama::remove(const std::string& model) const {
  const HttpReply reply = client_.call("DELETE", "/api/delete", Json{{"model", model}}.dump());
  if (!reply.succeeded() && reply.status != 404) client_.refuse("/api/delete", reply);
  return reply.succeeded();
}

std::string Ollama::digest(const std::string& model) const {
  const Json tags = client_.json("GET", "/api/tags");
  const Json models = tags.value("models", Json::array());
  for (const Json& one : models)
    if (one.is_object() && with_tag(text_in(one, "name")) == with_tag(model))
      return text_in(one, "digest");
  return "";
}

std::string Ollama::weights_path(const std::string& model) const {
  const HttpReply reply = client_.call("POST", "/api/show", Json{{"model", model}}.dump());
  if (!reply.succeeded()) return "";
  const Json answer = Json::parse(reply.body, nullptr, false);
  if (!answer.is_object()) return "";
  const std::string modelfile = "\n" + text_in(answer, "modelfile");
  const size_t from = modelfile.find("\nFROM ");
  if (from == std::string::npos) return "";
  const size_t begin = from + std::string_view("\nFROM ").size();
  const std::string path = modelfile.substr(begin, modelfile.find('\n', begin) - begin);
  return path.starts_with('/') ? path : "";
}

Json Ollama::chat(const std::string& model, const Json& messages, int64_t tokens) const {
  return client_.json("POST", "/api/chat",
                      {{"model", model},
                       {"messages", messages},
                       {"stream", false},
                       {"options", {{"num_predict", tokens}, {"temperature", 0}}}});
}

Json Ollama::generate(const std::string& model, const std::string& prompt, int64_t tokens) const {
  return client_.json("POST", "/api/generate",
                      {{"model", model},
                       {"prompt", prompt},
                       {"raw", true},
                       {"stream", false},
                       {"options", {{"num_predict", tokens}, {"temperature", 0}}}});
}

std::vector<std::string> Ollama::loaded() const {
  std::vector<std::string> names;
  const Json running = client_.json("GET", "/api/ps");
  for (const Json& one : running.value("models", Json::array()))
    if (one.is_object()) names.push_back(text_in(one, "name"));
  return names;
}

void Ollama::keep(const std::string& model, bool loaded) const {
  Json body = {{"model", model}, {"stream", false}};
  if (!loaded) body["keep_alive"] = 0;
  client_.json("POST", "/api/generate", body);
}

}  // namespace slmtune::ops
