#include "adapter/redis/scratch_engine.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "adapter/redis/engine_setup.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kStartPatience{60'000};
constexpr Millis kCallPatience{10'000};
constexpr Millis kStopPatience{2'000};
constexpr Millis kLook{20};
// SAVE answers when the whole memory is on the disk.
constexpr Millis kSavePatience{3'600'000};

EngineAddress AddressIn(const std::string& directory) {
  EngineAddress address;
  address.unix_path = directory + "/engine.sock";
  return address;
}

}  // namespace

ScratchEngine::ScratchEngine(asio::any_io_executor executor, Options options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      link_(executor_, AddressIn(options_.directory)) {}

asio::awaitable<absl::Status> ScratchEngine::Start() {
  std::vector<std::string> command = options_.command;
  command.emplace_back("--enable-debug-command");
  command.emplace_back("local");
  absl::Status started = co_await StartWith(std::move(command));
  if (!started.ok() && !process_->running() && !killed_) {
    started = co_await StartWith(options_.command);
  }
  if (!started.ok()) co_return started;
  absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, kCallPatience);
  if (!facts.ok()) co_return facts.status();
  absl::StatusOr<EngineVersion> version =
      EngineVersion::Parse(fmt::format("{}/{}", facts->kind, facts->version));
  if (!version.ok()) co_return version.status();
  version_ = *std::move(version);
  EngineSetupOptions setup;
  setup.lag_bytes = 0;
  setup.sink_password = options_.sink_password;
  setup.sync_durability = false;  // It takes no writes that could be evicted.
  const absl::StatusOr<EngineSetup> done =
      co_await SetUpEngine(&link_, *std::move(facts), std::move(setup), kCallPatience);
  co_return done.status();
}

asio::awaitable<absl::Status> ScratchEngine::StartWith(std::vector<std::string> command) {
  EngineProcessOptions options;
  options.command = std::move(command);
  options.directory = options_.directory;
  process_ = std::make_unique<EngineProcess>(executor_, std::move(options));
  absl::Status status = co_await process_->Start(kCallPatience);
  if (status.ok()) status = co_await AwaitAnswer();
  co_return status;
}

asio::awaitable<absl::Status> ScratchEngine::AwaitAnswer() {
  WakeUp pause(executor_);
  const auto give_up = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < give_up) {
    if (!process_->running()) {
      co_return absl::UnavailableError(
          fmt::format("the throw-away engine has ended: {}", process_->ending()));
    }
    const absl::Status connected = co_await link_.Connect(kCallPatience);
    if (connected.ok()) {
      const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, kCallPatience);
      if (facts.ok() && !facts->loading) co_return absl::OkStatus();
      if (!facts.ok()) co_return facts.status();
    }
    co_await pause.Wait(kLook);
  }
  co_return absl::DeadlineExceededError("the throw-away engine does not answer");
}

asio::awaitable<void> ScratchEngine::Stop() {
  link_.Close();
  if (process_ != nullptr) {
    process_->Kill();  // Nothing that it holds is of use any more.
    co_await process_->WaitForEnd(kStopPatience);
  }
  std::error_code ignored;
  std::filesystem::remove_all(options_.directory, ignored);
}

void ScratchEngine::Kill() {
  killed_ = true;
  if (process_ != nullptr) process_->Kill();
  link_.Close();
}

asio::awaitable<absl::StatusOr<std::string>> ScratchEngine::Save() {
  std::vector<std::string> ask = Argv("CONFIG", "GET", "dbfilename");
  const absl::StatusOr<RespValue> name = co_await link_.CallOk(std::move(ask), kCallPatience);
  if (!name.ok()) co_return name.status();
  if (name->items.size() != 2) co_return absl::InternalError("CONFIG GET dbfilename: no name");
  std::vector<std::string> save = Argv("SAVE");
  const absl::StatusOr<RespValue> saved = co_await link_.CallOk(std::move(save), kSavePatience);
  if (!saved.ok()) co_return saved.status();
  co_return fmt::format("{}/{}", options_.directory, name->items[1].text);
}

}  // namespace cairn::adapter::redis
