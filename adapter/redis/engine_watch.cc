#include "adapter/redis/engine_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

using Monotonic = std::chrono::steady_clock;

// So much of the processor a thread must have used within the patience to count as busy: a
// hundredth of it. The rest may have gone to others on a crowded machine.
constexpr int64_t kBusyShare = 100;

// The processor time that a process' main thread has used, in clock ticks; 0 if it cannot be told.
uint64_t MainThreadTicks(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/task/{}/stat", pid, pid));
  std::string stat;
  std::getline(file, stat);
  // Its name may contain anything, and stands in parentheses. The state is field 3, utime and stime
  // are 14 and 15.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return user + system;
}

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
    const absl::StatusOr<RespValue> reply = co_await Look();
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

asio::awaitable<absl::StatusOr<RespValue>> EngineWatch::Look() {
  const auto give_up = Monotonic::now() + options_.busy_patience;
  const int64_t busy_ticks =
      std::max<int64_t>(options_.patience.count() * sysconf(_SC_CLK_TCK) / 1000 / kBusyShare, 1);
  auto is_busy = [this, give_up, busy_ticks, before = ChildTicks()]() mutable {
    const uint64_t now = ChildTicks();
    const bool busy = now >= before + static_cast<uint64_t>(busy_ticks);
    before = now;
    if (!busy || Monotonic::now() > give_up) return false;
    spdlog::warn("the engine computes and answers nobody");
    return true;
  };
  std::vector<std::string> argv = Argv("INFO");
  co_return co_await link_.Call(std::move(argv), options_.patience, std::move(is_busy));
}

uint64_t EngineWatch::ChildTicks() const {
  return process_ == nullptr ? 0 : MainThreadTicks(process_->pid());
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
