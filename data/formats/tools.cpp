#include "data/formats/tools.h"

#include "data/python_json.h"

namespace slmtune::data {
namespace {

constexpr size_t kMaxDepth = 64;       // as of a row
constexpr size_t kMaxMembers = 1'000;  // of one object; looking a key up takes as many steps

bool is_wide(const element& value);

bool is_wide(const object& members) {
  if (members.size() > kMaxMembers) return true;
  for (const auto field : members)
    if (is_wide(field.value)) return true;
  return false;
}

bool is_wide(const element& value) {
  if (value.is_object()) return is_wide(object(value));
  array items;
  if (value.get_array().get(items)) return false;
  for (const element item : items)
    if (is_wide(item)) return true;
  return false;
}

// The parser bounded the depth. A key given twice keeps its first place and its last value, as in
// Python.
OrderedJson to_json(const element& value);

OrderedJson to_json(const object& members) {
  OrderedJson json = OrderedJson::object();
  for (const auto field : members) json[std::string(field.key)] = to_json(field.value);
  return json;
}

OrderedJson to_json(const element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::OBJECT:
      return to_json(object(value));
    case simdjson::dom::element_type::ARRAY: {
      OrderedJson json = OrderedJson::array();
      const array items(value);
      for (const element item : items) json.push_back(to_json(item));
      return json;
    }
    case simdjson::dom::element_type::STRING:
      return std::string(std::string_view(value));
    case simdjson::dom::element_type::INT64:
      return int64_t(value);
    case simdjson::dom::element_type::UINT64:
      return uint64_t(value);
    case simdjson::dom::element_type::DOUBLE:
      return double(value);
    case simdjson::dom::element_type::BOOL:
      return bool(value);
    default:
      return nullptr;
  }
}

std::string in_item(const char* list, size_t number, const std::string& reason) {
  return reason.empty() ? reason : list + std::to_string(number) + ": " + reason;
}

// The member "function" of a tool or a call, with a name in it.
std::string read_function(const element& entry, object& function) {
  object item;
  std::string_view type = "function", name;
  if (entry.get_object().get(item)) return "not an object";
  if (is_wide(entry)) return "an object in it has more than 1000 members";
  if (has_field(item, "type") && item["type"].get_string().get(type)) return "'type' is not a text";
  if (type != "function") return "'type' is not 'function'";
  if (!has_field(item, "function")) return "'function' is missing";
  if (item["function"].get_object().get(function)) return "'function' is not an object";
  if (function["name"].get_string().get(name) || name.empty()) return "'function' has no 'name'";
  return {};
}

// Arguments that are a text are replaced by the object that the text is.
std::string read_arguments(const object& function, OrderedJson& arguments) {
  object given;
  if (!function["arguments"].get_object().get(given)) {
    arguments = to_json(given);
    return {};
  }
  std::string_view text;
  if (!has_field(function, "arguments")) return "'arguments' is missing";
  if (function["arguments"].get_string().get(text))
    return "'arguments' is neither an object nor the text of one";
  simdjson::dom::parser parser;
  if (parser.allocate(text.size() + 1, kMaxDepth) ||
      parser.parse(text.data(), text.size(), true).get_object().get(given))
    return "'arguments' is a text that is not a JSON object";
  if (is_wide(given)) return "'arguments' has an object of over 1000 members";
  arguments = to_json(given);
  return {};
}

std::string read_call(const element& entry, ToolCall& call) {
  object function;
  OrderedJson arguments;
  std::string reason = read_function(entry, function);
  if (reason.empty()) reason = read_arguments(function, arguments);
  if (!reason.empty()) return reason;
  const object item = entry.get_object().value();
  if (has_field(item, "id"))
    if (reason = read_text_field(item, "id", call.id); !reason.empty()) return reason;
  OrderedJson whole = to_json(function);
  if (!whole["name"].is_string()) return "'function' has two members 'name'";
  call.name = whole["name"].get<std::string>();
  call.arguments = python_json(arguments);
  whole["arguments"] = std::move(arguments);
  call.function = python_json(whole);
  return {};
}

}  // namespace

std::string read_tools(const object& row, std::vector<std::string>& tools) {
  if (!has_field(row, "tools")) return {};
  array list;
  if (row["tools"].get_array().get(list)) return "'tools' is not a list";
  size_t number = 0;
  for (const element entry : list) {
    object function;
    std::string reason = read_function(entry, function);
    if (!reason.empty()) return in_item("tool ", number + 1, reason);
    tools.push_back(python_json(to_json(entry)));
    ++number;
  }
  return {};
}

std::string read_tool_calls(const object& turn, std::vector<ToolCall>& calls) {
  if (!has_field(turn, "tool_calls")) return {};
  array list;
  if (turn["tool_calls"].get_array().get(list)) return "'tool_calls' is not a list";
  size_t number = 0;
  for (const element entry : list) {
    std::string reason = read_call(entry, calls.emplace_back());
    if (!reason.empty()) return in_item("tool call ", ++number, reason);
    ++number;
  }
  return {};
}

}  // namespace slmtune::data
