// A recipe: every value asked for as every type, then the report of all mistakes; and one override.
#include "core/yaml_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {
namespace {

void ask(YamlReader& yaml, int depth) {
  for (const std::string& key : yaml.keys()) {
    yaml.integer(key, 1, {0, 10});
    yaml.number(key, 0.5, {0.0, 1.0});
    yaml.flag(key, false);
    yaml.text(key, "");
    yaml.choice(key, "a", {"a", "b"});
    yaml.texts(key, {});
    yaml.numbers(key);
    if (depth == 0) continue;
    if (yaml.is_section(key)) {
      YamlReader section = yaml.section(key);
      ask(section, depth - 1);
    }
    for (YamlReader& section : yaml.sections(key)) ask(section, depth - 1);
  }
}

}  // namespace

const Target kYaml("yaml", [](std::string_view input) {
  read_or_refuse([&] {
    YamlReader yaml = YamlReader::from_string(std::string(input), "recipe.yaml");
    ask(yaml, 2);
    yaml.finish();
  });
  read_or_refuse([&] {
    YamlReader yaml = YamlReader::from_string("a: {b: 1}\nc: [1, 2]\n", "recipe.yaml");
    yaml.set(std::string(input.substr(0, 200)));
    yaml.finish();
  });
});

}  // namespace slmtune::fuzz
