// tokenizer.json, tokenizer_config.json, tokenizer.model, tekken.json and chat templates. Each rule
// has its row beside the reader's other tests (tests/data); here are numbers out of range, files of
// another kind, and attacks.
#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "tests/data/small_sentencepiece.h"
#include "tests/data/small_tokenizer.h"
#include "tests/hostile/bad_files.h"

namespace slmtune::testing {
namespace {

using nlohmann::json;

BadFile bytes_row(const char* file, const std::string& name, const std::string& code,
                  const std::string& part, const std::string& bytes) {
  return {name, code, part, [file, bytes](const TempFolder& folder) {
            folder.write(file, bytes);
            data::Tokenizer::load(folder.path());
          }};
}

BadFile json_row(const std::string& name, const std::string& code, const std::string& part,
                 const std::function<void(json&)>& change) {
  json whole = small_tokenizer();
  change(whole);
  return bytes_row("tokenizer.json", name, code, part, whole.dump());
}

// The small tokenizer.json with `from` replaced in its text.
BadFile text_row(const std::string& name, const std::string& code, const std::string& part,
                 const std::string& from, const std::string& to) {
  std::string text = small_tokenizer().dump();
  return bytes_row("tokenizer.json", name, code, part,
                   text.replace(text.find(from), from.size(), to));
}

BadFile config_row(const std::string& name, const std::string& code, const std::string& part,
                   const std::string& config) {
  return {name, code, part, [config](const TempFolder& folder) {
            folder.write("tokenizer.json", small_tokenizer().dump());
            folder.write("tokenizer_config.json", config);
            data::Tokenizer::load(folder.path());
          }};
}

BadFile piece_row(const std::string& name, const std::string& code, const std::string& part,
                  const std::function<void(SmallSentencePiece&)>& change) {
  SmallSentencePiece model;
  change(model);
  return bytes_row("tokenizer.model", name, code, part, model.bytes());
}

BadFile more_row(const std::string& name, const std::string& bytes) {
  return piece_row(name, "F030", "not a SentencePiece model",
                   [&](SmallSentencePiece& model) { model.more = bytes; });
}

BadFile template_row(const std::string& name, const std::string& code, const std::string& part,
                     const char* file, const std::string& text) {
  return {name, code, part, [file, text](const TempFolder& folder) {
            folder.write(file, text);
            data::ChatTemplate::detect(folder.path());
          }};
}

// The smallest tekken.json that gets as far as its vocabulary; `rest` follows the config.
std::string tekken(const std::string& sizes, const std::string& rest) {
  json pattern =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  return R"({"config":{"pattern":)" + pattern.dump() + "," + sizes + "}," + rest + "}";
}

BadFile tekken_row(const std::string& name, const std::string& code, const std::string& part,
                   const std::string& sizes, const std::string& rest) {
  return bytes_row("tekken.json", name, code, part, tekken(sizes, rest));
}

}  // namespace

BadFiles bad_tokenizer_json() {
  const char* file = "tokenizer.json";
  return {
      "tokenizer_json",
      {bytes_row(file, "a web page", "F030", "not valid JSON", "<!DOCTYPE html>"),
       bytes_row(file, "a Git LFS pointer", "F030", "not valid JSON",
                 "version https://git-lfs.github.com/spec/v1\n"),
       bytes_row(file, "two documents", "F030", "not valid JSON", "{}{}"),
       bytes_row(file, "broken UTF-8", "F030", "not valid JSON", "{\"model\":\"\xff\"}"),
       bytes_row(file, "a NUL behind the end", "F030", "not valid JSON", std::string("{}\0x", 4)),
       bytes_row(file, "a million levels", "F030", "not valid JSON", std::string(1'000'000, '[')),
       json_row("a model that is a text", "F030", "'model'", [](json& t) { t["model"] = "BPE"; }),
       json_row("a type with an escape code", "F031", "'?[2J'",
                [](json& t) { t["model"]["type"] = "\x1b[2J"; }),
       json_row("a type of a megabyte", "F031", "aaa…'",
                [](json& t) { t["model"]["type"] = std::string(1 << 20, 'a'); }),
       json_row("a merge that is null", "F030", "a merge is not two pieces",
                [](json& t) { t["model"]["merges"].push_back(nullptr); }),
       json_row("a merge with a number", "F030", "a merge is not two pieces",
                [](json& t) {
                  t["model"]["merges"].push_back({"a", 1});
                }),
       json_row("a merge of nothing", "F032", "merge",
                [](json& t) {
                  t["model"]["merges"].push_back({"", "a"});
                }),
       json_row("an added token that is a number", "F030", "an added token is not an object",
                [](json& t) { t["added_tokens"].push_back(7); }),
       json_row("an added token of a number", "F030", "'content'",
                [](json& t) { t["added_tokens"][0]["content"] = 7; }),
       json_row("'special' that is a text", "F030", "'special'",
                [](json& t) { t["added_tokens"][0]["special"] = "yes"; }),
       json_row("steps that are no objects", "F030", "a step of a sequence",
                [](json& t) {
                  t["pre_tokenizer"]["pretokenizers"] = {1, 2};
                }),
       json_row("a sequence inside itself 2,000 deep", "F030", "not valid JSON",
                [](json& t) {
                  json step = {{"type", "NFC"}};
                  for (int i = 0; i < 2000; ++i)
                    step = {{"type", "Sequence"}, {"normalizers", json::array({step})}};
                  t["normalizer"] = step;
                }),
       text_row("an id beyond 64 bits", "F030", "not valid JSON", "\"ab\":256",
                "\"ab\":18446744073709551616"),
       text_row("an id of 2^63", "F030", "not a whole number", "\"ab\":256",
                "\"ab\":9223372036854775808"),
       text_row("an id that is a fraction", "F030", "not a whole number", "\"ab\":256",
                "\"ab\":256.0"),
       text_row("a piece twice", "F032", "twice in the vocabulary", "\"ab\":256",
                "\"ab\":256,\"ab\":290")}};
}

BadFiles bad_tokenizer_configs() {
  const auto added = [](const std::string& entries) {
    return R"({"added_tokens_decoder":{)" + entries + "}}";
  };
  const char* malformed = "malformed entry";
  return {
      "tokenizer_config",
      {config_row("a cut end", "F002", "syntax error", "{\"eos_token\":"),
       config_row("a key twice", "F006", "key 'eos_token'", R"({"eos_token":"a","eos_token":"b"})"),
       config_row("an added id that is no number", "F030", malformed,
                  added(R"("x":{"content":"a"})")),
       config_row("an added id below 0", "F030", malformed, added(R"("-1":{"content":"a"})")),
       config_row("an added id of 2^40", "F030", malformed,
                  added(R"("1099511627776":{"content":"a"})")),
       config_row("an added id with an escape code", "F030", malformed,
                  added(R"("\u001b[2J":{"content":"a"})")),
       config_row("an added token that is a text", "F030", malformed, added(R"("500":"a")")),
       config_row("an added token without text", "F003", "'content' is missing",
                  added(R"("500":{})")),
       config_row("an added token of a number", "F004", "'content'",
                  added(R"("500":{"content":1})")),
       config_row("an added id far above the vocabulary", "F032", "far above",
                  added(R"("16000000":{"content":"a"})"))}};
}

BadFiles bad_sentencepiece() {
  const char* file = "tokenizer.model";
  const auto byte_named = [](const std::string& text) {
    return [text](SmallSentencePiece& model) { model.pieces[3].text = text; };
  };
  const char* no_byte = "to stand for a byte but does not name one";
  return {
      "tokenizer_model",
      {bytes_row(file, "an empty file", "F031", "not BPE", ""),
       bytes_row(file, "a web page", "F030", "not a SentencePiece model", "<!DOCTYPE html>"),
       bytes_row(file, "a Git LFS pointer", "F030", "not a SentencePiece model",
                 "version https://git-lfs.github.com/spec/v1\n"),
       piece_row("a byte named <0x-1> (llama.cpp 25969)", "F032", no_byte, byte_named("<0x-1>")),
       piece_row("a byte named <0xG0>", "F032", no_byte, byte_named("<0xG0>")),
       piece_row("a byte named <0x100>", "F032", no_byte, byte_named("<0x100>")),
       piece_row("a byte twice", "F032", "twice in the vocabulary", byte_named("<0x01>")),
       piece_row("a score that is infinite", "F032", "a score that is no number",
                 [](SmallSentencePiece& model) {
                   model.pieces[260].score = std::numeric_limits<float>::infinity();
                 }),
       more_row("a number of eleven bytes", std::string("\x08") + std::string(10, '\xff') + "\x01"),
       more_row("a number of 70 bits", std::string("\x08") + std::string(9, '\xff') + "\x7f"),
       more_row("a number that ends early", "\x08\xff"),
       more_row("field number 0", std::string("\x02\x01x", 3)), more_row("wire type 4", "\x0c"),
       more_row("wire type 7", "\x0f"),
       more_row("four bytes of which three are there", "\x0d\x01\x02\x03"),
       more_row("eight bytes of which none is there", "\x09"),
       more_row("a length of 2^63", std::string("\x0a") + varint(1ull << 63)),
       more_row("a length of 2^64-1", std::string("\x0a") + varint(~0ull)),
       more_row("a piece of type 2^32 + 1",
                field(1, field(1, std::string("x")) + field(3, (uint64_t{1} << 32) + 1)))}};
}

BadFiles bad_tekken() {
  const std::string sizes = R"("default_vocab_size":22,"default_num_special_tokens":20)";
  const auto vocabulary = [](const std::string& first) {
    return "\"vocab\":[" + first + R"(,{"rank":1,"token_bytes":"Yg=="}])";
  };
  const std::string good = vocabulary(R"({"rank":0,"token_bytes":"YQ=="})");
  return {"tekken",
          {bytes_row("tekken.json", "a cut end", "F030", "not valid JSON", "{\"config\": {"),
           bytes_row("tekken.json", "a list", "F030", "not a JSON object", "[]"),
           bytes_row("tekken.json", "a million levels", "F030", "not valid JSON",
                     std::string(1'000'000, '[')),
           tekken_row("a size that is a fraction", "F030", "'default_vocab_size'",
                      R"("default_vocab_size":22.5,"default_num_special_tokens":20)", good),
           tekken_row("a size below 0", "F032", "out of range",
                      R"("default_vocab_size":-22,"default_num_special_tokens":20)", good),
           tekken_row("more special tokens than ids", "F032", "out of range",
                      R"("default_vocab_size":22,"default_num_special_tokens":23)", good),
           tekken_row("a vocabulary that is an object", "F030", "'vocab'", sizes, "\"vocab\":{}"),
           tekken_row("a rank below 0", "F032", "no rank", sizes,
                      vocabulary(R"({"rank":-5,"token_bytes":"YQ=="})")),
           tekken_row("a rank that is a text", "F030", "'rank'", sizes,
                      vocabulary(R"({"rank":"0","token_bytes":"YQ=="})")),
           tekken_row("a piece without bytes", "F032", "empty piece", sizes,
                      vocabulary(R"({"rank":0})")),
           tekken_row("bytes that are a number", "F030", "'token_bytes'", sizes,
                      vocabulary(R"({"rank":0,"token_bytes":1})")),
           tekken_row("base64 with padding inside", "F030", "no base64", sizes,
                      vocabulary(R"({"rank":0,"token_bytes":"Y=Q="})")),
           tekken_row("special tokens that are no objects", "F030", "a special token", sizes,
                      good + R"(,"special_tokens":[1])"),
           tekken_row("a special token below 0", "F032", "special token -1", sizes,
                      good + R"(,"special_tokens":[{"rank":-1,"token_str":"<x>"}])"),
           tekken_row("a special token without text", "F032", "special token 0", sizes,
                      good + R"(,"special_tokens":[{"rank":0}])")}};
}

BadFiles bad_chat_templates() {
  const char* jinja = "chat_template.jinja";
  const char* unknown = "none that slmtune knows";
  return {
      "chat_template",
      {template_row(
           "a template that runs a program (CVE-2024-34359)", "F040", unknown, jinja,
           "{% for x in ().__class__.__base__.__subclasses__() %}{% if 'warning' in x.__name__ %}"
           "{{ x()._module.__builtins__['__import__']('os').popen('id').read() }}{% endif %}{% "
           "endfor %}"),
       template_row(
           "the same in tokenizer_config.json (CVE-2026-5760)", "F040", unknown,
           "tokenizer_config.json",
           R"({"chat_template":"{{ cycler.__init__.__globals__.os.popen('id').read() }}"})"),
       template_row(
           "a loop without an end", "F040", unknown, jinja,
           "{% for x in range(10**9) %}{% for y in range(10**9) %}{{ x }}{% endfor %}{% endfor %}"),
       template_row("a tag that never closes", "F040", unknown, jinja, "{{ '<|im_start|>"),
       template_row("100,000 open tags", "F040", unknown, jinja,
                    [] {
                      std::string text;
                      for (int i = 0; i < 100'000; ++i) text += "{{'";
                      return text;
                    }()),
       template_row("200,000 tags of one kind", "F040", unknown, jinja,
                    [] {
                      std::string text;
                      for (int i = 0; i < 200'000; ++i) text += "{%a%}";
                      return text;
                    }()),
       template_row("a template over 1 MiB", "F001", "larger than 1.0 MiB", jinja,
                    std::string((1 << 20) + 1, 'a')),
       template_row("the same in tokenizer_config.json", "F001", "larger than 1.0 MiB",
                    "tokenizer_config.json",
                    "{\"chat_template\":\"" + std::string((1 << 20) + 1, 'a') + "\"}"),
       template_row("a list of templates without a text", "F004", "'template'",
                    "tokenizer_config.json",
                    R"({"chat_template":[{"name":"default","template":7}]})"),
       template_row("an empty template", "F041", "no chat template", jinja, "")}};
}

}  // namespace slmtune::testing
