#include "cli/usage_errors.h"

#include <string>
#include <vector>

#include "core/text.h"

namespace slmtune::cli {
namespace {

// "slmtune data preview" and its App: the deepest command that the line names.
std::pair<CLI::App*, std::string> chosen_command(CLI::App& app) {
  CLI::App* command = &app;
  std::string name = "slmtune";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  return {command, name};
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> command_names(CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands([](CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

UserError unexpected(CLI::App& command, const std::string& name, std::string argument) {
  std::string see = "'" + name + " --help' lists them";
  bool is_option = argument.size() > 1 && argument[0] == '-';
  if (is_option) argument = argument.substr(0, argument.find('='));
  bool is_command = !is_option && !command_names(command).empty();
  std::vector<std::string> known = is_option ? option_names(command) : command_names(command);
  std::string nearest = nearest_name(argument, known);
  std::string help = nearest.empty() ? see : "did you mean '" + nearest + "'? " + see;
  std::string kind = is_option    ? "unknown option"
                     : is_command ? "unknown command"
                                  : "unexpected argument";
  if (!is_option && !is_command) help = "'" + name + " --help' shows what it takes";
  return {is_option || is_command ? "U001" : "U002", "slmtune", kind + " '" + shown(argument) + "'",
          help};
}

std::string lower_first(std::string text) {
  bool is_word = text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a';
  if (is_word) text[0] = static_cast<char>(text[0] - 'A' + 'a');
  while (!text.empty() && (text.back() == '.' || text.back() == '\n')) text.pop_back();
  return text;
}

}  // namespace

UserError usage_error(CLI::App& app, const CLI::ParseError& error) {
  auto [command, name] = chosen_command(app);
  // A mistyped option often makes something else look missing: name the cause first.
  std::vector<std::string> extras = app.remaining(true);
  for (const std::string& extra : extras)
    if (extra.size() > 1 && extra[0] == '-') return unexpected(*command, name, extra);
  if (!extras.empty()) return unexpected(*command, name, extras.front());
  std::string help = "see '" + name + " --help'";
  std::string text = lower_first(error.what());
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (!command_names(*command).empty()) text = "a command is missing";
    return {"U003", "slmtune", text, help};
  }
  // CLI11 writes "--rows: what is wrong".
  size_t colon = text.find(": ");
  bool names_option = text.starts_with("--") && colon != std::string::npos;
  std::string where = names_option ? text.substr(0, colon) : "slmtune";
  if (names_option) text = text.substr(colon + 2);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && names_option)
    return {"U003", where, "this option needs a value", help};
  return {"U004", where, shown(text, 400), help};
}

}  // namespace slmtune::cli
