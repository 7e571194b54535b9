// Ollama's HTTP interface (its docs/api.md), as far as deploying needs it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "ops/deploy/server_client.h"

namespace slmtune::ops {

struct OllamaVersion {
  int major = 0, minor = 0, patch = 0;

  // Files by digest in /api/create came with 0.5.5.
  bool takes_files() const { return at_least(0, 5, 5); }
  // Since 0.34.1 'LoRA adapters are no longer supported'
  // (https://github.com/ollama/ollama/pull/14969). A development build says 0.0.0.
  bool takes_adapters() const { return takes_files() && !at_least(0, 34, 1); }
  bool at_least(int other_major, int other_minor, int other_patch) const;
  std::string text() const;
};

// "0.34.1" or "0.34.1-rc0"; nothing for another form.
std::optional<OllamaVersion> parse_ollama_version(const std::string& text);

class Ollama {
 public:
  explicit Ollama(ServerAddress address) : client_(std::move(address)) {}

  const std::string& url() const { return client_.url(); }
  OllamaVersion version() const;  // V001, V005

  bool has_blob(const std::string& sha256) const;
  // V005 when the server's own hash differs.
  void push_blob(const std::filesystem::path& file, const std::string& sha256) const;
  // `body` without its model; replaces a model of that name. V005 when the stream of status lines
  // does not end with success.
  void create(const std::string& model, Json body) const;
  void copy(const std::string& from, const std::string& to) const;
  // False when there was none.
  bool remove(const std::string& model) const;
  // The digest that Ollama gives the model; "" when there is none of that name.
  std::string digest(const std::string& model) const;
  // Where the model's weights lie on the server's disk, as its Modelfile says; "" when it does not.
  std::string weights_path(const std::string& model) const;
  // One token of an answer; the reply's counts are in it.
  Json chat(const std::string& model, const Json& messages, int64_t tokens) const;
  Json generate(const std::string& model, const std::string& prompt, int64_t tokens) const;
  std::vector<std::string> loaded() const;                 // names of models in memory
  void keep(const std::string& model, bool loaded) const;  // loads or unloads it

 private:
  ServerClient client_;
};

}  // namespace slmtune::ops
