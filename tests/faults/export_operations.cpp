#include <map>
#include <memory>

#include "core/atomic_file.h"
#include "export/export.h"
#include "export/verify/verify_file.h"
#include "tests/export/tiny_parts.h"
#include "tests/faults/train_operations.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;
using exporting::TinyParts;

// Everything that an undisturbed export writes, by name.
using Files = std::map<std::string, std::string>;

Files files_in(const fs::path& folder) {
  Files files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.'))
      files[entry.path().lexically_relative(folder).string()] = read_text_file(entry.path());
  return files;
}

struct Tiny {
  Tiny() : model("Qwen2ForCausalLM"), tokenizer(model.tokenizer()) {}
  TinyParts model;
  data::Tokenizer tokenizer;
  Files complete;
};

Operation export_gguf(const std::shared_ptr<Tiny>& tiny) {
  auto complete = std::make_shared<std::string>();
  const auto write = [tiny](const fs::path& to) {
    exporting::write_gguf_model(tiny->model.parts, tiny->tokenizer, "q8_0", to);
  };
  return {"export GGUF over an older one",
          [=](const fs::path& root) {
            write(root / "a.gguf");
            *complete = read_text_file(root / "a.gguf");
            write_file(root / "a.gguf", "an older export");
          },
          [=](const fs::path& root) { write(root / "a.gguf"); },
          [=](const fs::path& root, bool done) -> std::string {
            if (!fs::exists(root / "a.gguf")) return "the file is not there";
            const std::string content = read_text_file(root / "a.gguf");
            if (!done && content == "an older export") return "";
            return content == *complete ? "" : "half a file under its name";
          }};
}

// What the program does last with a file that has passed.
Operation write_record() {
  return {"verify.json with a neighbour's record",
          [](const fs::path& root) {
            write_file(root / "a.gguf", "checked");
            exporting::write_verify_record(root, {{"file", "b.gguf"}, {"bytes", 1}});
          },
          [](const fs::path& root) {
            exporting::write_verify_record(root, {{"file", "a.gguf"}, {"bytes", 7}});
          },
          [](const fs::path& root, bool done) -> std::string {
            const auto list = OrderedJson::parse(read_text_file(root / exporting::kVerifyName));
            if (list["files"][0]["file"] != "b.gguf") return "the record of another file is lost";
            return done && !exporting::read_verify_record(root / "a.gguf") ? "no record" : "";
          }};
}

Operation export_folder(const std::shared_ptr<Tiny>& tiny) {
  auto complete = std::make_shared<Files>();
  const auto write = [tiny](const fs::path& to) {
    exporting::write_hf_folder(tiny->model.parts, to, /*shard_bytes=*/200'000);
  };
  return {"export a Hugging Face folder",
          [=](const fs::path& root) {
            write(root / "hf");
            *complete = files_in(root / "hf");
            fs::remove_all(root / "hf");
          },
          [=](const fs::path& root) {
            if (!fs::exists(root / "hf")) write(root / "hf");
          },
          [=](const fs::path& root, bool done) -> std::string {
            if (!fs::exists(root / "hf")) return done ? "the folder is not there" : "";
            return files_in(root / "hf") == *complete ? "" : "half a folder under its name";
          }};
}

}  // namespace

std::vector<Operation> export_operations() {
  auto tiny = std::make_shared<Tiny>();
  return {export_gguf(tiny), export_folder(tiny), write_record()};
}

}  // namespace slmtune::faults
