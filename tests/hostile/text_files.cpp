// JSON of a model folder, config.json, recipes and rows of data.
#include "core/json.h"
#include "core/yaml_reader.h"
#include "data/loader.h"
#include "models/model_config.h"
#include "tests/hostile/bad_files.h"
#include "tests/support/tiny_model.h"

namespace slmtune::testing {
namespace {

BadFile json_row(const std::string& name, const std::string& code, const std::string& part,
                 const std::string& text) {
  return {name, code, part,
          [text](const TempFolder& folder) { read_json(folder.write("a.json", text)); }};
}

BadFile yaml_row(const std::string& name, const std::string& code, const std::string& part,
                 const std::string& text) {
  return {name, code, part, [text](const TempFolder& folder) {
            YamlReader yaml = YamlReader::from_file(folder.write("recipe.yaml", text));
            yaml.text("a", "");
            yaml.finish();
          }};
}

BadFile config_row(const std::string& name, const std::string& code, const std::string& part,
                   const std::string& key, const Json& value) {
  return {name, code, part, [key, value](const TempFolder& folder) {
            Json json = tiny_config("LlamaForCausalLM");
            json[key] = value;
            folder.write("config.json", json.dump());
            models::ModelConfig::load(folder.path());
          }};
}

// A config.json with `text` in place of the value of `key`.
BadFile config_text_row(const std::string& name, const std::string& code, const std::string& part,
                        const std::string& key, const std::string& text) {
  return {name, code, part, [key, text](const TempFolder& folder) {
            Json json = tiny_config("LlamaForCausalLM");
            json[key] = "HERE";
            std::string all = json.dump();
            folder.write("config.json", all.replace(all.find("\"HERE\""), 6, text));
            models::ModelConfig::load(folder.path());
          }};
}

BadFile rows_row(const std::string& name, const std::string& code, const std::string& part,
                 const std::string& text) {
  return {name, code, part, [text](const TempFolder& folder) {
            data::read_examples(folder.write("rows.jsonl", text), "auto");
          }};
}

std::string nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

// Each line names the one before ten times.
std::string alias_bomb() {
  std::string text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "b" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) text += ", " + before;
    text += "]\n";
  }
  return text;
}

std::string utf16(const std::string& ascii) {
  std::string text = "\xFF\xFE";
  for (char c : ascii) (text += c) += '\0';
  return text;
}

}  // namespace

BadFiles bad_json() {
  std::string values = "[0";
  for (int i = 0; i < 500'000; ++i) values += ",0";
  return {
      "json",
      {json_row("an empty file", "F002", "syntax error", ""),
       json_row("a cut end", "F002", "syntax error", R"({"a": [1, 2)"),
       json_row("a comma at the end", "F002", ":1:9", R"({"a": 1,})"),
       json_row("a comment", "F002", "syntax error", "{\"a\": 1 // one\n}"),
       json_row("single quotes", "F002", "syntax error", "{'a': 1}"),
       json_row("a key without quotes", "F002", "syntax error", "{a: 1}"),
       json_row("NaN", "F002", "syntax error", R"({"a": NaN})"),
       json_row("Infinity", "F002", "syntax error", R"({"a": -Infinity})"),
       json_row("a number beyond a double", "F002", "beyond what a double", R"({"a": 1e999})"),
       json_row("a leading zero", "F002", "syntax error", R"({"a": 01})"),
       json_row("two documents", "F002", "syntax error", "{}{}"),
       json_row("a NUL", "F002", "a NUL byte", std::string("{}\0", 3)),
       json_row("a control character in a text", "F002", "syntax error", "{\"a\": \"\x1b[2J\"}"),
       json_row("broken UTF-8", "F002", "syntax error", "{\"a\": \"\xff\"}"),
       json_row("half of a surrogate pair", "F002", "syntax error", R"({"a": "\udc00"})"),
       json_row("UTF-16", "F002", "a NUL byte", utf16("{}")),
       json_row("65 levels", "F002", "deeper than 64", nested(65)),
       json_row("a million levels", "F002", "deeper than 64", nested(1'000'000)),
       json_row("500,002 values (a memory bomb)", "F001", "more than 500000 values", values + "]"),
       json_row("a key twice", "F006", "key 'a' stands there twice", R"({"a": 1, "b": 2, "a": 3})"),
       json_row("a key twice further in", "F006", "key 'x'", R"({"a": [{"x": 1, "x": 1}]})"),
       json_row("a key twice, once escaped", "F006", "key 'a'", R"({"a": 1, "\u0061": 2})")}};
}

BadFiles bad_yaml() {
  return {
      "yaml",
      {yaml_row("an alias bomb (js-yaml 742)", "R016", "anchor", alias_bomb()),
       yaml_row("an alias inside its own anchor (rapidyaml 656)", "R016", "anchor", "a: &x [*x]\n"),
       yaml_row("a tag that makes a Python object", "R017", "tag",
                "a: !!python/object/apply:os.system ['id']\n"),
       yaml_row("a merge key of itself", "R016", "anchor", "a: &x\n  <<: *x\n"),
       yaml_row("10,000 levels", "R019", "deeper than 16", "a: " + nested(10'000)),
       yaml_row("UTF-16", "R021", "UTF-8", utf16("a: 1\n")),
       yaml_row("a NUL", "R021", "control character", std::string("a: \0\n", 5)),
       yaml_row("an escape code", "R021", "control character", "a: \x1b[2J\n"),
       yaml_row("two documents", "R018", "document", "a: 1\n---\nb: 2\n"),
       yaml_row("a key twice", "R013", "duplicate key 'a'", "a: 1\na: 2\n"),
       yaml_row("a list of keys", "R014", "", "- a\n- b\n"),
       yaml_row("a file of 5 MiB", "R001", "", std::string(5 << 20, '#'))}};
}

BadFiles bad_configs() {
  const auto scaling = [](Json more) {
    Json json = {{"rope_type", "llama3"},
                 {"factor", 8.0},
                 {"low_freq_factor", 1.0},
                 {"high_freq_factor", 4.0}};
    json.update(more);
    return json;
  };
  return {
      "config",
      {config_text_row("a size beyond 64 bits", "F004", "hidden_size", "hidden_size",
                       "18446744073709551616"),
       config_text_row("a size of 2^64-1", "F004", "hidden_size", "hidden_size",
                       "18446744073709551615"),
       config_text_row("a size as a fraction", "F004", "hidden_size", "hidden_size", "16.0"),
       config_text_row("a size as a power", "F004", "vocab_size", "vocab_size", "4e1"),
       config_text_row("a key twice", "F006", "key 'x'", "x", "1, \"x\": 2"),
       config_row("a size that is true", "F004", "hidden_size", "hidden_size", true),
       config_row("1,025 layers", "F052", "'num_hidden_layers' is 1025", "num_hidden_layers", 1025),
       config_row("2^31 layers", "F052", "'num_hidden_layers'", "num_hidden_layers", 1ll << 31),
       config_row("a vocabulary of 2^22 + 1", "F052", "'vocab_size' is 4194305", "vocab_size",
                  (1 << 22) + 1),
       config_row("no heads", "F052", "'num_attention_heads' is 0", "num_attention_heads", 0),
       config_row("2,048 heads", "F052", "'num_attention_heads' is 2048", "num_attention_heads",
                  2048),
       config_row("no key heads", "F052", "'num_key_value_heads' is 0", "num_key_value_heads", 0),
       config_row("no feed-forward", "F052", "'intermediate_size' is 0", "intermediate_size", 0),
       config_row("negative positions", "F052", "'max_position_embeddings' is -1",
                  "max_position_embeddings", -1),
       config_row("an end token beyond 64 bits", "F004", "'eos_token_id'", "eos_token_id", ~0ull),
       config_row("an end token that is a fraction", "F004", "'eos_token_id'", "eos_token_id", 2.5),
       config_row("a list of lists of end tokens", "F004", "'eos_token_id'", "eos_token_id", {{2}}),
       config_row("two padding tokens", "F004", "'pad_token_id'", "pad_token_id", {1, 2}),
       config_row("an epsilon of 1e300", "F052", "'rms_norm_eps'", "rms_norm_eps", 1e300),
       config_row("a theta that is a text", "F004", "rope_theta", "rope_theta", "1e4"),
       config_row("a rope that is a list", "F004", "'rope_scaling'", "rope_scaling", {1, 2}),
       config_row("a rope factor that is a text", "F004", "factor", "rope_scaling",
                  scaling({{"factor", "8"}})),
       config_row("rope frequencies the wrong way round", "F052",
                  "'high_freq_factor' must be above", "rope_scaling",
                  scaling({{"high_freq_factor", 0.5}})),
       config_row("a rope type with an escape code", "F051", "'?[2J'", "rope_scaling",
                  scaling({{"rope_type", "\x1b[2J"}})),
       config_row("architectures as an object", "F004", "'architectures'", "architectures",
                  {{"a", "b"}}),
       config_row("an architecture with an escape code", "F050", "'?]0;x?'", "architectures",
                  {"\x1b]0;x\x07"}),
       config_row("an architecture of a megabyte", "F050", "aaa…'", "architectures",
                  {std::string(1 << 20, 'a')}),
       config_row("weights quantised by another tool", "F051", "'quantization_config'",
                  "quantization_config", {{"bits", 4}})}};
}

BadFiles bad_rows() {
  const auto ids = [](const std::string& list) { return R"({"input_ids":[)" + list + "]}\n"; };
  return {
      "jsonl",
      {rows_row("only a byte order mark", "D001", "no rows", "\xEF\xBB\xBF"),
       rows_row("only blank lines", "D001", "no rows", "\r\n \n\t\n"),
       rows_row("UTF-16", "D006", ":1", utf16("{\"text\":\"a\"}\n")),
       rows_row("Latin-1", "D006", ":1", "{\"text\":\"\xfc\"}\n"),
       rows_row("an overlong slash", "D006", ":1", "{\"text\":\"\xc0\xaf\"}\n"),
       rows_row("a surrogate in UTF-8", "D006", ":1", "{\"text\":\"\xed\xa0\x80\"}\n"),
       rows_row("a code point beyond Unicode", "D006", ":1", "{\"text\":\"\xf4\x90\x80\x80\"}\n"),
       rows_row("a NUL", "D002", ":1", std::string("{\"text\":\"a\0b\"}\n", 15)),
       rows_row("a comma at the end", "D002", ":1", "{\"text\":\"a\",}\n"),
       rows_row("two objects on a line", "D002", ":1", "{\"text\":\"a\"}{\"text\":\"b\"}\n"),
       rows_row("an object over two lines", "D002", ":1", "{\"text\":\n\"a\"}\n"),
       rows_row("a list of rows", "D002", "not a JSON object", "[{\"text\":\"a\"}]\n"),
       rows_row("a text for a row", "D002", "not a JSON object", "\"text\"\n"),
       rows_row("65 levels", "D002", "nested too deeply",
                "{\"text\":\"a\",\"x\":" + nested(65) + "}\n"),
       rows_row("a million levels", "D002", ":1", nested(1'000'000) + "\n"),
       rows_row("an id beyond 64 bits", "D002", ":1", ids("18446744073709551616")),
       rows_row("an id of 2^63", "D004", "not a whole number", ids("9223372036854775808")),
       rows_row("an id of 2^32", "D004", "out of range", ids("4294967296")),
       rows_row("an id that is null", "D004", "not a whole number", ids("null")),
       rows_row("a label of -101", "D004", "out of range", R"({"input_ids":[1],"labels":[-101]})"),
       rows_row("labels that are an object", "D004", "'labels' is not a list",
                R"({"input_ids":[1],"labels":{}})"),
       rows_row("a content that is an object", "D004", "'content' is not a text",
                R"({"messages":[{"role":"user","content":{"a":1}}]})"),
       rows_row("a bad row behind 1,000 good ones", "D003", ":1001", [] {
         std::string text;
         for (int i = 0; i < 1000; ++i) text += "{\"text\":\"a\"}\n";
         return text + "{\"txet\":\"a\"}\n";
       }())}};
}

}  // namespace slmtune::testing
