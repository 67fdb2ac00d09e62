// Commands: the table of everything that `cairn` can do.
//
// A family ("log", "lease", …) is one source file that exports its commands as a table of
// CommandSpec; a command that stands alone ("append") is a family without a name. The
// parser, --help, the completion script and the tests all read this table.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/output.h"
#include "cli/session.h"

namespace cairn::cli {

inline constexpr Format kViewFormats[] = {Format::kText, Format::kJson};

struct CommandSpec {
  std::string_view name;
  std::string_view summary;      // One line, lower case, no full stop.
  std::string_view description;  // What --help says about it.
  std::string_view examples;     // One command a line, "# …" lines between.
  // Declares the command's options on `app` and returns what runs it once they are parsed.
  Runner (*declare)(CLI::App& app);
  std::span<const Format> formats = kViewFormats;  // Of -o; the first is the default.
};

struct CommandFamily {
  // Empty: its commands stand at the top. "auth token": a family within "auth", which stands before
  // it in the table.
  std::string_view name;
  std::string_view summary;
  std::span<const CommandSpec> commands;
};

// All families, in the order of --help.
std::span<const CommandFamily> Families();

// One per file.
std::span<const CommandSpec> LogCommands();
std::span<const CommandSpec> DataCommands();
std::span<const CommandSpec> LeaseCommands();
std::span<const CommandSpec> ClusterCommands();
std::span<const CommandSpec> AuthCommands();
std::span<const CommandSpec> AuthPrincipalCommands();
std::span<const CommandSpec> AuthTokenCommands();
std::span<const CommandSpec> AuthQuotaCommands();
std::span<const CommandSpec> SegmentCommands();
std::span<const CommandSpec> SnapshotCommands();
std::span<const CommandSpec> ArchiveCommands();
std::span<const CommandSpec> BenchCommands();
std::span<const CommandSpec> ToolCommands();

// Options whose text has a unit or a form of its own. A bad value is a usage error that says
// which forms are understood. `target` keeps its value when the option is not given, and must
// outlive the parsing.
CLI::Option* AddByteCount(CLI::App& app, const std::string& name, uint64_t& target,
                          const std::string& help);
CLI::Option* AddByteCount(CLI::App& app, const std::string& name, std::optional<uint64_t>& target,
                          const std::string& help);
CLI::Option* AddDuration(CLI::App& app, const std::string& name, uint64_t& target_ms,
                         const std::string& help);
CLI::Option* AddDuration(CLI::App& app, const std::string& name, std::optional<uint64_t>& target_ms,
                         const std::string& help);
// A whole number of 0 or more. (CLI11 itself reads "-1" as the largest number there is.)
CLI::Option* AddNumber(CLI::App& app, const std::string& name, uint64_t& target,
                       const std::string& help);
CLI::Option* AddNumber(CLI::App& app, const std::string& name, std::optional<uint64_t>& target,
                       const std::string& help);
// A text that `parse` (a function that returns a StatusOr) understands; it is parsed again where
// it is used.
template <class Parse>
CLI::Option* AddChecked(CLI::App& app, const std::string& name, std::string& target, Parse parse,
                        const std::string& help) {
  return app.add_option(name, target, help)->check([parse](const std::string& text) {
    const auto value = parse(text);
    return value.ok() ? std::string() : std::string(value.status().message());
  });
}
// The positional NAME of a log.
CLI::Option* AddLogName(CLI::App& app, std::string& target);

}  // namespace cairn::cli
