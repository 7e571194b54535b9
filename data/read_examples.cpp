// The first half of loading: lines of a file → checked Examples.
#include <simdjson.h>

#include <algorithm>

#include "core/log.h"
#include "core/stop.h"
#include "core/text.h"
#include "data/bad_rows.h"
#include "data/formats/format.h"
#include "data/line_reader.h"
#include "data/loader.h"

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

// Reads rows of one file; knows the declared shape, if any.
class RowParser {
 public:
  RowParser(const std::string& format_name, BadRows& bad) : bad_(bad) {
    if (format_name != "auto") {
      declared_ = find_format(format_name);
      SLMTUNE_ASSERT(declared_, "the format was checked when the recipe was read");
    }
    const auto error = parser_.allocate(1u << 16, kMaxDepth);
    SLMTUNE_ASSERT(!error, "simdjson has no memory");
  }

  // False when the row is bad, which was then noted. `row` lives until the next call.
  bool parse(std::string_view line, const std::string& place, Example& example,
             simdjson::dom::object& row) {
    const Format* format = nullptr;
    if (!read_object(line, place, row) || !(format = choose(row, place))) return false;
    if (std::string reason = format->parse(row, example); !reason.empty()) {
      bad_.add("D004", place, reason);
      return false;
    }
    if (has_trained_part(example)) return true;
    bad_.add("D005", place, "nothing in the row is trained",
             "a row needs an assistant message, without 'train: false' or 'weight: 0'");
    return false;
  }

 private:
  bool read_object(std::string_view line, const std::string& place, simdjson::dom::object& row) {
    if (line.size() > kMaxLine) {
      bad_.add("D002", place, "the line is longer than 16 MiB",
               "a row is one JSON object on one line");
      return false;
    }
    simdjson::dom::element root;
    const simdjson::error_code error = parser_.parse(line.data(), line.size(), true).get(root);
    if (error == simdjson::UTF8_ERROR || (error && !is_utf8(line))) {
      bad_.add("D006", place, "the line is not UTF-8", "save the file as UTF-8");
      return false;
    }
    if (error) {
      bad_.add("D002", place, std::string("not valid JSON: ") + reason_of(error),
               "a row is one JSON object on one line");
      return false;
    }
    if (!root.get_object().get(row)) return true;
    bad_.add("D002", place, "the line is not a JSON object",
             "a row is one JSON object on one line");
    return false;
  }

  const Format* choose(const simdjson::dom::object& row, const std::string& place) {
    if (declared_) {
      if (declared_->matches(row)) return declared_;
      bad_.add("D003", place, "the row does not have " + std::string(declared_->fields),
               "data.format says '" + std::string(declared_->name) +
                   "'; 'auto' finds the shape by itself");
      return nullptr;
    }
    for (const Format& format : formats())
      if (format.matches(row)) return &format;
    bad_.add("D003", place, "the row has none of the known shapes", shapes_help());
    return nullptr;
  }

  static std::string reason_of(simdjson::error_code error) {
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

  BadRows& bad_;
  const Format* declared_ = nullptr;
  simdjson::dom::parser parser_;
};

}  // namespace

std::vector<Example> read_examples(const std::filesystem::path& path,
                                   const std::string& format_name, std::vector<std::string>* places,
                                   std::vector<RowKeys>* keys) {
  BadRows bad;
  RowParser parser(format_name, bad);
  std::vector<Example> examples;
  bool any = false;
  LineReader lines(path);
  for (; lines.next(); any = true) {
    check_stop();
    const std::string place = path.string() + ":" + std::to_string(lines.number());
    Example example;
    simdjson::dom::object row;
    if (!parser.parse(lines.text(), place, example, row)) continue;
    examples.push_back(std::move(example));
    if (places) places->push_back(place);
    if (keys) keys->push_back(row_keys(row));
  }
  if (!lines.dropped().empty())
    log_info("note: " + path.string() + ": left out " + std::string(lines.dropped()));
  bad.throw_if_any(path.string());
  if (!any)
    throw UserError("D001", path.string(), "the file has no rows",
                    "write one JSON object per line");
  return examples;
}

}  // namespace slmtune::data
