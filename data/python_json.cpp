#include "data/python_json.h"

#include <charconv>
#include <cmath>

namespace slmtune::data {
namespace {

void append_text(std::string& out, std::string_view text) {
  constexpr const char* kHex = "0123456789abcdef";
  constexpr std::string_view kShort = "\b\t\n\f\r", kLetters = "btnfr";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (const size_t at = kShort.find(c); at != kShort.npos) {
      out += '\\';
      out += kLetters[at];
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

// float.__repr__: the shortest digits that read back the same, in scientific form below 1e-4 and
// from 1e16 on.
void append_float(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    return;
  }
  const double size = std::fabs(value);
  const bool plain = size == 0.0 || (size >= 1e-4 && size < 1e16);
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  const std::string_view text(digits, static_cast<size_t>(end.ptr - digits));
  out += text;
  if (plain && text.find('.') == std::string_view::npos) out += ".0";
}

struct Writer {
  int indent;
  std::string out;

  void new_line(int depth) {
    out += '\n';
    out.append(static_cast<size_t>(indent) * static_cast<size_t>(depth), ' ');
  }

  void separate(bool first, int depth) {
    if (!first) out += indent < 0 ? ", " : ",";
    if (indent >= 0) new_line(depth);
  }

  void write_object(const OrderedJson& value, int depth) {
    if (value.empty()) {
      out += "{}";
      return;
    }
    out += '{';
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      separate(first, depth + 1);
      first = false;
      append_text(out, key);
      out += ": ";
      write(item, depth + 1);
    }
    if (indent >= 0) new_line(depth);
    out += '}';
  }

  void write_array(const OrderedJson& value, int depth) {
    if (value.empty()) {
      out += "[]";
      return;
    }
    out += '[';
    bool first = true;
    for (const OrderedJson& item : value) {
      separate(first, depth + 1);
      first = false;
      write(item, depth + 1);
    }
    if (indent >= 0) new_line(depth);
    out += ']';
  }

  void write(const OrderedJson& value, int depth) {
    if (value.is_object())
      write_object(value, depth);
    else if (value.is_array())
      write_array(value, depth);
    else if (value.is_string())
      append_text(out, value.get_ref<const std::string&>());
    else if (value.is_number_float())
      append_float(out, value.get<double>());
    else
      out += value.dump();  // null, true, false and whole numbers look the same
  }
};

}  // namespace

std::string python_json(const OrderedJson& value, int indent) {
  Writer writer{indent, {}};
  writer.write(value, 0);
  return std::move(writer.out);
}

std::string python_json_text(std::string_view text) {
  std::string out;
  append_text(out, text);
  return out;
}

OrderedJson parse_python_json(std::string_view text) {
  return OrderedJson::parse(text);
}

}  // namespace slmtune::data
