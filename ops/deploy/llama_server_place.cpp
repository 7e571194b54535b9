// A llama-server that deploy starts, exchanges and leaves running.
//
// With 'port: auto' the new server gets a port of its own and the old one is stopped after it
// answers: there is always one. With a fixed port the new model is first loaded and probed beside
// the old one; then one process takes the place of the other, and the time in between is measured.
// That process stops the old server itself before it becomes the new one, so a slmtune that is
// killed meanwhile leaves a gap no longer than the server's own start.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/sha256.h"
#include "core/stop.h"
#include "ops/deploy/address.h"
#include "ops/deploy/place.h"
#include "ops/deploy/process.h"
#include "ops/deploy/server_client.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

constexpr double kPatienceSeconds = 10;  // for a server that was asked to end
constexpr std::chrono::milliseconds kBetween(20);

ProcessIdentity identity_of(const Deployed& model) {
  return {model.pid, model.start_ticks};
}

bool runs(const std::optional<Deployed>& model) {
  return model && is_running(identity_of(*model));
}

class LlamaServerPlace : public Place {
 public:
  explicit LlamaServerPlace(PlaceContext context) : context_(std::move(context)) {
    if (context_.target.token_file) token_ = read_token(*context_.target.token_file);
  }

  std::string where(const Deployed& model) const override {
    return local_url(context_.target.host, model.port);
  }

  std::string fault(const Deployed& model, bool thoroughly) override;
  void recover(DeployState& state, const SaveState& save) override;
  void prepare(DeployState& state, const SaveState& save) override;
  ProbeResult probe(const Deployed& model, const Probe& probe) override;
  std::optional<double> activate(DeployState& state, const SaveState& save) override;
  void discard(const DeployState& state) noexcept override;
  void release(const Deployed& model) override { stop(model); }
  void forget(const Deployed&, const DeployState&) override {}
  bool unload(const DeployState& state) override;
  void load(DeployState& state, const SaveState& save) override;

 private:
  struct Spot {
    std::string host;
    int64_t port = 0;
    fs::path log;
  };

  ServerClient client(const Deployed& model, const std::string& host) const {
    return ServerClient(
        {local_url(host, model.port), token_, static_cast<double>(context_.target.wait_seconds)});
  }
  ServerClient client(const Deployed& model) const { return client(model, context_.target.host); }
  fs::path log_of(const char* what) const {
    return deploy_folder(context_.store) / fmt::format("{}{}.log", context_.target.name, what);
  }
  // Where it serves in the end.
  Spot own_spot() const {
    const int64_t port = context_.target.port.value_or(0);
    return {context_.target.host, port ? port : free_port(context_.target.host), log_of("")};
  }
  std::vector<std::string> command_of(const Deployed& model, const Spot& spot) const;
  void start(Deployed& model, const Spot& spot, const std::optional<Deployed>& replaces,
             const SaveState& save) const;
  void wait_until_ready(const Deployed& model, const Spot& spot) const;
  static void stop(const Deployed& model) { stop_process(identity_of(model), kPatienceSeconds); }
  void check_answer(const ServerClient& server, const Probe& probe) const;

  PlaceContext context_;
  std::string token_;
};

std::vector<std::string> LlamaServerPlace::command_of(const Deployed& model,
                                                      const Spot& spot) const {
  const Target& target = context_.target;
  std::vector<std::string> words = {*target.server};
  words.insert(words.end(), target.arguments.begin(), target.arguments.end());
  for (const std::string& word :
       {std::string("-m"), model.file.string(), std::string("--host"), spot.host,
        std::string("--port"), std::to_string(spot.port), std::string("--alias"), model.name})
    words.push_back(word);
  if (target.token_file) {
    words.push_back("--api-key-file");
    words.push_back(*target.token_file);
  }
  return words;
}

// The record has the process before it begins to run.
void LlamaServerPlace::start(Deployed& model, const Spot& spot,
                             const std::optional<Deployed>& replaces, const SaveState& save) const {
  ServerCommand command{
      .arguments = command_of(model, spot), .log = spot.log, .patience_seconds = kPatienceSeconds};
  if (replaces) command.replaces = identity_of(*replaces);
  Started server = start_server(command);
  model.pid = server.identity.pid;
  model.start_ticks = server.identity.start_ticks;
  model.port = spot.port;
  save();
  server.go();
}

void LlamaServerPlace::wait_until_ready(const Deployed& model, const Spot& spot) const {
  const ServerClient server = client(model, spot.host);
  const double until = now_seconds() + static_cast<double>(context_.target.wait_seconds);
  const std::string log = "its messages are in " + spot.log.string();
  while (!server.answers("/health")) {
    check_stop();
    if (!is_running(identity_of(model)))
      throw UnavailableError("V003", *context_.target.server,
                             "the server ended while it loaded the model", log);
    if (now_seconds() > until)
      throw UnavailableError(
          "V003", *context_.target.server,
          fmt::format("the server did not answer within {} s", context_.target.wait_seconds), log);
    std::this_thread::sleep_for(kBetween);
  }
  // Another program may have the port, and answer.
  if (!is_running(identity_of(model)))
    throw UnavailableError("V003", where(model), "another program answers at this address", log);
}

std::string LlamaServerPlace::fault(const Deployed& model, bool thoroughly) {
  if (!is_running(identity_of(model))) return "the server does not run";
  if (context_.target.port && model.port != *context_.target.port)
    return "the server runs at another port";
  // It may still be loading, after a deploy that was killed.
  try {
    wait_until_ready(model, {context_.target.host, model.port, log_of("")});
  } catch (const UnavailableError& error) {
    return error.diagnostics().front().what;
  }
  if (thoroughly && sha256_file(model.file) != model.sha256)
    return "'" + model.file.string() + "' was changed";
  return "";
}

void LlamaServerPlace::recover(DeployState& state, const SaveState& save) {
  const std::optional<int64_t>& port = context_.target.port;
  const bool is_in_place = state.pending && (!port || state.pending->port == *port);
  if (is_in_place && state.pending->is_checked && runs(state.pending)) {
    // The exchange was under way: the new server was probed, and is up or coming up.
    state.exchange();
    save();
  }
  if (state.pending) {
    stop(*state.pending);
    state.pending.reset();
    save();
  }
  if (state.leaving) {
    const bool is_new = state.current && state.leaving->pid == state.current->pid;
    if (!is_new) stop(*state.leaving);
    state.leaving.reset();
    save();
  }
}

void LlamaServerPlace::prepare(DeployState& state, const SaveState& save) {
  Deployed& wanted = *state.pending;
  need_file(wanted);
  wanted.name = fmt::format("{}-{:04}", context_.model, wanted.number);
  make_folder(deploy_folder(context_.store));
  Spot spot = own_spot();
  if (context_.target.port && runs(state.current))
    spot = {"127.0.0.1", free_port("127.0.0.1"), log_of("-next")};
  else if (is_port_taken(spot.host, spot.port))
    throw UnavailableError("V003", local_url(spot.host, spot.port),
                           "another program listens at this port",
                           "stop it, or give the target another 'port'");
  start(wanted, spot, std::nullopt, save);
  wait_until_ready(wanted, spot);
}

void LlamaServerPlace::check_answer(const ServerClient& server, const Probe& probe) const {
  const ProbePrompt& prompt = probe.prompts.front();
  Json body = {{"temperature", 0}, {"stream", false}};
  body[probe.is_chat ? "max_tokens" : "n_predict"] = 8;
  if (probe.is_chat)
    body["messages"] = messages_json(prompt.messages);
  else
    body["prompt"] = prompt.text;
  const std::string path = probe.is_chat ? "/v1/chat/completions" : "/completion";
  const Json answer = server.json("POST", path, body);
  const Json counts = probe.is_chat ? answer.value("usage", Json::object()) : answer;
  const int64_t made =
      counts.value(probe.is_chat ? "completion_tokens" : "tokens_predicted", int64_t{0});
  if (made < 1)
    throw UnavailableError("V005", server.url() + path, "the model answers nothing",
                           "look at the server's log");
  // What the chat endpoint itself made of it, beside what its parts say.
  const int64_t read = counts.value("prompt_tokens", static_cast<int64_t>(prompt.ids.size()));
  if (probe.is_chat && read != static_cast<int64_t>(prompt.ids.size()))
    check_probe({.prompts = 1, .equal = 0, .by_count = true, .was_asked = true}, server.url());
}

ProbeResult LlamaServerPlace::probe(const Deployed& model, const Probe& probe) {
  const ServerClient server =
      client(model, model.port == context_.target.port.value_or(model.port) ? context_.target.host
                                                                            : "127.0.0.1");
  ProbeResult result;
  result.was_asked = true;
  for (const ProbePrompt& prompt : probe.prompts) {
    std::string text = prompt.text;
    if (probe.is_chat)
      text = json_text(
          server.json("POST", "/apply-template", {{"messages", messages_json(prompt.messages)}}),
          "prompt", server.url() + "/apply-template");
    const Json answer = server.json(
        "POST", "/tokenize", {{"content", text}, {"add_special", true}, {"parse_special", true}});
    ++result.prompts;
    if (answer.value("tokens", Json()) == Json(prompt.ids)) ++result.equal;
  }
  if (result.equal == result.prompts && result.prompts > 0) check_answer(server, probe);
  return result;
}

std::optional<double> LlamaServerPlace::activate(DeployState& state, const SaveState& save) {
  Deployed& wanted = *state.pending;
  if (!context_.target.port || wanted.port == *context_.target.port) return std::nullopt;
  const StopDeferred to_the_end;  // in the middle nothing would serve
  stop(wanted);                   // its memory is needed for the same model at the other port
  const Spot spot = own_spot();
  const double begin = now_seconds();
  start(wanted, spot, state.current, save);
  // Until it is gone, it is the old server that answers at this address.
  while (runs(state.current) && now_seconds() < begin + 2 * kPatienceSeconds)
    std::this_thread::sleep_for(kBetween);
  wait_until_ready(wanted, spot);
  return now_seconds() - begin;
}

void LlamaServerPlace::discard(const DeployState& state) noexcept {
  try {
    if (state.pending) stop(*state.pending);
  } catch (const std::exception& error) {
    log_verbose(error.what());
  }
}

bool LlamaServerPlace::unload(const DeployState& state) {
  if (!runs(state.current)) return false;
  stop(*state.current);
  return true;
}

void LlamaServerPlace::load(DeployState& state, const SaveState& save) {
  if (!state.current || runs(state.current)) return;
  Spot spot = own_spot();
  spot.port = state.current->port;  // clients know this one
  start(*state.current, spot, std::nullopt, save);
  wait_until_ready(*state.current, spot);
}

}  // namespace

std::unique_ptr<Place> make_llama_server_place(PlaceContext context) {
  return std::make_unique<LlamaServerPlace>(std::move(context));
}

}  // namespace slmtune::ops
