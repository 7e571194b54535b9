#include "cli/engine/inspect.h"
#include "cli/engine/commands.h"
#include "cli/output.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "core/yaml_reader.h"
#include "data/tokenizer/tokenizer.h"
#include "export/gguf/gguf_source.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

Inspection inspect_file(const fs::path& path) {
  if (exporting::is_gguf(path)) return inspect_gguf(path);
  if (path.extension() == ".safetensors") return inspect_safetensors(path);
  if (has_pickle_name(path)) refuse_pickle(path);
  if (path.filename() == "tokenizer.json") return inspect_tokenizer(path.parent_path());
  if (path.extension() == ".yaml" && YamlReader::from_file(path).has("architecture"))
    return inspect_facts(path);
  if (path.filename() == "config.json") return inspect_model(path.parent_path());
  throw UserError("U005", path.string(), "this kind of file is not known",
                  "name a .safetensors or .gguf file, a facts file (configs/models/*.yaml), or a "
                  "model, tokenizer, adapter, checkpoint or snapshot folder");
}

Inspection inspect_folder(const fs::path& folder) {
  auto has = [&](const char* name) { return fs::exists(folder / name); };
  if (has("manifest.json")) return inspect_snapshot(folder);
  if (has("adapter_config.json")) return inspect_adapter(folder);
  if (has("state.json")) return inspect_checkpoint(folder);
  if (has("config.json")) return inspect_model(folder);
  if (data::Tokenizer::find_file(folder)) return inspect_tokenizer(folder);
  throw UserError("U005", folder.string(), "nothing in this folder is known",
                  "a model folder has config.json, an adapter adapter_config.json, a tokenizer "
                  "tokenizer.json, a snapshot manifest.json");
}

}  // namespace

ExitCode run_inspect(const InspectOptions& options, const Common& common) {
  const std::string& what = options.path;
  fs::path path = what;
  if (what.find('#') != std::string::npos && !fs::exists(path))
    if (auto snapshot = store::parse_snapshot_ref(what, fs::current_path()))
      path = snapshot->folder;
  if (!fs::exists(path))
    throw UserError("N001", what, "no such file or folder",
                    "check the spelling and the folder you are in");
  Inspection result = fs::is_directory(path) ? inspect_folder(path) : inspect_file(path);
  if (common.json)
    print_json(result.json);
  else
    print(printable(result.text));
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
