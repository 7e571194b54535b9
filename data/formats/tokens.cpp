// {"input_ids": [1, 2], "labels": [-100, 2]}: rows that another program tokenised. Without labels
// every token trains.
#include <algorithm>

#include "data/formats/fields.h"
#include "data/formats/shapes.h"

namespace slmtune::data {
namespace {

constexpr int64_t kMaxId = 1 << 24;

bool matches(const object& row) {
  return has_field(row, "input_ids");
}

std::string read_ids(const object& row, std::string_view key, int64_t lowest,
                     std::vector<int32_t>& ids) {
  const std::string name = "'" + std::string(key) + "'";
  array values;
  if (row[key].get_array().get(values)) return name + " is not a list";
  ids.reserve(values.size());
  for (element value : values) {
    int64_t id = 0;
    if (value.get_int64().get(id)) return name + " has an entry that is not a whole number";
    if (id < lowest || id >= kMaxId) return name + " has an id out of range";
    ids.push_back(static_cast<int32_t>(id));
  }
  return {};
}

std::string parse(const object& row, Example& example) {
  example.kind = Example::Kind::kTokens;
  if (std::string reason = read_ids(row, "input_ids", 0, example.ids); !reason.empty())
    return reason;
  if (example.ids.empty()) return "'input_ids' is empty";
  if (has_field(row, "attention_mask")) {
    std::vector<int32_t> mask;
    if (std::string reason = read_ids(row, "attention_mask", 0, mask); !reason.empty())
      return reason;
    if (mask.size() != example.ids.size())
      return "'attention_mask' and 'input_ids' differ in length";
    if (std::any_of(mask.begin(), mask.end(), [](int32_t bit) { return bit != 1; }))
      return "'attention_mask' is not all ones; leave padding out of the row";
  }
  if (!has_field(row, "labels")) {
    example.labels = example.ids;
    return {};
  }
  if (std::string reason = read_ids(row, "labels", kNotTrained, example.labels); !reason.empty())
    return reason;
  if (example.labels.size() != example.ids.size())
    return "'labels' and 'input_ids' differ in length";
  for (size_t i = 0; i < example.ids.size(); ++i)
    if (example.labels[i] != kNotTrained && example.labels[i] != example.ids[i])
      return "'labels' has an entry that is neither -100 nor the id at the same place (they must "
             "not be shifted)";
  return {};
}

}  // namespace

Format tokens_format() {
  return {"tokens", "'input_ids'", matches, parse};
}

}  // namespace slmtune::data
