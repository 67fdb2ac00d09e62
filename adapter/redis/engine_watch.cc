#include "adapter/redis/engine_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

using Monotonic = std::chrono::steady_clock;

}  // namespace

EngineWatch::EngineWatch(asio::any_io_executor executor, EngineAddress address,
                         EngineProcess* process, EngineWatchOwner* owner,
                         EngineWatchOptions options)
    : executor_(std::move(executor)),
      process_(process),
      owner_(owner),
      options_(options),
      link_(executor_, std::move(address)),
      wake_(executor_),
      ended_(executor_) {}

void EngineWatch::Start() {
  CHECK(!running_);
  running_ = true;
  Spawn(executor_, Run());
}

asio::awaitable<void> EngineWatch::Stop() {
  stopping_ = true;
  while (running_) {
    link_.Close();
    wake_.Wake();
    co_await ended_.Wait(options_.interval);
  }
}

asio::awaitable<void> EngineWatch::Run() {
  Millis pause = options_.min_pause;
  while (!stopping_) {
    const auto begun = Monotonic::now();
    absl::Status status = co_await ComeUp();
    if (status.ok()) status = co_await Watch();
    if (stopping_) break;
    co_await GoDown(status);
    const bool was_sound = Monotonic::now() - begun > options_.sound_after;
    pause = was_sound ? options_.min_pause : std::min(pause * 2, options_.max_pause);
    if (!stopping_) co_await wake_.Wait(pause);
  }
  link_.Close();
  running_ = false;
  ended_.Wake();
}

asio::awaitable<absl::Status> EngineWatch::ComeUp() {
  if (process_ != nullptr && !process_->running()) {
    absl::Status started = co_await process_->Start(options_.patience);
    if (!started.ok()) co_return started;
  }
  absl::Status status = co_await ConnectToEngine();
  if (!status.ok()) co_return status;
  absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, options_.patience);
  if (!facts.ok()) co_return facts.status();
  status = co_await owner_->PrepareEngine(&link_, *facts);
  if (!status.ok()) co_return status;
  // Anew, since preparing may have changed what it says.
  absl::StatusOr<EngineFacts> now = co_await ObserveEngine(&link_, options_.patience);
  if (!now.ok()) co_return now.status();
  if (now->run_id != facts->run_id) co_return absl::UnavailableError("the engine was restarted");
  if (stopping_) co_return absl::CancelledError("stopping");
  facts_ = *std::move(now);
  ready_ = true;
  told_down_ = false;
  owner_->OnEngineReady(facts_);
  co_return absl::OkStatus();
}

// A child needs a moment until it listens.
asio::awaitable<absl::Status> EngineWatch::ConnectToEngine() {
  const auto give_up = Monotonic::now() + options_.start_patience;
  while (true) {
    absl::Status status = co_await link_.Connect(options_.patience);
    if (status.ok() || process_ == nullptr || stopping_) co_return status;
    if (!process_->running()) {
      co_return absl::UnavailableError(
          fmt::format("the engine ended at its start: {}", process_->ending()));
    }
    if (Monotonic::now() > give_up) {
      co_return absl::DeadlineExceededError(
          fmt::format("the engine does not listen: {}", ToStd(status.message())));
    }
    co_await wake_.Wait(Millis(10));
  }
}

asio::awaitable<absl::Status> EngineWatch::Watch() {
  while (!stopping_) {
    co_await wake_.Wait(options_.interval);
    if (process_ != nullptr && !process_->running()) {
      co_return absl::UnavailableError(fmt::format("the engine ended: {}", process_->ending()));
    }
    std::vector<std::string> argv = Argv("INFO");
    const absl::StatusOr<RespValue> reply = co_await link_.Call(std::move(argv), options_.patience);
    if (!reply.ok()) co_return reply.status();
    // An error ("-BUSY", "-LOADING") is a sign of life, too.
    if (reply->error()) continue;
    absl::StatusOr<EngineFacts> facts = ParseEngineFacts(reply->text);
    if (!facts.ok()) co_return facts.status();
    if (facts->run_id != facts_.run_id) {
      co_return absl::UnavailableError("the engine was restarted behind the agent's back");
    }
    facts_ = *std::move(facts);
  }
  co_return absl::CancelledError("stopping");
}

asio::awaitable<void> EngineWatch::GoDown(absl::Status why) {
  ready_ = false;
  link_.Close();
  spdlog::warn("engine at {} is down: {}", link_.address().ToString(), ToStd(why.message()));
  // Not if only the connection broke, or it could not be set up: its memory may be of use.
  if (absl::IsDeadlineExceeded(why) && process_ != nullptr && process_->running()) {
    process_->Kill();
    co_await process_->WaitForEnd(options_.patience);
  }
  if (!told_down_ && !stopping_) owner_->OnEngineDown(why);
  told_down_ = true;
}

}  // namespace cairn::adapter::redis
