#include "data/row_parser.h"

#include <algorithm>

#include "core/text.h"

namespace slmtune::data {
namespace {

constexpr size_t kMaxLine = 16u << 20;
constexpr size_t kMaxDepth = 64;

std::string shapes_help() {
  std::string text = "a row has ";
  for (size_t i = 0; i < formats().size(); ++i) {
    if (i > 0) text += i + 1 == formats().size() ? ", or " : ", ";
    text += std::string(formats()[i].fields) + " (" + std::string(formats()[i].name) + ")";
  }
  return text;
}

bool has_trained_part(const Example& example) {
  switch (example.kind) {
    case Example::Kind::kChat:
      return std::any_of(example.messages.begin(), example.messages.end(),
                         [](auto& one) { return one.train; });
    case Example::Kind::kTokens:
      return std::any_of(example.labels.begin(), example.labels.end(),
                         [](int32_t id) { return id != kNotTrained; });
    case Example::Kind::kText:
      break;
  }
  return true;
}

std::string reason_of(simdjson::error_code error) {
  switch (error) {
    case simdjson::DEPTH_ERROR:
      return "nested too deeply";
    case simdjson::STRING_ERROR:
      return "a string is broken (a missing quote, or half of a surrogate pair)";
    case simdjson::NUMBER_ERROR:
      return "a number is malformed";
    case simdjson::UNCLOSED_STRING:
      return "a string is not closed";
    case simdjson::UNESCAPED_CHARS:
      return "a string has a control character that is not escaped";
    default:
      return "the syntax is wrong, or the object goes on in the next line";
  }
}

Diagnostic bad(const char* code, std::string what, std::string help) {
  return {code, "", std::move(what), std::move(help), {}};
}

constexpr const char* kOneObject = "a row is one JSON object on one line";

}  // namespace

RowParser::RowParser(const std::string& format_name) {
  if (format_name != "auto") {
    declared_ = find_format(format_name);
    SLMTUNE_ASSERT(declared_, "the format was checked when the recipe was read");
  }
  const auto error = parser_.allocate(1u << 16, kMaxDepth);
  SLMTUNE_ASSERT(!error, "simdjson has no memory");
}

std::optional<Diagnostic> RowParser::parse(std::string_view line, Example& example,
                                           simdjson::dom::object& row) {
  const Format* format = nullptr;
  if (auto found = read_object(line, row)) return found;
  if (auto found = choose(row, format)) return found;
  if (std::string reason = format->parse(row, example); !reason.empty())
    return bad("D004", std::move(reason), "");
  if (has_trained_part(example)) return std::nullopt;
  return bad("D005", "nothing in the row is trained",
             "a row needs an assistant message, without 'train: false' or 'weight: 0'");
}

std::optional<Diagnostic> RowParser::read_object(std::string_view line,
                                                 simdjson::dom::object& row) {
  if (line.size() > kMaxLine) return bad("D002", "the line is longer than 16 MiB", kOneObject);
  simdjson::dom::element root;
  const simdjson::error_code error = parser_.parse(line.data(), line.size(), true).get(root);
  if (error == simdjson::UTF8_ERROR || (error && !is_utf8(line)))
    return bad("D006", "the line is not UTF-8", "save the file as UTF-8");
  if (error) return bad("D002", std::string("not valid JSON: ") + reason_of(error), kOneObject);
  if (root.get_object().get(row)) return bad("D002", "the line is not a JSON object", kOneObject);
  return std::nullopt;
}

std::optional<Diagnostic> RowParser::choose(const simdjson::dom::object& row,
                                            const Format*& format) const {
  if (declared_) {
    format = declared_;
    if (declared_->matches(row)) return std::nullopt;
    return bad("D003", "the row does not have " + std::string(declared_->fields),
               "data.format says '" + std::string(declared_->name) +
                   "'; 'auto' finds the shape by itself");
  }
  for (const Format& one : formats()) {
    format = &one;
    if (one.matches(row)) return std::nullopt;
  }
  return bad("D003", "the row has none of the known shapes", shapes_help());
}

}  // namespace slmtune::data
