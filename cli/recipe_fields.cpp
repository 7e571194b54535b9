// The tables of the recipe's top level and of the sections that no lower module owns: model and
// export.
#include <algorithm>

#include "cli/recipe.h"
#include "data/chat/chat_template.h"
#include "export/mixtures/mixture.h"
#include "kernels/quant/names.h"

namespace slmtune::cli {
namespace {

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const data::ChatTemplate& chat : data::ChatTemplate::all()) names.emplace_back(chat.name);
  return names;
}

void check_origin(ModelChoice& model, YamlReader& yaml) {
  std::vector<std::string> given;
  for (const char* key : {"path", "from", "init"})
    if (yaml.has(key)) given.push_back(key);
  if (given.empty())
    yaml.mistake(
        "R006", "", "'model.path' is missing",
        "name a model folder with 'path', a snapshot with 'from', or a facts file with 'init'");
  for (size_t i = 1; i < given.size(); ++i)
    yaml.conflict(given[i], yaml.where(given[0]),
                  "'model." + given[0] + "' and 'model." + given[i] + "' exclude each other",
                  "keep the one that says where the weights come from");
  if (model.adapter && !model.path && !given.empty())
    yaml.conflict("adapter", yaml.where(given[0]),
                  "'model.adapter' needs 'model.path', the base model it belongs to",
                  model.from ? "a snapshot named by 'from' brings its own adapter"
                             : "name the base model with 'path'");
}

std::vector<Field<ModelChoice>> origin_fields() {
  using T = ModelChoice;
  return {
      field(&T::path, {.key = "path",
                       .meaning = "folder of the base model, in Hugging Face's layout",
                       .example = "models/Qwen2.5-1.5B-Instruct"}),
      field(&T::from, {.key = "from",
                       .meaning = "snapshot that is trained further, in place of 'path'",
                       .example = "'runs/faq#latest'",
                       .is_alternative = true}),
      field(&T::init, {.key = "init",
                       .meaning = "facts file of a model that starts with random weights, in place "
                                  "of 'path'",
                       .example = "configs/models/tiny.yaml",
                       .is_alternative = true}),
      field(&T::adapter, {.key = "adapter",
                          .meaning = "PEFT folder of an adapter on 'path' that is trained further",
                          .example = "adapters/faq",
                          .is_alternative = true}),
  };
}

void check_export(ExportChoice& choice, YamlReader& yaml) {
  if (choice.format == "gguf") return;
  if (yaml.has("imatrix"))
    yaml.conflict("imatrix", yaml.where("format"), "'imatrix' belongs to format gguf",
                  "other formats round no weights by it");
  for (const char* key : {"verify", "max_perplexity_increase", "min_greedy_agreement"})
    if (yaml.has(key))
      yaml.conflict(key, yaml.where("format"), "'" + std::string(key) + "' belongs to format gguf",
                    "other formats are checked tensor by tensor alone");
  if (yaml.has("encoding"))
    yaml.conflict("encoding", yaml.where("format"), "'encoding' belongs to format gguf",
                  choice.format == "hf"
                      ? "a Hugging Face folder keeps the number type of the base model"
                      : "an adapter's file holds float32");
  choice.encoding.clear();
}

Field<ExportChoice> encoding_field() {
  using T = ExportChoice;
  Field<T> encoding = field(&T::encoding, {.key = "encoding",
                                           .meaning = "how the numbers of a GGUF file are stored",
                                           .words = exporting::mixture_names()});
  encoding.text = [](const T& choice) {
    return choice.encoding.empty() ? "" : yaml_text(choice.encoding);
  };
  return encoding;
}

// Of GGUF files alone, and left out of the text of other exports.
std::vector<Field<ExportChoice>> gguf_fields() {
  using T = ExportChoice;
  std::vector<Field<T>> fields = {
      field(&T::imatrix,
            {.key = "imatrix",
             .meaning = "importance matrix that the encoding rounds by: a file of llama.cpp's "
                        "llama-imatrix, or 'auto' to collect it on the validation rows and keep it "
                        "beside the file, as NAME.imatrix.gguf; null = none",
             .example = "auto"}),
      field(&T::verify,
            {.key = "verify",
             .meaning = "compare the answers of a written GGUF file with the trained model's on "
                        "validation rows before it is published"}),
      field(&T::max_perplexity_increase,
            {.key = "max_perplexity_increase",
             .meaning = "a file whose perplexity is higher by a larger share is refused; null = by "
                        "the encoding, from 0.02 with 16 bits to 0.4 with 4",
             .range = from_to(0.0, 1000.0),
             .example = "0.05"}),
      field(&T::min_greedy_agreement,
            {.key = "min_greedy_agreement",
             .meaning = "a file that agrees in a smaller share of the tokens of greedy answers is "
                        "refused; null = by the encoding, from 0.9 with 16 bits to 0.5 with 4",
             .range = from_to(0.0, 1.0),
             .example = "0.9"})};
  for (Field<T>& one : fields)
    one.text = [text = one.text](const T& choice) {
      return choice.format == "gguf" ? text(choice) : "";
    };
  return fields;
}

void check_name(Recipe& recipe, YamlReader& yaml) {
  auto is_safe = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  const std::string& name = recipe.name;
  bool is_good = !name.empty() && name.size() <= 100 && name[0] != '.' &&
                 std::all_of(name.begin(), name.end(), is_safe);
  if (yaml.has("name") && !is_good)
    yaml.wrong_value(
        "R008", "name",
        "'name' must be made of letters, digits, '.', '_' and '-', and not start with a dot",
        "it names the store's folder and the exported files");
  if (yaml.has("store") && recipe.store.empty())
    yaml.wrong_value("R008", "store", "'store' must name a folder");
}

Field<Recipe> store_field() {
  Field<Recipe> store =
      field(&Recipe::store, {.key = "store",
                             .meaning = "folder of the store: runs, snapshots, exports",
                             .example = "runs/faq"});
  store.facts.fallback = "runs/<name>";
  store.read = [](YamlReader& yaml, Recipe& recipe) {
    recipe.store = yaml.text("store", "runs/" + recipe.name);
  };
  return store;
}

Field<Recipe> lora_field() {
  Field<Recipe> lora =
      section_field(&Recipe::lora, lora::LoraConfig::fields(),
                    {.key = "lora", .meaning = "the adapter, with 'method: lora'"});
  auto read = lora.read;
  lora.read = [read](YamlReader& yaml, Recipe& recipe) {
    recipe.has_lora_section = yaml.has("lora");
    read(yaml, recipe);
  };
  auto text = lora.text;
  lora.text = [text](const Recipe& recipe) { return recipe.method == "lora" ? text(recipe) : ""; };
  return lora;
}

Field<Recipe> export_field() {
  FieldFacts facts{.key = "export",
                   .meaning =
                       "what is written for other programs after training: a section or a "
                       "list of them",
                   .is_one_or_many = true};
  facts.kind = FieldFacts::Kind::kSections;
  facts.fields = ExportChoice::fields().facts();
  return {std::move(facts),
          [](YamlReader& yaml, Recipe& recipe) {
            for (YamlReader& section : yaml.sections("export"))
              recipe.exports.push_back(ExportChoice::fields().read(section));
          },
          [](const Recipe& recipe) {
            std::string text;
            for (const ExportChoice& choice : recipe.exports)
              text += "\n  - " + ExportChoice::fields().flow(choice);
            return text.empty() ? "[]" : text;
          }};
}

void check_recipe(Recipe& recipe, YamlReader& yaml) {
  check_name(recipe, yaml);
  apply_objective(recipe, yaml);
  check_conflicts(recipe, yaml);
}

}  // namespace

const FieldTable<ModelChoice>& ModelChoice::fields() {
  using T = ModelChoice;
  static const FieldTable<T> table(
      [] {
        std::vector<Field<T>> fields = origin_fields();
        fields.push_back(
            field(&T::quant, {.key = "quant",
                              .meaning = "how frozen weights are stored while training",
                              .words = kernels::quant_names()}));
        fields.push_back(field(&T::dtype, {.key = "dtype",
                                           .meaning = "number type of the weights; auto: bfloat16 "
                                                      "on a GPU, and from hidden size 512 on with "
                                                      "AMX or on an AMD CPU with AVX512-BF16; else, "
                                                      "and with 'method: full', float32",
                                           .words = {"auto", "float32", "bfloat16"}}));
        fields.push_back(field(&T::device, {.key = "device",
                                            .meaning = "where the model runs; auto takes a GPU if "
                                                       "there is one",
                                            .words = {"auto", "cpu", "cuda"}}));
        fields.push_back(
            field(&T::chat_template, {.key = "template",
                                      .meaning = "chat template; null = the one that the model's "
                                                 "folder has",
                                      .words = template_names()}));
        return fields;
      }(),
      check_origin);
  return table;
}

const FieldTable<ExportChoice>& ExportChoice::fields() {
  using T = ExportChoice;
  static const FieldTable<T> table(
      [] {
        std::vector<Field<T>> fields = {
            field(&T::format,
                  {.key = "format",
                   .meaning = "gguf: a file for llama.cpp and Ollama; gguf-lora: the adapter "
                              "alone, for llama.cpp's --lora; hf: a Hugging Face folder "
                              "with the adapter merged",
                   .words = {"gguf", "gguf-lora", "hf"}}),
            encoding_field(),
            field(&T::to, {.key = "to",
                           .meaning = "file (gguf) or folder (hf) that is written; null = in the "
                                      "store, below exports/",
                           .example = "out/faq.gguf"}),
        };
        for (Field<T>& one : gguf_fields()) fields.push_back(std::move(one));
        return fields;
      }(),
      check_export);
  return table;
}

const FieldTable<Recipe>& Recipe::fields() {
  using T = Recipe;
  static const FieldTable<T> table(
      {
          field(&T::name, {.key = "name",
                           .meaning = "letters, digits, '.', '_' and '-'; names the store and what "
                                      "is exported",
                           .example = "faq",
                           .is_required = true}),
          store_field(),
          section_field(&T::model, ModelChoice::fields(),
                        {.key = "model",
                         .meaning = "the weights that training starts from",
                         .is_required = true}),
          field(&T::method, {.key = "method",
                             .meaning = "lora trains a small adapter beside the frozen weights, "
                                        "full trains all weights",
                             .words = {"lora", "full"}}),
          field(&T::objective, {.key = "objective",
                                .meaning = "sft learns to give the answers of the rows; dpo "
                                           "learns from pairs of a better and a worse answer, kto "
                                           "from thumbs up and down",
                                .words = {"sft", "dpo", "kto"}}),
          lora_field(),
          section_field(&T::data, data::DataConfig::fields(),
                        {.key = "data", .meaning = "the rows", .is_required = true}),
          section_field(&T::train, train::TrainConfig::fields(),
                        {.key = "train", .meaning = "length, optimiser and checkpoints"}),
          section_field(&T::eval, train::EvalConfig::fields(),
                        {.key = "eval", .meaning = "measuring on the validation rows"}),
          later_field<T>("gate", "limits that a snapshot must keep to be promoted"),
          export_field(),
          section_field(
              &T::budget, train::BudgetConfig::fields(),
              {.key = "budget", .meaning = "memory that a run may take, price of energy"}),
      },
      check_recipe);
  return table;
}

}  // namespace slmtune::cli
