// ScratchEngine: an engine that is started for one piece of work and thrown away: it replays a log
// for a snapshot, rehearses a dump, or builds what is restored.
//
//   directory/engine.sock ◄── EngineLink          no port, no persistence; ends with its process
//
// It is started by the operator's engine command, so that it has the cache's own settings (such as
// the number of databases), and with DEBUG allowed on its private socket, which engines since 7.0
// have to be told at their start; those before neither know the option nor need it.
//
// Threads: the engine thread (engine_socket.h). Lifetime: Stop() before it is destroyed, or it is
// killed with this process. Errors: kUnavailable when it does not come up, saying how it ended.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/engine_facts.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/engine_process.h"
#include "adapter/redis/stream_mark.h"
#include "adapter/redis/work_engine.h"

namespace cairn::adapter::redis {

class ScratchEngine : public WorkEngine {
 public:
  struct Options {
    std::vector<std::string> command = {"redis-server"};
    std::string directory;  // Made; an absolute path, short enough for a socket's name.
    std::string sink_password;
  };
  ScratchEngine(asio::any_io_executor executor, Options options);
  ScratchEngine(const ScratchEngine&) = delete;
  ScratchEngine& operator=(const ScratchEngine&) = delete;

  // Starts it, waits until it answers, and sets it up to follow a sink.
  asio::awaitable<absl::Status> Start() override;
  // Ends it and removes its directory.
  asio::awaitable<void> Stop() override;
  void Kill() override;

  // The memory as a file of the directory, whose path is returned.
  asio::awaitable<absl::StatusOr<std::string>> Save();

  [[nodiscard]] EngineLink* link() override { return &link_; }
  [[nodiscard]] const EngineVersion& version() const override { return version_; }
  [[nodiscard]] const std::string& sink_password() const override { return options_.sink_password; }

 private:
  asio::awaitable<absl::Status> StartWith(std::vector<std::string> command);
  asio::awaitable<absl::Status> AwaitAnswer();

  const asio::any_io_executor executor_;
  const Options options_;
  std::unique_ptr<EngineProcess> process_;
  EngineLink link_;
  EngineVersion version_;
  bool killed_ = false;
};

}  // namespace cairn::adapter::redis
