#include "core/internal/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include "core/text.h"

namespace slmtune {
namespace {

using Node = YamlReader::Node;
using State = YamlReader::State;

constexpr size_t kDepthLimit = 16, kNodeLimit = 10'000, kExcerptColumns = 100;
// A line may be a whole file: beyond this column bytes stand for letters.
constexpr size_t kCountedColumns = 4096;
constexpr const char* kSyntaxHelp = "see 'slmtune explain R002' for the usual causes";

// Whether the quoted scalar that starts at `position` is closed before the end of `text`: yaml-cpp
// takes the end of the text for a closing quote when a line end comes before it.
bool quote_is_closed(std::string_view text, size_t position) {
  if (position >= text.size() || (text[position] != '"' && text[position] != '\'')) return true;
  const char quote = text[position];
  for (size_t i = position + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return true;
      ++i;  // '' stands for one quote
    }
  }
  return false;
}

// Builds nodes from events. Whatever would let a short text stand for a long one, or for another
// than it shows, is refused: anchors, aliases, merge keys, tags, further documents.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& text, State& state, std::string origin)
      : text_(text), state_(state), origin_(std::move(origin)) {}

  // The finished tree; throws what was remembered on the way.
  std::shared_ptr<Node> take() const {
    if (remembered_) throw *remembered_;
    return root_ ? root_ : std::make_shared<Node>();
  }

  [[noreturn]] void fail(const char* code, const YAML::Mark& mark, const std::string& what,
                         const std::string& help = kSyntaxHelp) const {
    throw error_at(code, mark, what, help);
  }

  // At the end of the text yaml-cpp has no place for an unclosed bracket; that of the bracket says
  // more.
  [[noreturn]] void fail_syntax(const YAML::ParserException& error) const {
    bool unclosed = error.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW ||
                    error.msg == YAML::ErrorMsg::END_OF_MAP_FLOW;
    if (error.msg.starts_with(YAML::ErrorMsg::UNKNOWN_ANCHOR)) refuse_alias(error.mark);
    if (!unclosed || open_.empty()) fail("R002", error.mark, "not valid YAML: " + error.msg);
    const YamlPlace& place = open_.back().node->place;
    throw UserError({{"R002", state_.where(place), "this bracket is never closed", kSyntaxHelp,
                      state_.excerpt(place)}});
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (!root_) return;
    if (text_.substr(std::min(text_.size(), static_cast<size_t>(mark.pos))).starts_with("---"))
      fail("R018", mark, "more than one document in the file", "keep one document per file");
    fail("R002", mark, "this does not belong to what stands above it", "check the indentation");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (wants_key()) remember(mark, "a key is missing before ':'");
    finish(start(mark, Node::Kind::kNull));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_alias(mark); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    check_tag(mark, tag);
    if (tag == "!" && !quote_is_closed(text_, static_cast<size_t>(mark.pos)))
      fail("R002", mark, "this quote is never closed");
    if (wants_key()) return take_key(mark, value);
    auto node = start(mark, Node::Kind::kScalar);
    node->scalar = value;
    node->is_plain = tag == "?";
    finish(node);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Node::Kind::kMapping);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    bool has_key = false, is_duplicate = false;
    std::string key;
    YamlPlace key_place;
  };

  UserError error_at(const char* code, const YAML::Mark& mark, const std::string& what,
                     const std::string& help) const {
    YamlPlace place = place_of(mark);
    return UserError({{code, state_.where(place), what, help, state_.excerpt(place)}});
  }

  // yaml-cpp takes what follows an unclosed bracket for a key, and complains of the bracket only at
  // the end of the text; its complaint is the better one, so ours waits.
  void remember(const YAML::Mark& mark, const std::string& what) {
    if (!remembered_) remembered_ = error_at("R002", mark, what, kSyntaxHelp);
  }

  YamlPlace place_of(const YAML::Mark& mark) const {
    if (!origin_.empty()) return {0, 0, origin_};
    if (mark.is_null()) return {};
    return {static_cast<size_t>(mark.line) + 1, static_cast<size_t>(mark.column) + 1, {}};
  }

  bool wants_key() const {
    return !open_.empty() && open_.back().node->kind == Node::Kind::kMapping &&
           !open_.back().has_key;
  }

  [[noreturn]] void refuse_alias(const YAML::Mark& mark) const {
    fail("R016", mark, "an alias is not supported", "write the value out");
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor) fail("R016", mark, "an anchor is not supported", "write the value out");
  }

  // yaml-cpp gives "!" to a quoted text, and to one that has this tag.
  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    bool is_written =
        text_.substr(std::min(text_.size(), static_cast<size_t>(mark.pos))).starts_with("!");
    if (!tag.empty() && tag != "?" && (tag != "!" || is_written))
      fail("R017", mark, "the tag '" + shown(tag) + "' is not supported", "remove the tag");
  }

  std::shared_ptr<Node> start(const YAML::Mark& mark, Node::Kind kind) {
    if (++count_ > kNodeLimit)
      fail("R019", mark, fmt::format("more than {} values", kNodeLimit), "split the file");
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->place = node->key_place = place_of(mark);
    return node;
  }

  void begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
             Node::Kind kind) {
    refuse_anchor(mark, anchor);
    check_tag(mark, tag);
    if (wants_key()) remember(mark, "a key must be plain text");
    if (open_.size() >= kDepthLimit)
      fail("R019", mark, fmt::format("nested deeper than {} levels", kDepthLimit),
           "a recipe needs five levels");
    open_.push_back({start(mark, kind), false, false, {}, {}});
  }

  void end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    finish(done.node);
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    if (key == "<<") fail("R016", mark, "a merge key is not supported", "write the keys out");
    Open& open = open_.back();
    open.key = key;
    open.key_place = place_of(mark);
    open.has_key = true;
    const Node::Entry* first = open.node->find(key);
    open.is_duplicate = first != nullptr;
    if (first)
      state_.add("R013", open.key_place, "duplicate key '" + shown(key) + "'",
                 first->place.line ? fmt::format("the first one is in line {}; keep one of them",
                                                 first->place.line)
                                   : "keep one of them");
  }

  // Puts a complete node where it belongs.
  void finish(const std::shared_ptr<Node>& node) {
    if (open_.empty()) {
      root_ = node;
      return;
    }
    Open& parent = open_.back();
    if (parent.node->kind == Node::Kind::kList) {
      parent.node->items.push_back(node);
      return;
    }
    if (!parent.has_key) {  // a wrong key, remembered: its value is dropped
      parent.has_key = parent.is_duplicate = true;
      return;
    }
    parent.has_key = false;
    node->key_place = parent.key_place;
    if (!parent.is_duplicate) parent.node->entries.push_back({parent.key, parent.key_place, node});
  }

  std::string_view text_;
  State& state_;
  std::string origin_;
  std::shared_ptr<Node> root_;
  std::vector<Open> open_;
  size_t count_ = 0;
  std::optional<UserError> remembered_;
};

[[noreturn]] void refuse_byte(const char* code, const State& state, const std::string& origin,
                              size_t line, size_t column, const std::string& what,
                              const std::string& help) {
  YamlPlace place = origin.empty() ? YamlPlace{line, column, {}} : YamlPlace{0, 0, origin};
  throw UserError({{code, state.where(place), what, help, state.excerpt(place)}});
}

// Bytes before the first that is no UTF-8.
size_t utf8_prefix(std::string_view text) {
  size_t done = 0;
  while (done < text.size()) {
    auto lead = static_cast<unsigned char>(text[done]);
    size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (!is_utf8(text.substr(done, length))) return done;
    done += length;
  }
  return text.size();
}

// yaml-cpp reads bytes that are no UTF-8 as something else, and takes control characters for its
// own marks.
void check_bytes(const std::string& text, const State& state, const std::string& origin) {
  size_t line = 0;
  std::istringstream stream(text);
  for (std::string content; std::getline(stream, content);) {
    ++line;
    if (!is_utf8(content))
      refuse_byte("R021", state, origin, line, utf8_prefix(content) + 1, "this is not UTF-8",
                  "save the file as UTF-8");
    for (size_t i = 0; i < content.size(); ++i) {
      unsigned char byte = static_cast<unsigned char>(content[i]);
      bool allowed = byte == '\t' || (byte == '\r' && i + 1 == content.size());
      if ((byte < 0x20 && !allowed) || byte == 0x7f)
        refuse_byte("R021", state, origin, line, i + 1, "a control character", "remove it");
    }
    size_t first = content.find_first_not_of(" \t\r");
    size_t tab = content.find('\t');
    if (first != std::string::npos && tab < first && content[first] != '#')
      refuse_byte("R020", state, origin, line, tab + 1, "a tab in the indentation",
                  "indent with spaces");
  }
}

}  // namespace

const Node::Entry* Node::find(const std::string& key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

size_t State::letters_before(const YamlPlace& place) const {
  if (place.line > lines.size() || place.column > kCountedColumns) return place.column - 1;
  const std::string& line = lines[place.line - 1];
  auto starts_letter = [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; };
  auto end = line.begin() + static_cast<std::ptrdiff_t>(std::min(place.column - 1, line.size()));
  return static_cast<size_t>(std::count_if(line.begin(), end, starts_letter));
}

std::string State::where(const YamlPlace& place) const {
  if (!place.origin.empty()) return place.origin;
  if (place.line == 0) return name;
  return fmt::format("{}:{}:{}", name, place.line, letters_before(place) + 1);
}

std::string State::excerpt(const YamlPlace& place) const {
  if (!place.origin.empty() || place.line == 0 || place.line > lines.size()) return "";
  // A caret far to the right helps nobody.
  if (place.column - 1 + 20 > kExcerptColumns) return "";
  std::string line = lines[place.line - 1].substr(0, 2 * kExcerptColumns);
  std::replace(line.begin(), line.end(), '\t', ' ');
  return fmt::format("{:>5} | {}\n      | {}^", place.line, shown(line, kExcerptColumns),
                     std::string(letters_before(place), ' '));
}

void State::add(const std::string& code, const YamlPlace& place, const std::string& what,
                const std::string& help) {
  mistakes.push_back({place, {code, where(place), what, help, excerpt(place)}});
}

std::shared_ptr<Node> parse_yaml(const std::string& text, State& state, const std::string& origin) {
  if (text.size() > kYamlLimit)
    throw UserError("R001", origin.empty() ? state.name : origin,
                    "larger than " + human_bytes(kYamlLimit), "check that this is the right file");
  check_bytes(text, state, origin);
  TreeBuilder builder(text, state, origin);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::ParserException& error) {
    builder.fail_syntax(error);
  } catch (const YAML::Exception& error) {
    builder.fail("R002", YAML::Mark::null_mark(), "not valid YAML: " + error.msg);
  }
  return builder.take();
}

void set_yaml_paths(Node& node, const std::string& path) {
  node.path = path;
  for (Node::Entry& entry : node.entries) set_yaml_paths(*entry.value, node.path_of(entry.key));
  for (size_t i = 0; i < node.items.size(); ++i)
    set_yaml_paths(*node.items[i], fmt::format("{}[{}]", path, i));
}

}  // namespace slmtune
