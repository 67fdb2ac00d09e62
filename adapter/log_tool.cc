#include "adapter/log_tool.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "adapter/agent_options.h"
#include "adapter/snapshot_fetch.h"
#include "adapter/tool_process.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/process_log.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitConfig = 2;
constexpr int kExitSignal = 130;
// One tails the log, one moves a dump; the others read and describe.
constexpr size_t kBackgroundThreads = 4;
constexpr absl::Duration kOpenTimeout = absl::Seconds(15);

absl::StatusOr<std::string> MakePrivateDirectory(const std::string& wanted) {
  std::error_code error;
  const std::filesystem::path base = wanted.empty() ? std::filesystem::temp_directory_path(error)
                                                    : std::filesystem::absolute(wanted, error);
  std::string pattern = (base / "cairn-agent-XXXXXX").string();
  if (!error && mkdtemp(pattern.data()) != nullptr) return pattern;
  return absl::UnavailableError(
      fmt::format("{}: {}", pattern, error ? error.message() : std::strerror(errno)));
}

}  // namespace

void AddLogToolOptions(OptionTable& table, LogToolConfig& config) {
  table.Text("log", &config.log, CheckNotEmpty, "The cache's log. Required.");
  table.Text("endpoints", &config.endpoints, CheckNotEmpty,
             "host:port of some nodes of the cluster, with commas. Default: CAIRN_ENDPOINTS.");
  table.Text("store", &config.store, CheckNotEmpty,
             "file:///DIR or s3://BUCKET/PREFIX of the cache's snapshots.");
  table.Text("engine-cmd", &config.engine_cmd, CheckCommand,
             "Redis: command of the engine, as the cache's agents have it.");
  table.Text(
      "work-dir", &config.work_dir, CheckNotEmpty,
      "Where dumps, views and sockets of throw-away engines lie meanwhile. Default: TMPDIR.");
  table.Text("output", &config.output, OneOf({"text", "json"}),
             "Of results and progress. -o is the same.");
  table.Text("log-level", &config.log_level, OneOf({"trace", "debug", "info", "warn", "error"}),
             "Least severe lines that are logged, to stderr.");
}

int RunLogToolProcess(OptionTable& table, const std::vector<std::string>& argv,
                      const LogToolConfig& config, const std::function<absl::Status()>& finish,
                      const std::function<int()>& run) {
  const auto check = [&] {
    return config.log.empty()
               ? absl::InvalidArgumentError("option log is required: expected the cache's log")
               : finish();
  };
  return RunToolProcess(table, argv, check, [&](const OptionTable::Asked& asked) {
    if (!asked.check_config) return run();
    fmt::print("the configuration for the log {} is fine\n", config.log);
    return kExitOk;
  });
}

LogTool::LogTool(LogToolConfig config)
    : config_(std::move(config)),
      io_(1),
      background_(kBackgroundThreads),
      stopped_(io_.get_executor()) {}

LogTool::~LogTool() {
  if (directory_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

absl::Status LogTool::Prepare() {
  ASSIGN_OR_RETURN(engine_command_, SplitCommand(config_.engine_cmd));
  if (!config_.store.empty()) {
    ASSIGN_OR_RETURN(store_,
                     objects::OpenObjectStore(config_.store, [](const char* name) -> const char* {
                       return std::getenv(name);
                     }));
  }
  ASSIGN_OR_RETURN(client_, Client::Connect(ClusterOptions(config_.endpoints)));
  OpenLogOptions open;
  open.call.timeout = kOpenTimeout;
  open.create_if_missing = config_.create_log;
  open.settings.fenced = true;
  open.settings.trim_guard = std::string(kSnapshotName);
  ASSIGN_OR_RETURN(const Log log, client_->OpenLog(config_.log, open));
  log_ = std::make_unique<Log>(log);
  ASSIGN_OR_RETURN(directory_, MakePrivateDirectory(config_.work_dir));
  return absl::OkStatus();
}

int LogTool::Run(const Work& work) {
  CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  const bool json = config_.output == "json";
  SetUpProcessLog("cairn-agent", config_.log_level, config_.output);
  report_ = std::make_unique<ProgressReport>(ProgressReport::ForStderr(json), &SystemClock());
  status_ = Prepare();
  if (status_.ok()) {
    Spawn(io_.get_executor(), AwaitSignals());
    Spawn(io_.get_executor(), RunWork(work));
    io_.run();
  }
  report_->Clear();
  if (stopping_) return kExitSignal;
  if (status_.ok()) return kExitOk;
  spdlog::critical("{}", ToStd(status_.message()));
  return absl::IsInvalidArgument(status_) ? kExitConfig : kExitFailed;
}

asio::awaitable<void> LogTool::RunWork(Work work) {
  status_ = co_await work(this);
  io_.stop();
}

asio::awaitable<void> LogTool::AwaitSignals() {
  asio::signal_set signals(io_, SIGINT, SIGTERM);
  std::error_code error;
  co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return;
  Stop();
  co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (!error) _exit(kExitSignal);
}

void LogTool::Stop() {
  spdlog::warn("stopping");
  stopping_ = true;
  if (store_ != nullptr) store_->Stop();
  if (on_stop_) on_stop_();
  stopped_.Wake();
}

ReplayHost LogTool::host() {
  return {.executor = io_.get_executor(),
          .background = &background_,
          .store = store_.get(),
          .report = report_.get(),
          .engine_command = engine_command_};
}

asio::awaitable<absl::StatusOr<CacheKind>> LogTool::Kind() {
  auto look = [log = *log_] { return KindOfLog(log); };
  co_return co_await background_.Run(std::move(look));
}

asio::awaitable<void> LogTool::Pause(Millis at_most) {
  if (!stopping_) co_await stopped_.Wait(at_most);
}

void LogTool::Print(std::string_view text, const nlohmann::ordered_json& json) {
  report_->Clear();
  if (config_.output == "json") {
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{}\n", text);
  }
  std::fflush(stdout);
}

}  // namespace cairn::adapter
