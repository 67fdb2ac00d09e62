#include "cli/commands.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/strings.h"
#include "cli/units.h"

namespace cairn::cli {
namespace {

// CLI11 reports a bad value by its own exception, which its parser catches for us.
template <class Parse, class Assign>
CLI::Option* AddParsed(CLI::App& app, const std::string& name, const char* type, Parse parse,
                       Assign assign, const std::string& help) {
  return app
      .add_option_function<std::string>(
          name,
          [name, parse, assign](const std::string& text) {
            const auto value = parse(text);
            if (!value.ok()) {
              throw CLI::ValidationError(name, std::string(ToStd(value.status().message())));
            }
            assign(*value);
          },
          help)
      ->type_name(type);
}

absl::StatusOr<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return absl::InvalidArgumentError(fmt::format("'{}' is not a number of 0 … 2^64 - 1", text));
}

}  // namespace

std::span<const CommandFamily> Families() {
  static const std::array kFamilies = {
      CommandFamily{"", "append and read", DataCommands()},
      CommandFamily{"log", "create, list, describe, change, trim and delete logs", LogCommands()},
      CommandFamily{"lease", "acquire, hold and hand over leases", LeaseCommands()},
      CommandFamily{"segment", "list and verify a log's segments", SegmentCommands()},
      CommandFamily{"snapshot", "snapshots of consumers; saving and restoring logs",
                    SnapshotCommands()},
      CommandFamily{"archive", "look into the archive of logs, and restore from it",
                    ArchiveCommands()},
      CommandFamily{"cluster", "look at the cluster, change its members, move what they hold",
                    ClusterCommands()},
      CommandFamily{"auth", "say who may do what", AuthCommands()},
      CommandFamily{"auth principal", "add, list and remove those who call",
                    AuthPrincipalCommands()},
      CommandFamily{"auth token", "make, list and revoke tokens", AuthTokenCommands()},
      CommandFamily{"auth quota", "limit what tenants append", AuthQuotaCommands()},
      CommandFamily{"bench", "measure the cluster under load", BenchCommands()},
      CommandFamily{"", "tools", ToolCommands()},
  };
  return kFamilies;
}

CLI::Option* AddByteCount(CLI::App& app, const std::string& name, uint64_t& target,
                          const std::string& help) {
  return AddParsed(
      app, name, "SIZE", ParseByteCount, [&target](uint64_t value) { target = value; }, help);
}

CLI::Option* AddByteCount(CLI::App& app, const std::string& name, std::optional<uint64_t>& target,
                          const std::string& help) {
  return AddParsed(
      app, name, "SIZE", ParseByteCount, [&target](uint64_t value) { target = value; }, help);
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, uint64_t& target_ms,
                         const std::string& help) {
  return AddParsed(
      app, name, "TIME", ParseDurationMs, [&target_ms](uint64_t value) { target_ms = value; },
      help);
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, std::optional<uint64_t>& target_ms,
                         const std::string& help) {
  return AddParsed(
      app, name, "TIME", ParseDurationMs, [&target_ms](uint64_t value) { target_ms = value; },
      help);
}

CLI::Option* AddNumber(CLI::App& app, const std::string& name, uint64_t& target,
                       const std::string& help) {
  return AddParsed(
      app, name, "N", ParseNumber, [&target](uint64_t value) { target = value; }, help);
}

CLI::Option* AddNumber(CLI::App& app, const std::string& name, std::optional<uint64_t>& target,
                       const std::string& help) {
  return AddParsed(
      app, name, "N", ParseNumber, [&target](uint64_t value) { target = value; }, help);
}

CLI::Option* AddLogName(CLI::App& app, std::string& target) {
  return app.add_option("NAME", target, "Name of the log: 1 … 255 of A-Z a-z 0-9 . _ / -")
      ->required()
      ->type_name("");
}

}  // namespace cairn::cli
