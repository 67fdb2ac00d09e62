#include "adapter/restore_command.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "adapter/agent_options.h"
#include "adapter/log_tool.h"
#include "adapter/memcache/view_restorer.h"
#include "adapter/redis/restorer.h"
#include "adapter/restore_maker.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct RestoreConfig {
  LogToolConfig tool;
  WantedPosition at;
  std::string rdb;
  std::string data_dir;
  std::string commands;
  std::string to;
  std::string to_password_file;
  bool verify = true;
};

void AddOptions(OptionTable& table, RestoreConfig& config) {
  AddLogToolOptions(table, config.tool);
  const auto set_at = [&config](std::string_view text) -> std::string {
    absl::StatusOr<WantedPosition> at = ParsePosition(text);
    if (!at.ok()) return std::string(ToStd(at.status().message()));
    config.at = *std::move(at);
    return "";
  };
  table.Custom("at", set_at,
               "As of which record (its seq) or moment of log time (2026-11-21T12:30:00Z). "
               "Default: end.");
  table.Text("rdb", &config.rdb, CheckNotEmpty, "Redis: new file for the dump.");
  table.Text("data-dir", &config.data_dir, CheckNotEmpty,
             "Redis: new or empty directory for the dump: `redis-server --dir DIR` serves it.");
  table.Text("commands", &config.commands, CheckNotEmpty,
             "memcached: new file for the items, as the commands that store them.");
  table.Text("to", &config.to, CheckEngine,
             "unix:PATH or HOST:PORT of an empty engine on this machine.");
  table.Text("to-password-file", &config.to_password_file, CheckNotEmpty,
             "Redis: file with the password of that engine.");
  table.Switch("verify", &config.verify, "Redis: whether a second engine reads the file back.");
}

// Before hours of work, not behind them.
absl::Status ExpectDirectoryOf(const std::string& file) {
  if (file.empty()) return absl::OkStatus();
  std::error_code error;
  const fs::path parent = fs::absolute(file, error).parent_path();
  if (fs::is_directory(parent, error)) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}: there is no such directory", parent.string()));
}

absl::Status Finish(const RestoreConfig& config) {
  const int targets = int{!config.rdb.empty()} + int{!config.data_dir.empty()} +
                      int{!config.commands.empty()} + int{!config.to.empty()};
  if (targets != 1) {
    return absl::InvalidArgumentError("expected one of the options rdb, data-dir, commands and to");
  }
  RETURN_IF_ERROR(ExpectDirectoryOf(config.rdb));
  return ExpectDirectoryOf(config.commands);
}

absl::StatusOr<std::string> FileIn(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) fs::permissions(directory, fs::perms::owner_all, error);
  if (error) return absl::UnavailableError(fmt::format("{}: {}", directory, error.message()));
  if (!fs::is_empty(directory, error)) {
    return absl::AlreadyExistsError(fmt::format("{} is not empty", directory));
  }
  return directory + "/dump.rdb";
}

absl::Status WrongTarget(const LogTool& tool, std::string_view kind, std::string_view expected) {
  return absl::InvalidArgumentError(
      fmt::format("the log {} is of a {}: expected {}", tool.log().name(), kind, expected));
}

absl::StatusOr<redis::RestoreOptions> RedisOptions(const RestoreConfig& config,
                                                   std::string work_dir) {
  redis::RestoreOptions options;
  options.work_dir = std::move(work_dir);
  options.at = config.at;
  options.verify = config.verify;
  options.file = config.rdb;
  if (!config.data_dir.empty()) {
    ASSIGN_OR_RETURN(options.file, FileIn(config.data_dir));
  }
  if (config.to.empty()) return options;
  ASSIGN_OR_RETURN(options.to, ParseEngineAddress(config.to));
  if (config.to_password_file.empty()) return options;
  ASSIGN_OR_RETURN(options.to->password, ReadPasswordFile(config.to_password_file));
  return options;
}

absl::StatusOr<std::unique_ptr<RestoreMaker>> MakerFor(CacheKind kind, LogTool* tool,
                                                       const RestoreConfig& config) {
  if (kind == CacheKind::kRedis) {
    if (!config.commands.empty()) {
      return WrongTarget(*tool, Name(kind), "one of the options rdb, data-dir and to");
    }
    ASSIGN_OR_RETURN(redis::RestoreOptions options, RedisOptions(config, tool->directory()));
    return std::make_unique<redis::Restorer>(tool->host(), tool->log(), std::move(options),
                                             &SystemClock());
  }
  if (config.commands.empty() && config.to.empty()) {
    return WrongTarget(*tool, Name(kind), "one of the options commands and to");
  }
  memcache::ViewRestoreOptions options{
      .work_dir = tool->directory(), .at = config.at, .file = config.commands};
  if (!config.to.empty()) {
    ASSIGN_OR_RETURN(options.to, ParseEngineAddress(config.to));
  }
  return std::make_unique<memcache::ViewRestorer>(tool->host(), tool->log(), std::move(options),
                                                  &SystemClock());
}

std::string Target(const RestoreConfig& config) {
  for (const std::string* target : {&config.to, &config.rdb, &config.commands}) {
    if (!target->empty()) return *target;
  }
  return config.data_dir;
}

std::string ToText(const RestoreConfig& config, const RestoreResult& result) {
  std::string text = fmt::format("{} as of record {}: {}\n  in    {}", config.tool.log, result.seq,
                                 result.contents, Target(config));
  text += fmt::format("\n  from  {}, {} records behind it; took {:.1f} s",
                      result.loaded_seq ? fmt::format("the snapshot as of {}", result.loaded_seq)
                                        : "the log's first record",
                      result.seq.value() - result.loaded_seq.value(),
                      static_cast<double>(result.took_us) / kMicrosPerSecond);
  if (result.seq == result.asked_seq) return text;
  return text + fmt::format("\n  record {} ends within a unit that counts only as a whole",
                            result.asked_seq);
}

Json ToJson(const RestoreConfig& config, const RestoreResult& result) {
  Json databases = Json::array();
  for (const SnapshotDatabase& database : result.databases) {
    databases.push_back({{"number", database.number}, {"keys", database.keys}});
  }
  return {{"log", config.tool.log},
          {"seq", result.seq.value()},
          {"asked_seq", result.asked_seq.value()},
          {"loaded_seq", result.loaded_seq.value()},
          {"databases", databases},
          {"digest", result.digest},
          {"target", Target(config)},
          {"file_bytes", result.file_bytes},
          {"took_ms", result.took_us / kMicrosPerMilli}};
}

asio::awaitable<absl::Status> Restore(LogTool* tool, const RestoreConfig& config) {
  const absl::StatusOr<CacheKind> kind = co_await tool->Kind();
  if (!kind.ok()) co_return kind.status();
  const absl::StatusOr<std::unique_ptr<RestoreMaker>> maker = MakerFor(*kind, tool, config);
  if (!maker.ok()) co_return maker.status();
  tool->OnStop([&maker] { (*maker)->Cancel(); });
  const absl::StatusOr<RestoreResult> result = co_await (*maker)->Run();
  tool->OnStop(nullptr);
  if (!result.ok()) co_return result.status();
  tool->Print(ToText(config, *result), ToJson(config, *result));
  co_return absl::OkStatus();
}

}  // namespace

int RunRestoreCommand(const std::vector<std::string>& argv) {
  RestoreConfig config;
  OptionTable table(
      {.name = "cairn-agent restore",
       .about = "cairn-agent restore: builds a cache as of any kept record or moment of its log.",
       .environment = "CAIRN_RESTORE_",
       .version = CAIRN_VERSION,
       .footer =
           "Exit codes: 0 done; 1 not done; 2 wrong configuration; 130 stopped by a signal."});
  AddOptions(table, config);
  const auto finish = [&config] { return Finish(config); };
  return RunLogToolProcess(table, argv, config.tool, finish, [&config] {
    LogTool tool(config.tool);
    return tool.Run([&config](LogTool* running) { return Restore(running, config); });
  });
}

}  // namespace cairn::adapter
