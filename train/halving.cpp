#include "train/halving.h"

#include <algorithm>

#include "core/error.h"

namespace slmtune::train {

Tried tried_rows(const data::Rows& dataset, std::span<const uint64_t> rows) {
  Tried tried;
  for (const uint64_t row : rows) {
    tried.tokens += dataset.length(row);
    if (!dataset.goes_on(row)) ++tried.lines;
  }
  return tried;
}

int64_t halved(int64_t limit, const Tried& tried) {
  if (tried.tokens == 0) return limit / 2;
  if (tried.lines < 2) return 0;
  return std::min(limit, tried.tokens) / 2;
}

OrderedJson halvings_json(const std::vector<Halving>& halvings) {
  OrderedJson json = OrderedJson::array();
  for (const Halving& halving : halvings)
    json.push_back({{"step", halving.step}, {"from", halving.from}, {"to", halving.to}});
  return json;
}

std::vector<Halving> read_halvings(const Json& json, const std::string& where) {
  std::vector<Halving> halvings;
  const auto check = [&where](bool is_sound) {
    if (!is_sound)
      throw FileFormatError("F081", where, "'halvings' is not a list of steps and sizes",
                            "an older checkpoint of the run is used if there is one");
  };
  check(json.is_array());
  for (const Json& entry : json) {
    check(entry.is_object());
    const Halving halving{json_integer(entry, "step", where), json_integer(entry, "from", where),
                          json_integer(entry, "to", where)};
    check(halving.step >= 0 && halving.to >= 1 && halving.from >= halving.to);
    halvings.push_back(halving);
  }
  return halvings;
}

}  // namespace slmtune::train
