// A place that takes models: a folder, LM Studio's folder, a llama-server that deploy runs, Ollama.
// deploy.h carries a model through these steps and keeps the record; a place knows how each is done
// there. Up to activate() nothing that serves is touched, and any step may be repeated.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "data/chat/chat_template.h"
#include "ops/deploy/deploy_state.h"
#include "ops/deploy/probe.h"
#include "ops/deploy/target.h"

namespace slmtune::ops {

struct PlaceContext {
  std::filesystem::path store;
  Target target;
  std::string model;                         // its name at the target
  const data::ChatTemplate* chat = nullptr;  // of the snapshot; null = none
  int64_t longest_context = 0;               // that the model was made for; 0 = not known
};

// Writes the record durably.
using SaveState = std::function<void()>;

class Place {
 public:
  virtual ~Place() = default;

  // For people: a folder, or "http://127.0.0.1:8080".
  virtual std::string where(const Deployed& model) const = 0;
  // True when the place takes the adapter alone. Asks a server for its version: V001.
  virtual bool takes_adapter() { return false; }
  // False where no server can be asked what it makes of a prompt: probe() is not called.
  virtual bool can_be_asked() const { return true; }
  // "" when `model` serves there as deploy left it; otherwise what is wrong. `thoroughly`: every
  // byte that can be reached is compared.
  virtual std::string fault(const Deployed& model, bool thoroughly) = 0;
  // After a crash: finishes in `state` what was begun, or takes it back.
  virtual void recover(DeployState& state, const SaveState& save) = 0;  // of pending, leaving
  // Brings state.pending to the place, beside what serves. V001, V003, V005, W….
  virtual void prepare(DeployState& state, const SaveState& save) = 0;
  // How the place reads the prompts with the prepared or serving `model`, and one answer of it.
  virtual ProbeResult probe(const Deployed& model, const Probe& probe) = 0;
  // From now on state.pending, which passed its probe, serves. Returns the seconds without an
  // answer, where there were any.
  virtual std::optional<double> activate(DeployState& state, const SaveState& save) = 0;
  // Takes back what prepare() did; never throws.
  virtual void discard(const DeployState& state) noexcept = 0;
  // `model` does not serve any more.
  virtual void release(const Deployed& model) { (void)model; }
  // `model` is not among those that the place keeps.
  virtual void forget(const Deployed& model, const DeployState& state) = 0;

  // Gives the server's memory back before training; says whether there was something to unload.
  virtual bool unload(const DeployState& state) = 0;
  // state.current serves again, after unload() or after an activate() that failed.
  virtual void load(DeployState& state, const SaveState& save) = 0;

 protected:
  // The end of recover() where models are things that lie there: what is pending or leaving goes.
  void clear_away(DeployState& state, const SaveState& save);
};

// Of the target's kind. U004, N001 of a token file; N001 where LM Studio is not installed.
std::unique_ptr<Place> make_place(PlaceContext context);

// V007 when the file of `model` is gone or was changed since.
void need_file(const Deployed& model);

std::unique_ptr<Place> make_file_place(PlaceContext context);
std::unique_ptr<Place> make_llama_server_place(PlaceContext context);
std::unique_ptr<Place> make_ollama_place(PlaceContext context);

}  // namespace slmtune::ops
