// Ollama: each snapshot is a tag of its own, name:0042, made from a blob that is pushed by its
// digest; name:latest is a copy of the one that serves. A tag that serves is never written over
// (Ollama would throw its old layers away before anybody had tried the new ones).
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "core/sha256.h"
#include "core/stop.h"
#include "export/modelfile.h"
#include "ops/deploy/address.h"
#include "ops/deploy/ollama.h"
#include "ops/deploy/place.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

ServerAddress address_of(const Target& target) {
  return {target.url, target.token_file ? read_token(*target.token_file) : "",
          static_cast<double>(target.wait_seconds)};
}

class OllamaPlace : public Place {
 public:
  explicit OllamaPlace(PlaceContext context)
      : context_(std::move(context)), server_(address_of(context_.target)) {}

  std::string where(const Deployed&) const override {
    return fmt::format("{} ({})", latest(), server_.url());
  }

  bool takes_adapter() override;
  std::string fault(const Deployed& model, bool thoroughly) override;
  void recover(DeployState& state, const SaveState& save) override;
  void prepare(DeployState& state, const SaveState& save) override;
  ProbeResult probe(const Deployed& model, const Probe& probe) override;

  std::optional<double> activate(DeployState& state, const SaveState&) override {
    server_.copy(tag_of(*state.pending), latest());
    return std::nullopt;
  }

  void discard(const DeployState& state) noexcept override;
  void release(const Deployed& model) override { server_.keep(tag_of(model), false); }
  void forget(const Deployed& model, const DeployState& state) override {
    if (!state.has_name(model.name)) server_.remove(tag_of(model));
  }

  bool unload(const DeployState& state) override;
  void load(DeployState&, const SaveState&) override {
    for (const std::string& model : unloaded_) server_.keep(model, true);
    unloaded_.clear();
  }

 private:
  std::string latest() const { return context_.model + ":latest"; }
  std::string tag_of(const Deployed& model) const { return context_.model + ":" + model.name; }
  bool is_blob_changed(const std::string& model, const std::string& sha256) const;
  void bring_blob(const Deployed& wanted) const;
  Json body_of(const Deployed& wanted) const;

  PlaceContext context_;
  Ollama server_;
  std::vector<std::string> unloaded_;
};

void OllamaPlace::recover(DeployState& state, const SaveState& save) {
  if (state.pending && state.pending->is_checked && !state.pending->digest.empty() &&
      server_.digest(latest()) == state.pending->digest)
    state.exchange();
  clear_away(state, save);
}

bool OllamaPlace::takes_adapter() {
  if (!context_.target.base) return false;
  const OllamaVersion version = server_.version();
  if (version.takes_adapters()) return true;
  log_info(
      fmt::format("deploy: Ollama {} takes no adapters (0.5.5 to 0.34.0 do), so the merged "
                  "model is pushed",
                  version.text()));
  return false;
}

std::string OllamaPlace::fault(const Deployed& model, bool thoroughly) {
  const std::string tag = tag_of(model);
  const std::string digest = server_.digest(tag);
  if (digest.empty()) return "Ollama has no model '" + tag + "'";
  if (digest != model.digest) return "'" + tag + "' in Ollama is not what was pushed";
  if (server_.digest(latest()) != digest) return "'" + latest() + "' is another model";
  if (!server_.has_blob(model.sha256)) return "the weights of '" + tag + "' are missing in Ollama";
  if (thoroughly && is_blob_changed(tag, model.sha256))
    return "the weights of '" + tag + "' were changed on Ollama's disk";
  return "";
}

// Ollama itself compares no blob with its digest after it was pushed. On this machine the file can
// be read, if its permissions allow.
bool OllamaPlace::is_blob_changed(const std::string& model, const std::string& sha256) const {
  if (!is_loopback_url(server_.url())) return false;
  const fs::path path = server_.weights_path(model);
  if (path.filename() != "sha256-" + sha256) return false;
  try {
    return sha256_file(path) != sha256;
  } catch (const Error& error) {
    log_info("deploy: the bytes of '" + model +
             "' are not compared, Ollama's files cannot be read by this user");
    log_verbose(error.what());
    return false;
  }
}

// A POST of a blob that is there is ignored, so a changed one goes first: with the models that name
// it, since Ollama removes blobs that no model needs.
void OllamaPlace::bring_blob(const Deployed& wanted) const {
  bool is_there = server_.has_blob(wanted.sha256);
  if (is_there && is_blob_changed(tag_of(wanted), wanted.sha256)) {
    const std::string digest = server_.digest(tag_of(wanted));
    log_warning("deploy: the weights of '" + tag_of(wanted) +
                "' were changed on Ollama's disk; they are pushed again");
    if (server_.digest(latest()) == digest) server_.remove(latest());
    server_.remove(tag_of(wanted));
    is_there = server_.has_blob(wanted.sha256);
    if (is_there)
      throw UnavailableError("V005", server_.url(),
                             "other models in Ollama use the changed weights, too",
                             "remove them with 'ollama rm', then deploy again");
  }
  if (is_there) return;
  need_file(wanted);
  server_.push_blob(wanted.file, wanted.sha256);
}

Json OllamaPlace::body_of(const Deployed& wanted) const {
  const std::string digest = "sha256:" + wanted.sha256;
  Json body = Json::object();
  if (wanted.is_adapter) {
    body["from"] = *context_.target.base;
    body["adapters"] = {{wanted.file.filename().string(), digest}};
  } else {
    body["files"] = {{wanted.file.filename().string(), digest}};
  }
  int64_t context = context_.target.context;
  if (context_.longest_context > 0) context = std::min(context, context_.longest_context);
  body["parameters"] = {{"num_ctx", context}};
  if (context_.chat != nullptr) {
    body["template"] = context_.chat->ollama;
    body["parameters"]["stop"] = exporting::stop_texts(*context_.chat);
  }
  return body;
}

void OllamaPlace::prepare(DeployState& state, const SaveState& save) {
  Deployed& wanted = *state.pending;
  if (!server_.version().takes_files())
    throw UnavailableError("V005", server_.url(), "this Ollama is older than 0.5.5",
                           "update it: models are handed over by their digest");
  // One that was here before is what it was, by its digest.
  const bool was_here = !wanted.digest.empty() && server_.digest(tag_of(wanted)) == wanted.digest;
  if (!was_here) wanted.name = state.free_name(fmt::format("{:04}", wanted.number), "", wanted);
  save();
  bring_blob(wanted);
  if (wanted.digest.empty() || server_.digest(tag_of(wanted)) != wanted.digest) {
    server_.create(tag_of(wanted), body_of(wanted));
    wanted.digest = server_.digest(tag_of(wanted));
    save();
  }
  if (wanted.digest.empty())
    throw UnavailableError("V005", server_.url(), "Ollama does not list the model it made",
                           "look at Ollama's own log");
}

ProbeResult OllamaPlace::probe(const Deployed& model, const Probe& probe) {
  ProbeResult result;
  result.by_count = result.was_asked = true;
  for (const ProbePrompt& prompt : probe.prompts) {
    const Json answer = probe.is_chat
                            ? server_.chat(tag_of(model), messages_json(prompt.messages), 1)
                            : server_.generate(tag_of(model), prompt.text, 1);
    if (!answer.value("done", false))
      throw UnavailableError("V005", server_.url(), "the model does not finish an answer",
                             "look at Ollama's own log");
    // Left out where the whole prompt came from a cache.
    const int64_t count = answer.value("prompt_eval_count", int64_t{0});
    if (count == 0) continue;
    ++result.prompts;
    if (count == static_cast<int64_t>(prompt.ids.size())) ++result.equal;
  }
  return result;
}

void OllamaPlace::discard(const DeployState& state) noexcept {
  const StopDeferred to_the_end;  // a wish to stop would be thrown out of here
  try {
    if (state.pending && !state.pending->name.empty() && !state.has_name(state.pending->name))
      server_.remove(tag_of(*state.pending));
  } catch (const std::exception& error) {
    log_verbose(error.what());
  }
}

bool OllamaPlace::unload(const DeployState&) {
  if (!is_loopback_url(server_.url())) return false;  // another machine's memory is no help here
  unloaded_ = server_.loaded();
  for (const std::string& model : unloaded_) server_.keep(model, false);
  return !unloaded_.empty();
}

}  // namespace

std::unique_ptr<Place> make_ollama_place(PlaceContext context) {
  return std::make_unique<OllamaPlace>(std::move(context));
}

}  // namespace slmtune::ops
