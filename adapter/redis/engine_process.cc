#include "adapter/redis/engine_process.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "adapter/redis/engine_facts.h"
#include "adapter/redis/engine_link.h"
#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSocketName = "engine.sock";

// A dump that an engine wrote while it was fed, and that a kill left behind: the next engine would
// load it as its data.
void RemoveDumps(const std::string& directory) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".rdb") continue;
    std::error_code ignored;
    fs::remove(entry.path(), ignored);
  }
}

}  // namespace

EngineProcess::EngineProcess(asio::any_io_executor executor, EngineProcessOptions options)
    : executor_(std::move(executor)), options_(std::move(options)) {
  CHECK(!options_.command.empty());
  CHECK(fs::path(options_.directory).is_absolute());
}

EngineAddress EngineProcess::address() const {
  EngineAddress address;
  address.unix_path = fmt::format("{}/{}", options_.directory, kSocketName);
  return address;
}

ChildOptions EngineProcess::MakeChildOptions() const {
  ChildOptions child;
  child.argv = options_.command;
  const std::vector<std::pair<std::string, std::string>> settings = {
      {"--port", "0"},
      {"--unixsocket", address().unix_path},
      {"--unixsocketperm", "700"},
      {"--dir", options_.directory},
      {"--daemonize", "no"},
      {"--supervised", "no"},
      {"--appendonly", "no"},
      {"--logfile", options_.outlives_agent ? options_.directory + "/engine.log" : ""},
      // Last: before another option, an empty value would be read as that option's name.
      {"--save", ""},
  };
  for (const auto& [name, value] : settings) {
    child.argv.push_back(name);
    child.argv.push_back(value);
  }
  child.working_directory = options_.directory;
  child.outlives_agent = options_.outlives_agent;
  child.log_name = "engine";
  return child;
}

asio::awaitable<absl::Status> EngineProcess::Start(Millis timeout) {
  CHECK(!running());
  process_ = nullptr;
  absl::Status status = PrepareEngineDirectory(options_.directory, address());
  if (!status.ok()) co_return status;
  status = co_await TakeOver(timeout);
  if (!absl::IsNotFound(status)) co_return status;
  RemoveDumps(options_.directory);
  absl::StatusOr<std::unique_ptr<ChildProcess>> child =
      ChildProcess::Start(executor_, MakeChildOptions());
  if (!child.ok()) co_return child.status();
  process_ = *std::move(child);
  spdlog::info("engine started: process {}, socket {}", pid(), address().unix_path);
  co_return absl::OkStatus();
}

// kNotFound: no engine is there.
asio::awaitable<absl::Status> EngineProcess::TakeOver(Millis timeout) {
  EngineLink link(executor_, address());
  const absl::Status connected = co_await link.Connect(timeout);
  if (!connected.ok()) co_return absl::NotFoundError(connected.message());
  const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link, timeout);
  if (!facts.ok()) {
    co_return absl::FailedPreconditionError(
        fmt::format("something on {} accepts connections and does not answer as an engine: {}",
                    address().unix_path, ToStd(facts.status().message())));
  }
  absl::StatusOr<std::unique_ptr<ChildProcess>> process =
      ChildProcess::Find(executor_, static_cast<pid_t>(facts->pid));
  if (!process.ok()) co_return process.status();
  // The number was the engine's if the engine still answers under the same run id.
  const absl::StatusOr<EngineFacts> again = co_await ObserveEngine(&link, timeout);
  if (!again.ok()) co_return again.status();
  if (again->run_id != facts->run_id) co_return absl::UnavailableError("the engine was restarted");
  process_ = *std::move(process);
  spdlog::info("engine found: process {}, socket {}", pid(), address().unix_path);
  co_return absl::OkStatus();
}

asio::awaitable<void> EngineProcess::Stop(Millis patience) {
  if (!running()) co_return;
  {
    EngineLink link(executor_, address());
    const absl::Status connected = co_await link.Connect(patience);
    // An engine that obeys does not answer: it closes the connection.
    std::vector<std::string> argv = Argv("SHUTDOWN", "NOSAVE");
    if (connected.ok()) (void)co_await link.Call(std::move(argv), patience);
  }
  const bool ended = co_await WaitForEnd(patience);
  if (!ended) co_await Terminate(patience);
}

}  // namespace cairn::adapter::redis
