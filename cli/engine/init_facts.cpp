#include "cli/engine/init_facts.h"

#include "core/atomic_file.h"
#include "core/error.h"
#include "data/tokenizer/tokenizer.h"
#include "models/facts.h"

namespace slmtune::cli {

namespace fs = std::filesystem;

InitFacts read_init_facts(const fs::path& path) {
  const models::ModelFacts read = models::read_facts(path);
  if (!read.tokenizer)
    throw UserError(
        "R006", path.string(), "'tokenizer' is missing",
        "a model made from nothing needs a tokenizer that is there: name its folder; to "
        "train the published model, give its folder as 'model.path'");
  InitFacts facts{read.name, read.licence, read.chat_template, *read.tokenizer, read.config};
  facts.config.json["torch_dtype"] = "float32";
  if (!fs::exists(facts.tokenizer / "tokenizer.json"))
    throw UserError("N001", path.string(),
                    "no such file: '" + (facts.tokenizer / "tokenizer.json").string() + "'",
                    "paths are taken from the folder you are in: " + fs::current_path().string());
  return facts;
}

void copy_tokenizer_files(const fs::path& from, const fs::path& to) {
  for (std::string_view name : data::tokenizer_file_names())
    if (fs::is_regular_file(from / name)) copy_file_atomically(from / name, to / name);
}

void write_init_folder(const InitFacts& facts, const fs::path& folder) {
  make_folder(folder);
  copy_tokenizer_files(facts.tokenizer, folder);
  write_file(folder / "config.json", facts.config.json.dump(2) + "\n");
  Json generation = {{"eos_token_id", facts.config.json["eos_token_id"]},
                     {"pad_token_id", facts.config.json["pad_token_id"]}};
  write_file(folder / "generation_config.json", generation.dump(2) + "\n");
}

}  // namespace slmtune::cli
