#include "cli/engine/export_lora.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "export/gguf/gguf_lora.h"
#include "lora/stored_adapter.h"

namespace slmtune::cli {

OrderedJson export_gguf_lora(const ModelSource& source, const std::string& name,
                             const std::filesystem::path& to) {
  if (!source.adapter)
    throw UserError(
        "U005", source.label, "there is no adapter here, which gguf-lora hands over",
        "name a LoRA snapshot, or a PEFT folder with --adapter; for a whole model write "
        "--format gguf");
  const auto base = models::load_skeleton(source.base);
  const lora::StoredAdapter adapter = lora::read_stored_adapter(*base, *source.adapter);
  const exporting::GgufLoraReport report =
      exporting::write_gguf_lora(base->config(), adapter, name, to);
  log_info(fmt::format("export: {} (gguf-lora, {}, {} tensors, read back; for a GGUF file of '{}')",
                       to.string(), human_bytes(report.bytes), report.tensors,
                       source.base.string()));
  return {{"format", "gguf-lora"},
          {"path", to.string()},
          {"bytes", report.bytes},
          {"tensors", report.tensors},
          {"alpha", report.alpha}};
}

}  // namespace slmtune::cli
