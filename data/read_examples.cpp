// The lines of a whole file → checked Examples.
#include <simdjson.h>

#include "core/log.h"
#include "core/stop.h"
#include "data/bad_rows.h"
#include "data/line_reader.h"
#include "data/loader.h"
#include "data/row_parser.h"

namespace slmtune::data {

void for_each_example(const std::filesystem::path& path, const std::string& format_name,
                      const std::function<void(Example&, const std::string& place)>& use) {
  BadRows bad;
  RowParser parser(format_name);
  bool any = false;
  LineReader lines(path);
  for (; lines.next(); any = true) {
    check_stop();
    const std::string place = path.string() + ":" + std::to_string(lines.number());
    Example example;
    simdjson::dom::object row;
    if (auto found = parser.parse(lines.text(), example, row))
      bad.add(found->code, place, found->what, found->help);
    else
      use(example, place);
    lines.release();
  }
  lines.say_dropped(path);
  bad.throw_if_any(path.string());
  if (!any) throw_no_rows(path.string());
}

std::vector<Example> read_examples(const std::filesystem::path& path,
                                   const std::string& format_name,
                                   std::vector<std::string>* places) {
  std::vector<Example> examples;
  for_each_example(path, format_name, [&](Example& example, const std::string& place) {
    examples.push_back(std::move(example));
    if (places) places->push_back(place);
  });
  return examples;
}

}  // namespace slmtune::data
