#include "ops/deploy/place.h"

#include "core/error.h"

namespace slmtune::ops {

void Place::clear_away(DeployState& state, const SaveState& save) {
  discard(state);
  if (state.leaving) forget(*state.leaving, state);
  state.leaving.reset();
  state.pending.reset();
  save();
}

void need_file(const Deployed& model) {
  std::error_code missing;
  const uint64_t bytes = std::filesystem::file_size(model.file, missing);
  if (missing || bytes != model.bytes)
    throw UserError("V007", model.file.string(), "the file of this model is gone, or another one",
                    "deploy its snapshot by number, which makes the file again");
}

std::unique_ptr<Place> make_place(PlaceContext context) {
  if (context.target.kind == "llama-server") return make_llama_server_place(std::move(context));
  if (context.target.kind == "ollama") return make_ollama_place(std::move(context));
  return make_file_place(std::move(context));
}

}  // namespace slmtune::ops
