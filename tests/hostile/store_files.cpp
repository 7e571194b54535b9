// Files of the snapshot store: manifests with what they record, and aliases. (Lines of the journal
// that are damaged are passed over and reported, not refused.)
#include "store/manifest.h"
#include "store/snapshot_store.h"
#include "tests/hostile/bad_files.h"

namespace slmtune::testing {
namespace {

Json good_manifest() {
  store::Manifest manifest;
  manifest.number = 1;
  manifest.name = "faq";
  manifest.method = "lora";
  manifest.files = {{"adapter.bin", {"00", 7}}};
  return Json(store::manifest_to_json(manifest));
}

BadFile text_row(const std::string& name, const std::string& part, const std::string& text) {
  return {name, "S005", part, [text](const TempFolder& folder) {
            folder.write("manifest.json", text);
            store::read_manifest(folder.path());
          }};
}

BadFile row(const std::string& name, const std::string& part,
            const std::function<void(Json&)>& change) {
  Json json = good_manifest();
  change(json);
  return text_row(name, part, json.dump());
}

BadFile file_name_row(const std::string& name, const std::string& file) {
  return row(name, "leads out of the snapshot", [&](Json& m) {
    m["files"][file] = {{"sha256", "00"}, {"bytes", 1}};
  });
}

BadFile aliases_row(const std::string& name, const std::string& text) {
  return {name, "S007", "not a table of aliases", [text](const TempFolder& folder) {
            const auto all = store::SnapshotStore::create_or_open(folder.path());
            folder.write("aliases.json", text);
            all.aliases();
          }};
}

}  // namespace

BadFiles bad_manifests() {
  return {
      "manifest",
      {text_row("an empty file", "not JSON", ""),
       text_row("a cut end", "not JSON", "{\"schema\": 1,"),
       text_row("a key twice", "key 'schema' stands there twice", R"({"schema":1,"schema":1})"),
       text_row("65 levels", "deeper than 64", std::string(65, '[') + std::string(65, ']')),
       text_row("a file over the limit", "larger than 16.0 MiB", std::string((16 << 20) + 1, ' ')),
       row("a later schema", "schema 99 is not known", [](Json& m) { m["schema"] = 99; }),
       row("a number that is a fraction", "'number'", [](Json& m) { m["number"] = 1.5; }),
       row("a number of 2^64-1", "'number'", [](Json& m) { m["number"] = ~0ull; }),
       row("a name that is a list", "'name'", [](Json& m) { m["name"] = {1}; }),
       row("hashes that are a list", "wrong type", [](Json& m) { m["hashes"] = {1}; }),
       row("a hash that is a number", "wrong type", [](Json& m) { m["hashes"]["base"] = 1; }),
       row("no metrics", "missing", [](Json& m) { m.erase("metrics"); }),
       row("a record that is a text", "'bytes'", [](Json& m) { m["files"]["adapter.bin"] = "x"; }),
       row("a size of 2^64-1", "'bytes'",
           [](Json& m) { m["files"]["adapter.bin"]["bytes"] = ~0ull; }),
       row("a size below 0", "negative", [](Json& m) { m["files"]["adapter.bin"]["bytes"] = -7; }),
       row("a hash of a file that is a number", "'sha256'",
           [](Json& m) { m["files"]["adapter.bin"]["sha256"] = 1; }),
       file_name_row("a file above the folder (CVE-2024-37032)", "../../etc/passwd"),
       file_name_row("a file above the folder, hidden inside", "a/../../b"),
       file_name_row("a file from the root", "/etc/passwd"),
       file_name_row("a file without a name", "")}};
}

BadFiles bad_aliases() {
  return {
      "aliases",
      {aliases_row("an empty file", ""), aliases_row("a cut end", R"({"latest": 1)"),
       aliases_row("a list", "[1]"), aliases_row("a number that is a text", R"({"latest": "1"})"),
       aliases_row("a number that is a fraction", R"({"latest": 1.5})"),
       aliases_row("a number below 0", R"({"production": -1})"),
       aliases_row("number 0", R"({"production": 0})"),
       aliases_row("a number of 2^64-1", R"({"production": 18446744073709551615})"),
       aliases_row("an alias twice", R"({"production": 1, "production": 2})"),
       aliases_row("an alias that leads out of the store", R"({"../x": 1})"),
       aliases_row("an alias with an escape code", R"({"\u001b[2J": 1})"),
       aliases_row("an alias without letters", R"({"": 1})"),
       aliases_row("an alias of 65 letters", "{\"" + std::string(65, 'a') + "\": 1}")}};
}

}  // namespace slmtune::testing
