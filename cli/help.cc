#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/table.h"

namespace cairn::cli {
namespace {

constexpr size_t kColumns = 88;
constexpr size_t kIndent = 7;
constexpr size_t kDetailIndent = 14;

constexpr std::string_view kExitStatus =
    "0 done; 1 error; 2 wrong usage; 3 a condition, lease or guard refused; 4 not found; "
    "5 outcome unknown; 6 unavailable; 7 stored data is damaged; 8 not permitted; "
    "130 interrupted.";

std::string PathOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : PathOf(*app.get_parent()) + " " + app.get_name();
}

std::string Section(std::string_view title, std::string_view body) {
  return body.empty() ? "" : fmt::format("{}\n{}\n", title, body);
}

std::vector<const CLI::Option*> OptionsOf(const CLI::App& app, bool positional, bool global_group) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    const bool in_global = option->get_group() == kGlobalGroup;
    if (option->get_positional() == positional && in_global == global_group) {
      options.push_back(option);
    }
  }
  return options;
}

// "-o --output", "--producer --no-producer"; without the "{false}" that CLI11 puts behind
// a flag which switches something off.
std::string OptionNames(const CLI::Option& option) {
  std::string names = option.get_name(false, true);
  std::replace(names.begin(), names.end(), ',', ' ');
  for (size_t at = names.find('{'); at != std::string::npos; at = names.find('{')) {
    names.erase(at, names.find('}', at) + 1 - at);
  }
  return names;
}

std::string OptionEntry(const CLI::Option& option) {
  std::string head = option.get_positional() ? option.get_name(true) : OptionNames(option);
  if (option.get_items_expected_max() > 0 && !option.get_positional()) {
    head += " " + (option.get_type_name().empty() ? "VALUE" : option.get_type_name());
  }
  std::string text = option.get_description();
  if (!option.get_default_str().empty())
    text += fmt::format(" (default: {})", option.get_default_str());
  return Wrap(head, kIndent, 200) + Wrap(text, kDetailIndent, kColumns);
}

std::string OptionEntries(const std::vector<const CLI::Option*>& options) {
  std::string text;
  for (const CLI::Option* option : options) text += OptionEntry(*option);
  return text;
}

std::string Synopsis(const CLI::App& app) {
  std::string line = PathOf(app);
  if (!app.get_subcommands({}).empty()) return line + " COMMAND …";
  for (const CLI::Option* option : OptionsOf(app, true, false)) {
    const std::string name = option->get_name(true);
    const bool many = option->get_items_expected_max() > 1;
    const std::string shown = many ? name + "…" : name;
    line += option->get_required() ? " " + shown : " [" + shown + "]";
  }
  return line + " [OPTIONS]";
}

std::string Subcommands(const CLI::App& app) {
  std::string text;
  size_t width = 0;
  const auto all = app.get_subcommands({});
  for (const CLI::App* sub : all) width = std::max(width, sub->get_name().size());
  for (const CLI::App* sub : all) {
    text += fmt::format("{:>{}}{:<{}}  {}\n", "", kIndent, sub->get_name(), width,
                        sub->get_description());
  }
  return text;
}

}  // namespace

std::string Wrap(std::string_view text, size_t indent, size_t columns) {
  std::string out;
  const std::string margin(indent, ' ');
  while (!text.empty()) {
    const size_t line_end = std::min(text.find('\n'), text.size());
    std::string_view words = text.substr(0, line_end);
    text.remove_prefix(std::min(line_end + 1, text.size()));
    std::string line;
    while (!words.empty()) {
      const size_t word_end = std::min(words.find(' '), words.size());
      const std::string word(words.substr(0, word_end));
      words.remove_prefix(std::min(word_end + 1, words.size()));
      if (!line.empty() && indent + DisplayWidth(line) + 1 + DisplayWidth(word) > columns) {
        out += margin + line + '\n';
        line.clear();
      }
      line += (line.empty() ? "" : " ") + word;
    }
    out += line.empty() ? "\n" : margin + line + '\n';
  }
  return out;
}

std::string ManFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  std::string text = Section(
      "NAME",
      Wrap(fmt::format("{} - {}", PathOf(*app), app->get_description()), kIndent, kColumns));
  text += Section("SYNOPSIS", Wrap(Synopsis(*app), kIndent, kColumns));
  if (spec_ != nullptr) text += Section("DESCRIPTION", Wrap(spec_->description, kIndent, kColumns));
  text += Section("COMMANDS", Subcommands(*app));
  text += Section("ARGUMENTS", OptionEntries(OptionsOf(*app, true, false)));
  text += Section("OPTIONS", OptionEntries(OptionsOf(*app, false, false)));
  text += Section("GLOBAL OPTIONS", OptionEntries(OptionsOf(*app, false, true)));
  if (spec_ != nullptr) text += Section("EXAMPLES", Wrap(spec_->examples, kIndent, 200));
  return text + Section("EXIT STATUS", Wrap(kExitStatus, kIndent, kColumns));
}

}  // namespace cairn::cli
