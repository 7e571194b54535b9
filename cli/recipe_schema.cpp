#include <cmath>

#include "cli/recipe.h"
#include "cli/recipe_reference.h"

namespace slmtune::cli {
namespace {

using Kind = FieldFacts::Kind;

// Any scalar is taken for a text.
OrderedJson text_schema() {
  return {{"type", {"string", "number", "boolean"}}};
}

OrderedJson words_schema(const std::vector<std::string>& words) {
  return {{"enum", words}};
}

OrderedJson any_of(std::vector<OrderedJson> schemas) {
  return schemas.size() == 1 ? std::move(schemas[0]) : OrderedJson{{"anyOf", std::move(schemas)}};
}

OrderedJson limit(double value, bool is_whole) {
  return is_whole ? OrderedJson(static_cast<int64_t>(value)) : OrderedJson(value);
}

OrderedJson number_schema(const FieldFacts& facts) {
  const NumberRange& range = facts.range;
  bool is_whole = facts.kind == Kind::kInteger;
  OrderedJson schema = {{"type", is_whole ? "integer" : "number"}};
  if (std::isfinite(range.low))
    schema[range.is_low_open ? "exclusiveMinimum" : "minimum"] = limit(range.low, is_whole);
  if (std::isfinite(range.high))
    schema[range.is_high_open ? "exclusiveMaximum" : "maximum"] = limit(range.high, is_whole);
  return schema;
}

OrderedJson field_schema(const FieldFacts& facts);

OrderedJson object_schema(const std::vector<FieldFacts>& fields) {
  OrderedJson properties = OrderedJson::object(), required = OrderedJson::array();
  for (const FieldFacts& field : fields) {
    if (field.kind == Kind::kLater) continue;
    properties[field.key] = field_schema(field);
    if (field.is_required) required.push_back(field.key);
  }
  OrderedJson schema = {{"type", "object"}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  schema["properties"] = std::move(properties);
  return schema;
}

OrderedJson array_of(OrderedJson items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}

// The forms that the value may have, null left out.
std::vector<OrderedJson> value_schemas(const FieldFacts& facts) {
  std::vector<OrderedJson> schemas;
  OrderedJson text = facts.words.empty() ? text_schema() : words_schema(facts.words);
  switch (facts.kind) {
    case Kind::kInteger:
    case Kind::kNumber:
      schemas.push_back(number_schema(facts));
      if (!facts.words.empty()) schemas.push_back(std::move(text));
      break;
    case Kind::kFlag:
      schemas.push_back(OrderedJson{{"type", "boolean"}});
      break;
    case Kind::kText:
      schemas.push_back(std::move(text));
      break;
    case Kind::kTexts:
      schemas.push_back(array_of(text));
      if (facts.is_one_or_many) schemas.push_back(std::move(text));
      break;
    case Kind::kSection:
    case Kind::kSections:
      schemas.push_back(object_schema(facts.fields));
      if (facts.kind == Kind::kSections) schemas.push_back(array_of(object_schema(facts.fields)));
      if (facts.is_or_path) schemas.push_back(text_schema());
      if (facts.is_or_path && facts.kind == Kind::kSections)
        schemas.push_back(array_of(text_schema()));
      break;
    case Kind::kLater:
      break;
  }
  return schemas;
}

OrderedJson field_schema(const FieldFacts& facts) {
  std::vector<OrderedJson> schemas = value_schemas(facts);
  if (!facts.is_required) schemas.push_back(OrderedJson{{"type", "null"}});
  OrderedJson schema = any_of(std::move(schemas));
  std::string text = facts.meaning;
  if (!facts.unit.empty()) text += "\nUnit: " + facts.unit;
  if (std::string limits = limits_text(facts); !limits.empty()) text += "\nTakes: " + limits;
  if (!facts.fallback.empty()) text += "\nDefault: " + facts.fallback;
  schema["description"] = text;
  return schema;
}

}  // namespace

OrderedJson recipe_schema() {
  OrderedJson schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                        {"title", "slmtune recipe"},
                        {"description", "made by `slmtune explain recipe-schema`"}};
  schema.update(object_schema(Recipe::fields().facts()));
  return schema;
}

}  // namespace slmtune::cli
