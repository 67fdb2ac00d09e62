#include "base/option_table.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr std::pair<std::string_view, uint64_t> kSuffixes[] = {
    {"KiB", kKiB}, {"MiB", kMiB}, {"GiB", kGiB}};

absl::Status Invalid(const std::string& message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

std::optional<uint64_t> ParseNumber(std::string_view text, OptionUnit unit) {
  uint64_t scale = 1;
  for (const auto& [suffix, factor] : kSuffixes) {
    if (unit != OptionUnit::kBytes || !text.ends_with(suffix)) continue;
    text.remove_suffix(suffix.size());
    scale = factor;
    break;
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value > UINT64_MAX / scale) return std::nullopt;
  return value * scale;
}

std::string FormatNumber(uint64_t value, OptionUnit unit) {
  if (unit != OptionUnit::kBytes || value == 0) return std::to_string(value);
  if (value % kGiB == 0) return fmt::format("{}GiB", value / kGiB);
  if (value % kMiB == 0) return fmt::format("{}MiB", value / kMiB);
  if (value % kKiB == 0) return fmt::format("{}KiB", value / kKiB);
  return std::to_string(value);
}

std::string DescribeRange(OptionUnit unit, uint64_t min, uint64_t max) {
  const char* what = "a whole number";
  if (unit == OptionUnit::kMillis) what = "milliseconds";
  if (unit == OptionUnit::kBytes) what = "bytes (suffixes KiB, MiB, GiB)";
  return fmt::format("{} in {} … {}", what, FormatNumber(min, unit), FormatNumber(max, unit));
}

absl::StatusOr<std::string> TomlText(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return std::string(flag->get() ? "true" : "false");
  return Invalid("expected a string, a whole number or a boolean");
}

}  // namespace

struct OptionTable::Sources {
  struct Value {
    std::string text;
    std::string source;  // "flag --x", "environment variable X", "FILE:LINE".
  };
  std::map<std::string, Value, std::less<>> values;
};

void OptionTable::Text(std::string name, std::string* target, TextCheck check, std::string help) {
  std::string range;
  if (!target->empty()) range = fmt::format(" [default {}]", *target);
  auto set = [target, check = std::move(check)](std::string_view value) {
    std::string wrong = check ? check(value) : std::string();
    if (wrong.empty()) *target = std::string(value);
    return wrong;
  };
  options_.push_back({std::move(name), std::move(help), std::move(range), std::move(set)});
}

void OptionTable::AddNumber(std::string name, uint64_t initial, OptionUnit unit, uint64_t min,
                            uint64_t max, std::string help, std::function<void(uint64_t)> store) {
  const std::string expected = DescribeRange(unit, min, max);
  std::string range = fmt::format(" [{}; default {}]", expected, FormatNumber(initial, unit));
  auto set = [=](std::string_view value) -> std::string {
    const std::optional<uint64_t> parsed = ParseNumber(value, unit);
    if (!parsed || *parsed < min || *parsed > max) return "expected " + expected;
    store(*parsed);
    return "";
  };
  options_.push_back({std::move(name), std::move(help), std::move(range), std::move(set)});
}

void OptionTable::Number(std::string name, uint64_t* target, OptionUnit unit, uint64_t min,
                         uint64_t max, std::string help) {
  AddNumber(std::move(name), *target, unit, min, max, std::move(help),
            [target](uint64_t value) { *target = value; });
}

void OptionTable::Number(std::string name, uint32_t* target, OptionUnit unit, uint32_t min,
                         uint32_t max, std::string help) {
  AddNumber(std::move(name), *target, unit, min, max, std::move(help),
            [target](uint64_t value) { *target = static_cast<uint32_t>(value); });
}

void OptionTable::Custom(std::string name, TextCheck set, std::string help) {
  options_.push_back({std::move(name), std::move(help), /*range=*/"", std::move(set)});
}

void OptionTable::Switch(std::string name, bool* target, std::string help) {
  std::string range = fmt::format(" [true or false; default {}]", *target);
  auto set = [target](std::string_view value) -> std::string {
    if (value != "true" && value != "false") return "expected true or false";
    *target = value == "true";
    return "";
  };
  options_.push_back({std::move(name), std::move(help), std::move(range), std::move(set)});
}

std::string OptionTable::EnvironmentName(std::string_view option) const {
  std::string name = program_.environment;
  for (const char c : option) {
    name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return name;
}

absl::Status OptionTable::ReadFile(const std::string& path, Sources* sources) const {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return Invalid(fmt::format("configuration file {}:{}: {}", path, error.source().begin.line,
                               std::string(error.description())));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string source = fmt::format("{}:{}", path, node.source().begin.line);
    const bool known = std::any_of(options_.begin(), options_.end(),
                                   [&](const Option& option) { return option.name == name; });
    if (!known) return Invalid(fmt::format("{}: there is no option \"{}\"", source, name));
    absl::StatusOr<std::string> text = TomlText(node);
    if (!text.ok()) return Annotate(text.status(), fmt::format("{}: option {}", source, name));
    sources->values[name] = {*std::move(text), source};
  }
  return absl::OkStatus();
}

absl::StatusOr<OptionTable::Asked> OptionTable::ReadFlags(const std::vector<std::string>& argv,
                                                          Sources* sources,
                                                          std::string* config_path) const {
  Asked asked;
  bool version = false;
  std::map<std::string, std::string> raw;
  CLI::App app(program_.about, program_.name);
  app.footer(program_.footer);
  app.get_formatter()->column_width(36);
  app.add_option("--config", *config_path, "TOML file with options.");
  app.add_flag("--check-config", asked.check_config, "Validate the configuration and exit.");
  app.add_flag("--version", version, "Print the version and exit.");
  for (const Option& option : options_) {
    app.add_option("--" + option.name, raw[option.name], option.help + option.range);
  }
  try {
    app.parse(std::vector<std::string>(argv.rbegin(), argv.rend()));
  } catch (const CLI::CallForHelp&) {
    asked.print = app.help();
    return asked;
  } catch (const CLI::ParseError& error) {
    return Invalid(fmt::format("{} ({} --help lists the options)", error.what(), program_.name));
  }
  if (version) asked.print = fmt::format("{} {}\n", program_.name, program_.version);
  for (const Option& option : options_) {
    const std::string flag = "--" + option.name;
    if (app.count(flag) > 0) sources->values[option.name] = {raw[option.name], "flag " + flag};
  }
  return asked;
}

absl::Status OptionTable::Set(const Sources& sources) const {
  for (const Option& option : options_) {
    const auto it = sources.values.find(option.name);
    if (it == sources.values.end()) continue;
    const std::string wrong = option.set(it->second.text);
    if (wrong.empty()) continue;
    return Invalid(fmt::format("option {} ({}): got \"{}\", {}", option.name, it->second.source,
                               it->second.text, wrong));
  }
  return absl::OkStatus();
}

absl::StatusOr<OptionTable::Asked> OptionTable::Parse(const std::vector<std::string>& argv,
                                                      Environment environment) {
  Sources flags;
  std::string config_path;
  ASSIGN_OR_RETURN(Asked asked, ReadFlags(argv, &flags, &config_path));
  if (!asked.print.empty()) return asked;
  if (config_path.empty()) {
    const char* path = environment(EnvironmentName("config").c_str());
    if (path != nullptr) config_path = path;
  }
  Sources sources;
  if (!config_path.empty()) RETURN_IF_ERROR(ReadFile(config_path, &sources));
  for (const Option& option : options_) {
    const std::string name = EnvironmentName(option.name);
    if (const char* value = environment(name.c_str())) {
      sources.values[option.name] = {value, "environment variable " + name};
    }
  }
  for (auto& [name, value] : flags.values) sources.values[name] = std::move(value);
  RETURN_IF_ERROR(Set(sources));
  return asked;
}

std::string CheckHostPort(std::string_view address) {
  constexpr char kExpected[] = "expected host:port with a port in 1 … 65535";
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return kExpected;
  const std::string_view host = address.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return std::string(kExpected) + ", and an IPv6 host in brackets";
  }
  const std::optional<uint64_t> port = ParseNumber(address.substr(colon + 1), OptionUnit::kCount);
  if (!port || *port == 0 || *port > 65535) return kExpected;
  return "";
}

std::string CheckNoWildcard(std::string_view address) {
  const bool wildcard = address.starts_with("0.0.0.0:") || address.starts_with("[::]:");
  return wildcard ? "expected an address that others can connect to, not a wildcard" : "";
}

TextCheck OneOf(std::vector<std::string> values) {
  return [values = std::move(values)](std::string_view text) -> std::string {
    if (std::find(values.begin(), values.end(), text) != values.end()) return "";
    return fmt::format("expected one of {}", fmt::join(values, ", "));
  };
}

}  // namespace cairn
