#include "adapter/redis/borrowed_engine.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "adapter/redis/engine_facts.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kCallPatience{10'000};

}  // namespace

BorrowedEngine::BorrowedEngine(asio::any_io_executor executor, EngineAddress address,
                               std::string sink_password)
    : link_(std::move(executor), std::move(address)), sink_password_(std::move(sink_password)) {}

asio::awaitable<absl::Status> BorrowedEngine::Start() {
  const absl::Status connected = co_await link_.Connect(kCallPatience);
  if (!connected.ok()) co_return connected;
  const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, kCallPatience);
  if (!facts.ok()) co_return facts.status();
  if (facts->has_data || !facts->primary) {
    co_return absl::FailedPreconditionError(
        fmt::format("the engine at {} {}: expected an empty one", link_.address().ToString(),
                    facts->primary ? "has data" : "follows another"));
  }
  absl::StatusOr<EngineVersion> version =
      EngineVersion::Parse(fmt::format("{}/{}", facts->kind, facts->version));
  if (!version.ok()) co_return version.status();
  version_ = *std::move(version);
  absl::StatusOr<std::string> former = co_await SetPassword(sink_password_);
  if (!former.ok()) co_return former.status();
  former_password_ = *std::move(former);
  set_up_ = true;
  co_return absl::OkStatus();
}

// Returns what it was before.
asio::awaitable<absl::StatusOr<std::string>> BorrowedEngine::SetPassword(std::string password) {
  std::vector<std::string> get = Argv("CONFIG", "GET", "masterauth");
  const absl::StatusOr<RespValue> former = co_await link_.CallOk(std::move(get), kCallPatience);
  if (!former.ok()) co_return former.status();
  std::vector<std::string> set = Argv("CONFIG", "SET", "masterauth", password);
  const absl::StatusOr<RespValue> done = co_await link_.CallOk(std::move(set), kCallPatience);
  if (!done.ok()) co_return done.status();
  co_return former->items.size() == 2 ? former->items[1].text : std::string();
}

asio::awaitable<void> BorrowedEngine::Stop() {
  if (std::exchange(set_up_, false)) {
    std::vector<std::string> lead = Argv("REPLICAOF", "NO", "ONE");
    const absl::StatusOr<RespValue> led = co_await link_.CallOk(std::move(lead), kCallPatience);
    const absl::StatusOr<std::string> restored = co_await SetPassword(former_password_);
    if (!led.ok() || !restored.ok()) {
      spdlog::error("the engine at {} may still follow this process: {}",
                    link_.address().ToString(), ToStd(led.status().message()));
    }
  }
  link_.Close();
}

}  // namespace cairn::adapter::redis
