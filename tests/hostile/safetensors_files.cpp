// safetensors files and the index of a model in shards. The rules of the format, one by one, are in
// tests/core/safetensors_hostile_test.cpp; here are the limits that are ours, files of another
// kind, and attacks.
#include <fmt/format.h>
#include <sys/stat.h>

#include "core/safetensors.h"
#include "tests/hostile/bad_files.h"
#include "tests/support/safetensors_bytes.h"

namespace slmtune::testing {
namespace {

BadFile bytes_row(const std::string& name, const std::string& code, const std::string& part,
                  const std::string& bytes) {
  return {name, code, part, [bytes](const TempFolder& folder) {
            SafetensorsFile::open(folder.write("model.safetensors", bytes));
          }};
}

BadFile header_row(const std::string& name, const std::string& part, const std::string& header,
                   const std::string& data = "") {
  return bytes_row(name, "F010", part, safetensors_bytes(header, data));
}

std::string tensor(const std::string& name, const std::string& fields) {
  return "\"" + name + "\":{" + fields + "}";
}

const std::string kOne = R"("dtype":"U8","shape":[1],"data_offsets":[0,1])";

std::string many_tensors(int count) {
  std::string header = "{";
  for (int i = 0; i < count; ++i)
    header += (i ? "," : "") +
              tensor(std::to_string(i), R"("dtype":"U8","shape":[0],"data_offsets":[0,0])");
  return header + "}";
}

std::string much_metadata(int count) {
  std::string header = R"({"__metadata__":{)";
  for (int i = 0; i < count; ++i) header += (i ? "," : "") + fmt::format("\"{}\":\"\"", i);
  return header + "}}";
}

std::string many_dimensions() {
  std::string shape = "1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  return "{" + tensor("a", R"("dtype":"U8","shape":[)" + shape + R"(],"data_offsets":[0,1])") + "}";
}

// The first bytes of what torch.save writes, as a zip and before version 1.6.
std::string torch_zip() {
  return std::string("PK\x03\x04\x00\x00\x08\x08\x00\x00", 10) + std::string(40, '\0') +
         "archive/data.pkl";
}

std::string bare_pickle() {
  return std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20j\xa8P\x19.", 15) +
         std::string(40, '\0');
}

BadFile special_file_row() {
  return {"a pipe", "F005", "not a regular file", [](const TempFolder& folder) {
            const auto path = folder.path() / "model.safetensors";
            if (mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("no pipe");
            SafetensorsFile::open(path);
          }};
}

BadFile index_row(const std::string& name, const std::string& part, const std::string& shard) {
  return {name, "F014", part, [shard](const TempFolder& folder) {
            folder.write("model.safetensors.index.json", R"({"weight_map":{"a":)" + shard + "}}");
            TensorFolder::open(folder.path());
          }};
}

}  // namespace

BadFiles bad_safetensors() {
  const std::string image = "{" + tensor("a", kOne) + "}";
  return {
      "safetensors",
      {bytes_row("a torch zip (CVE-2025-32434, CVE-2026-24747)", "F015", "can run code",
                 torch_zip()),
       bytes_row("a bare pickle", "F015", "can run code", bare_pickle()),
       bytes_row("a header of 32 MB and a byte", "F010", "claims 32000001 bytes",
                 safetensors_bytes("{}", "", 32'000'001)),
       bytes_row("a GGUF file", "F010", "claims", "GGUF\x03" + std::string(60, '\0')),
       bytes_row("a web page", "F010", "claims", "<!DOCTYPE html><html></html>"),
       bytes_row("a zip behind the data (polyglot)", "F012", "the file has",
                 safetensors_bytes(image, "xPK\x05\x06")),
       bytes_row("a zip before the header (polyglot)", "F015", "can run code",
                 torch_zip() + safetensors_bytes(image, "x")),
       special_file_row(),
       {"a folder", "F005", "not a regular file",
        [](const TempFolder& folder) { SafetensorsFile::open(folder.path()); }},
       header_row("100,001 tensors", "more than 100000 tensors", many_tensors(100'001)),
       header_row("10,001 metadata entries (a memory bomb)", "more than 10000 entries",
                  much_metadata(10'001)),
       header_row("65 dimensions", "more than 64 numbers in 'shape'", many_dimensions(), "x"),
       header_row("three offsets", "got 3",
                  "{" + tensor("a", R"("dtype":"U8","shape":[1],"data_offsets":[0,1,1])") + "}"),
       header_row(
           "an offset beyond 64 bits", "tensor 'a'",
           "{" +
               tensor("a", R"("dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551616])") +
               "}"),
       header_row("a dtype in lower case", "'u8'",
                  "{" + tensor("a", R"("dtype":"u8","shape":[1],"data_offsets":[0,1])") + "}"),
       header_row("a byte order mark before the header", "no JSON object", "\xEF\xBB\xBF{}"),
       header_row("a header in UTF-16", "no JSON object", std::string("{\0}\0", 4)),
       header_row("a comment", "no JSON", "{/* */}"),
       header_row("a comma at the end", "no JSON", "{" + tensor("a", kOne) + ",}", "x"),
       header_row("two headers", "no JSON", "{}{}"),
       header_row("NaN", "no JSON",
                  "{" + tensor("a", R"("dtype":"U8","shape":[NaN],"data_offsets":[0,1])") + "}"),
       header_row("half of a surrogate pair", "no JSON", R"({"\ud800":{}})"),
       header_row("metadata is a list", "a list where none belongs", R"({"__metadata__":[]})"),
       bytes_row(
           "an empty tensor whose other sizes overflow", "F011", "overflows",
           safetensors_bytes(
               "{" +
               tensor("a",
                      R"("dtype":"F32","shape":[9223372036854775807,0,9],"data_offsets":[0,0])") +
               "}")),
       bytes_row("an empty tensor with bytes", "F011", "its shape needs 0",
                 safetensors_bytes(
                     "{" + tensor("a", R"("dtype":"F32","shape":[0],"data_offsets":[0,4])") + "}",
                     "xxxx")),
       bytes_row(
           "a range that ends beyond 2^63", "F011", "its shape needs 1",
           safetensors_bytes(
               "{" +
                   tensor("a",
                          R"("dtype":"U8","shape":[1],"data_offsets":[0,9223372036854775808])") +
                   "}",
               "x"))}};
}

BadFiles bad_weight_indexes() {
  const char* no_name = "no plain file name";
  return {
      "index",
      {index_row("a name with a blank", no_name, R"("a b.safetensors")"),
       index_row("a name with a colon", no_name, R"("c:b.safetensors")"),
       index_row("a name with a percent sign", no_name, R"("..%2fb.safetensors")"),
       index_row("a name for a shell", no_name, R"("$(id).safetensors")"),
       index_row("a name with a wild card", no_name, R"("*.safetensors")"),
       index_row("a name with a line end", no_name, R"("a\nb.safetensors")"),
       index_row("a name with an escape code", no_name, R"("\u001b[2J.safetensors")"),
       index_row("a name with a NUL", no_name, R"("a\u0000.safetensors")"),
       index_row("a name that looks like another (Cyrillic)", no_name,
                 R"("m\u043edel.safetensors")"),
       index_row("a name two folders up (CVE-2024-37032)", no_name, R"("../../etc/x.safetensors")"),
       index_row("a null", no_name, "null"),
       {"a tensor twice", "F006", "'a' stands there twice",
        [](const TempFolder& folder) {
          folder.write("model.safetensors.index.json",
                       R"({"weight_map":{"a":"x.safetensors","a":"y.safetensors"}})");
          TensorFolder::open(folder.path());
        }},
       {"a shard that is a torch zip", "F015", "can run code", [](const TempFolder& folder) {
          folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"x.safetensors"}})");
          folder.write("x.safetensors", torch_zip());
          TensorFolder::open(folder.path());
        }}}};
}

}  // namespace slmtune::testing
