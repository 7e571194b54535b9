// A section's table: reading, defaults, the text that reads back, and what it says of its keys.
#include "core/field_table.h"

#include <gtest/gtest.h>

#include "tests/support/raises.h"

namespace slmtune {
namespace {

using testing::raises;

struct Lamp {
  int64_t watts = 5;
  uint64_t seed = 7;
  double height = 0.5;
  bool is_on = true;
  std::string colour = "white";
  std::filesystem::path folder = "lamps";
  std::vector<std::string> rooms = {"all"};
  std::optional<int64_t> bulbs;
  std::optional<double> hours;
  std::optional<std::string> maker;
};

void check_lamp(Lamp& lamp, YamlReader& yaml) {
  if (!lamp.is_on && lamp.hours)
    yaml.conflict("hours", yaml.where("is_on"), "a lamp that is off burns no hours", "remove one");
}

const FieldTable<Lamp>& lamp_fields() {
  static const FieldTable<Lamp> table(
      {
          field(&Lamp::watts, {.key = "watts", .meaning = "power", .range = from_to(1, 100)}),
          field(&Lamp::seed, {.key = "seed", .meaning = "start", .range = {.low = 0}}),
          field(&Lamp::height, {.key = "height", .meaning = "size", .range = above_to(0, 2)}),
          field(&Lamp::is_on, {.key = "is_on", .meaning = "whether it burns"}),
          field(&Lamp::colour, {.key = "colour",
                                .meaning = "of its light",
                                .words = {"white", "red"},
                                .later = {"blue"}}),
          field(&Lamp::folder, {.key = "folder", .meaning = "where it is"}),
          field(&Lamp::rooms, {.key = "rooms", .meaning = "all or a list", .is_one_or_many = true}),
          field(&Lamp::bulbs, {.key = "bulbs", .meaning = "number", .words = {"auto"}}),
          field(&Lamp::hours, {.key = "hours", .meaning = "a day"}),
          field(&Lamp::maker, {.key = "maker", .meaning = "who made it"}),
          later_field<Lamp>("dimmer", "less light"),
      },
      check_lamp);
  return table;
}

Lamp read_lamp(const std::string& text) {
  YamlReader yaml = YamlReader::from_string("lamp: {" + text + "}\n", "my.yaml");
  Lamp lamp = lamp_fields().read(yaml.section("lamp"));
  yaml.finish();
  return lamp;
}

TEST(FieldTable, ReadsEveryTypeOfMember) {
  Lamp lamp = read_lamp(
      "watts: 9, seed: 1, height: 1.5, is_on: false, colour: red, folder: a/b, rooms: [kitchen, "
      "hall], bulbs: 3, maker: me");
  EXPECT_EQ(lamp.watts, 9);
  EXPECT_EQ(lamp.seed, 1u);
  EXPECT_EQ(lamp.height, 1.5);
  EXPECT_FALSE(lamp.is_on);
  EXPECT_EQ(lamp.colour, "red");
  EXPECT_EQ(lamp.folder, "a/b");
  EXPECT_EQ(lamp.rooms, (std::vector<std::string>{"kitchen", "hall"}));
  EXPECT_EQ(lamp.bulbs, 3);
  EXPECT_EQ(lamp.maker, "me");
  EXPECT_EQ(read_lamp("rooms: hall").rooms, std::vector<std::string>{"hall"});
}

TEST(FieldTable, DefaultsAreThoseOfTheStruct) {
  Lamp lamp = read_lamp("bulbs: auto");
  EXPECT_EQ(lamp.watts, 5);
  EXPECT_FALSE(lamp.bulbs || lamp.hours || lamp.maker);
  std::vector<std::string> defaults;
  for (const FieldFacts& facts : lamp_fields().facts()) defaults.push_back(facts.fallback);
  EXPECT_EQ(defaults, (std::vector<std::string>{"5", "7", "0.5", "true", "white", "lamps", "all",
                                                "auto", "null", "null", ""}));
}

TEST(FieldTable, ItsTextReadsBackAsItself) {
  Lamp lamp = read_lamp("height: 1e-8, colour: red, folder: 'a b', rooms: ['1', x], maker: \"no\"");
  std::string text = lamp_fields().block(lamp, 2);
  EXPECT_EQ(
      text,
      "  watts: 5\n  seed: 7\n  height: 1.0e-08\n  is_on: true\n  colour: red\n"
      "  folder: \"a b\"\n  rooms: [\"1\", x]\n  bulbs: auto\n  hours: null\n  maker: \"no\"\n");
  YamlReader yaml = YamlReader::from_string("lamp:\n" + text, "my.yaml");
  EXPECT_EQ(lamp_fields().block(lamp_fields().read(yaml.section("lamp")), 2), text);
  yaml.finish();
  std::string flow = lamp_fields().flow(lamp);
  EXPECT_EQ(flow.substr(0, 22), "{watts: 5, seed: 7, he");
  EXPECT_EQ(lamp_fields().flow(read_lamp(flow.substr(1, flow.size() - 2))), flow);
}

TEST(FieldTable, TextsThatYamlWouldReadOtherwiseAreQuoted) {
  for (const char* text : {"", "yes", "Null", "1", "a: b", "a #b", "- a", "é", "a\nb", "'", "\""}) {
    std::string written = yaml_text(std::string(text));
    EXPECT_EQ(written[0], '"') << text;
    YamlReader yaml = YamlReader::from_string("a: " + written + "\n", "my.yaml");
    EXPECT_EQ(yaml.text("a", "x"), text);
  }
  EXPECT_EQ(yaml_text(std::string("runs/a-b_c.1")), "runs/a-b_c.1");
}

TEST(FieldTable, MistakesComeFromTheTable) {
  EXPECT_TRUE(
      raises("R004", {"'lamp.watts' must be from 1 to 100, got 0"}, [] { read_lamp("watts: 0"); }));
  EXPECT_TRUE(
      raises("R004", {"'lamp.seed' must be at least 0, got -1"}, [] { read_lamp("seed: -1"); }));
  EXPECT_TRUE(raises("R004", {"'lamp.height' must be above 0 and at most 2"},
                     [] { read_lamp("height: 0"); }));
  EXPECT_TRUE(raises("R005", {"did you mean 'red'?"}, [] { read_lamp("colour: rde"); }));
  EXPECT_TRUE(raises("R015", {"'lamp.colour: blue' is not in this version"},
                     [] { read_lamp("colour: blue"); }));
  EXPECT_TRUE(
      raises("R015", {"'lamp.dimmer' is not in this version"}, [] { read_lamp("dimmer: 1"); }));
  EXPECT_TRUE(raises("R012", {"did you mean 'lamp.hours'?"}, [] { read_lamp("huors: 1"); }));
  EXPECT_TRUE(raises("R003", {"'lamp.bulbs' must be a whole number or 'auto'"},
                     [] { read_lamp("bulbs: many"); }));
}

TEST(FieldTable, ConflictsAreCheckedAfterAllKeysAreRead) {
  EXPECT_TRUE(raises("R007", {"my.yaml:1:8:", "the other one stands at my.yaml:1:18"},
                     [] { read_lamp("hours: 2, is_on: false"); }));
}

}  // namespace
}  // namespace slmtune
