#include "export/gguf/gguf_source.h"
#include "models/causal_lm.h"

namespace slmtune::exporting {

std::unique_ptr<models::CausalLM> load_gguf_model(const GgufSource& source,
                                                  const models::LoadOptions& options) {
  return models::load_model(source.config(), source.tensors(), source.file().path().string(),
                            options);
}

}  // namespace slmtune::exporting
