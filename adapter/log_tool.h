// LogTool: the process of `cairn-agent snapshot`, `restore` and `adopt`: one piece of work on the
// log of a cache, with throw-away engines, a store of snapshots, progress and an orderly end.
//
//   main() ──► options ──► LogTool::Run ──► the work, a coroutine of the engine thread
//                             └─ SIGINT, SIGTERM ─► OnStop hooks ─► the work ends with an error
//
// Output: the result on stdout, as text or one JSON object a line; progress and the log on stderr.
// Exit codes: 0 done; 1 could not be done; 2 the configuration is wrong; 130 stopped by a signal
// (a second one ends the process at once).
//
// Threads: Run makes its caller the engine thread. Lifetime: the work's coroutine, and what it made
// of this, ends before Run returns. Bounds: those of the work; the private directory below
// --work-dir is removed at the end.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/background.h"
#include "adapter/cache_kind.h"
#include "adapter/engine_socket.h"
#include "adapter/progress_report.h"
#include "adapter/replay_host.h"
#include "base/option_table.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter {

struct LogToolConfig {
  std::string log;
  std::string endpoints;  // Of the cluster; empty: CAIRN_ENDPOINTS.
  std::string store;
  std::string engine_cmd = "redis-server";
  std::string work_dir;  // Empty: the system's directory of temporary files.
  std::string output = "text";
  std::string log_level = "warn";
  bool create_log = false;
};
// The options of all tools.
void AddLogToolOptions(OptionTable& table, LogToolConfig& config);

// Parses, prints what was asked for, and runs `run` if that is what is left to do. `finish` checks
// what no single option can.
int RunLogToolProcess(OptionTable& table, const std::vector<std::string>& argv,
                      const LogToolConfig& config, const std::function<absl::Status()>& finish,
                      const std::function<int()>& run);

class LogTool {
 public:
  using Work = std::function<asio::awaitable<absl::Status>(LogTool* tool)>;

  explicit LogTool(LogToolConfig config);
  ~LogTool();
  LogTool(const LogTool&) = delete;
  LogTool& operator=(const LogTool&) = delete;

  // The process's exit code.
  int Run(const Work& work);

  // For the work.
  [[nodiscard]] ReplayHost host();
  [[nodiscard]] Client* client() { return client_.get(); }
  [[nodiscard]] const Log& log() const { return *log_; }
  // Of the log.
  asio::awaitable<absl::StatusOr<CacheKind>> Kind();
  // Private, and empty at first.
  [[nodiscard]] const std::string& directory() const { return directory_; }
  // Called at the first signal, on the engine thread; nullptr: nothing is to be called.
  void OnStop(std::function<void()> hook) { on_stop_ = std::move(hook); }
  [[nodiscard]] bool stopping() const { return stopping_; }
  // Waits, or until it is stopped.
  asio::awaitable<void> Pause(Millis at_most);
  // A result.
  void Print(std::string_view text, const nlohmann::ordered_json& json);

 private:
  absl::Status Prepare();
  asio::awaitable<void> RunWork(Work work);
  asio::awaitable<void> AwaitSignals();
  void Stop();

  const LogToolConfig config_;
  asio::io_context io_;
  Background background_;
  std::unique_ptr<ProgressReport> report_;
  std::vector<std::string> engine_command_;
  std::unique_ptr<objects::ObjectStore> store_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Log> log_;
  std::string directory_;
  std::function<void()> on_stop_;
  bool stopping_ = false;
  absl::Status status_;
  WakeUp stopped_;
};

}  // namespace cairn::adapter
