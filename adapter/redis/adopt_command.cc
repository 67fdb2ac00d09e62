#include "adapter/redis/adopt_command.h"

#include <fmt/format.h>
#include <signal.h>

#include <asio/signal_set.hpp>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "adapter/agent_options.h"
#include "adapter/log_tool.h"
#include "adapter/redis/agent_config.h"
#include "adapter/redis/live_adoption.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

using Json = nlohmann::ordered_json;

struct AdoptConfig {
  LogToolConfig tool;
  std::string from;
  std::string from_user;
  std::string from_password_file;
  std::string cut_over = "signal";
};

void AddOptions(OptionTable& table, AdoptConfig& config) {
  AddLogToolOptions(table, config.tool);
  table.Text("from", &config.from, CheckEngine,
             "HOST:PORT or unix:PATH of the live Redis. Required.");
  table.Text("from-user", &config.from_user, CheckNotEmpty,
             "As whom to log in there. Default: the default user.");
  table.Text("from-password-file", &config.from_password_file, CheckNotEmpty,
             "File with the password for it.");
  table.Text("cut-over", &config.cut_over, OneOf({"asap", "signal"}),
             "asap: as soon as little is left and an agent of the cache runs. signal: at SIGUSR1.");
}

absl::Status Finish(const AdoptConfig& config) {
  if (config.from.empty()) {
    return absl::InvalidArgumentError("option from is required: expected HOST:PORT or unix:PATH");
  }
  if (config.tool.store.empty()) {
    return absl::InvalidArgumentError("option store is required: expected file:///DIR or s3://…");
  }
  return absl::OkStatus();
}

absl::StatusOr<LiveAdoptionOptions> OptionsOf(const AdoptConfig& config, std::string directory) {
  LiveAdoptionOptions options;
  options.directory = std::move(directory);
  options.cut_over_asap = config.cut_over == "asap";
  ASSIGN_OR_RETURN(options.from, ParseEngineAddress(config.from));
  options.from.user = config.from_user;
  if (config.from_password_file.empty()) return options;
  ASSIGN_OR_RETURN(options.from.password, ReadPasswordFile(config.from_password_file));
  return options;
}

std::string ToText(const AdoptConfig& config, const LiveAdoptionResult& result) {
  return fmt::format(
      "{} is adopted by the cache {}, whose primary is the agent at {}\n"
      "  began with  {}\n"
      "  cut over    as of record {}; writes stopped for {} ms, and {} takes none any more",
      config.from, config.tool.log, result.primary, result.adopted.ToText(), result.seq,
      result.writes_stopped_us / kMicrosPerMilli, config.from);
}

Json ToJson(const AdoptConfig& config, const LiveAdoptionResult& result) {
  return {{"log", config.tool.log},
          {"from", config.from},
          {"primary", result.primary},
          {"seq", result.seq.value()},
          {"adopted_keys", result.adopted.keys()},
          {"writes_stopped_ms", result.writes_stopped_us / kMicrosPerMilli}};
}

asio::awaitable<absl::Status> Adopt(LogTool* tool, const AdoptConfig& config) {
  absl::StatusOr<LiveAdoptionOptions> options = OptionsOf(config, tool->directory());
  if (!options.ok()) co_return options.status();
  const ReplayHost host = tool->host();
  LiveAdoption adoption(host, tool->client(), tool->log(), *std::move(options), &SystemClock(),
                        [report = host.report](const LiveAdoptionLag& lag) {
                          report->Update(Phase::kLag, lag.bytes, 0);
                        });
  asio::signal_set asked(host.executor, SIGUSR1);
  asked.async_wait([&adoption](const std::error_code& error, int) {
    if (!error) adoption.RequestCutOver();
  });
  tool->OnStop([&adoption] { adoption.Cancel(); });
  const absl::StatusOr<LiveAdoptionResult> result = co_await adoption.Run();
  tool->OnStop(nullptr);
  if (!result.ok()) co_return result.status();
  tool->Print(ToText(config, *result), ToJson(config, *result));
  co_return absl::OkStatus();
}

}  // namespace

int RunAdoptCommand(const std::vector<std::string>& argv) {
  AdoptConfig config;
  config.tool.create_log = true;
  OptionTable table(
      {.name = "cairn-agent adopt",
       .about = "cairn-agent adopt: a live Redis becomes a cache; an agent takes its place.",
       .environment = "CAIRN_ADOPT_",
       .version = CAIRN_VERSION,
       .footer = "Exit codes: 0 cut over; 1 not done; 2 wrong configuration; 130 stopped by a "
                 "signal."});
  AddOptions(table, config);
  const auto finish = [&config] { return Finish(config); };
  return RunLogToolProcess(table, argv, config.tool, finish, [&config] {
    LogTool tool(config.tool);
    return tool.Run([&config](LogTool* running) { return Adopt(running, config); });
  });
}

}  // namespace cairn::adapter::redis
