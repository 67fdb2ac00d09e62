#include "adapter/memcache/engine_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kSocketName = "engine.sock";

}  // namespace

EngineProcess::EngineProcess(asio::any_io_executor executor, EngineProcessOptions options)
    : executor_(std::move(executor)), options_(std::move(options)) {
  CHECK(!options_.command.empty());
  CHECK(std::filesystem::path(options_.directory).is_absolute());
}

EngineAddress EngineProcess::address() const {
  EngineAddress address;
  address.unix_path = fmt::format("{}/{}", options_.directory, kSocketName);
  return address;
}

ChildOptions EngineProcess::MakeChildOptions() const {
  ChildOptions child;
  child.argv = options_.command;
  for (const std::string& word : {std::string("-s"), address().unix_path, std::string("-a"),
                                  std::string("0700"), std::string("-B"), std::string("ascii")}) {
    child.argv.push_back(word);
  }
  // memcached wants to be told that it may run as root, as containers do.
  if (geteuid() == 0) {
    child.argv.emplace_back("-u");
    child.argv.emplace_back("root");
  }
  child.working_directory = options_.directory;
  child.log_name = "engine";
  return child;
}

asio::awaitable<absl::Status> EngineProcess::Start(Millis timeout) {
  CHECK(!running());
  process_ = nullptr;
  absl::Status status = PrepareEngineDirectory(options_.directory, address());
  if (!status.ok()) co_return status;
  EngineSocket probe(executor_);
  const absl::Status answers = co_await ConnectEngine(&probe, address(), timeout);
  if (answers.ok()) {
    co_return absl::FailedPreconditionError(
        fmt::format("an engine that this agent did not start listens at {}", address().ToString()));
  }
  absl::StatusOr<std::unique_ptr<ChildProcess>> child =
      ChildProcess::Start(executor_, MakeChildOptions());
  if (!child.ok()) co_return child.status();
  process_ = *std::move(child);
  spdlog::info("engine started: process {}, socket {}", pid(), address().unix_path);
  co_return absl::OkStatus();
}

bool EngineProcess::running() { return process_ != nullptr && !process_->ended(); }

std::string EngineProcess::ending() const { return process_ == nullptr ? "" : process_->ending(); }

void EngineProcess::Kill() {
  if (process_ != nullptr) process_->Signal(SIGKILL);
}

asio::awaitable<bool> EngineProcess::WaitForEnd(Millis at_most) {
  if (process_ == nullptr) co_return true;
  co_return co_await process_->WaitForEnd(at_most);
}

asio::awaitable<void> EngineProcess::Stop(Millis patience) {
  if (!running()) co_return;
  process_->Signal(SIGTERM);
  const bool ended = co_await WaitForEnd(patience);
  if (ended) co_return;
  Kill();
  // Nothing survives it but what hangs in the kernel.
  co_await WaitForEnd(patience);
}

}  // namespace cairn::adapter::memcache
