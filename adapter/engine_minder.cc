#include "adapter/engine_minder.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter {
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

EngineMinder::EngineMinder(asio::any_io_executor executor, EngineChild* child,
                           EngineMinderOptions options)
    : executor_(std::move(executor)),
      child_(child),
      options_(options),
      wake_(executor_),
      ended_(executor_) {}

void EngineMinder::Start() {
  CHECK(!running_);
  running_ = true;
  Spawn(executor_, Run());
}

asio::awaitable<void> EngineMinder::Stop() {
  stopping_ = true;
  while (running_) {
    Close();
    wake_.Wake();
    co_await ended_.Wait(options_.interval);
  }
}

asio::awaitable<void> EngineMinder::Run() {
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
  Close();
  running_ = false;
  ended_.Wake();
}

asio::awaitable<absl::Status> EngineMinder::ComeUp() {
  if (child_ != nullptr && !child_->running()) {
    absl::Status started = co_await child_->Start(options_.patience);
    if (!started.ok()) co_return started;
  }
  absl::Status status = co_await ConnectToEngine();
  if (!status.ok()) co_return status;
  const absl::StatusOr<std::string> life = co_await Identify(options_.patience);
  if (!life.ok()) co_return life.status();
  status = co_await Prepare();
  if (!status.ok()) co_return status;
  // Anew, since preparing may have changed what it says.
  const absl::StatusOr<std::string> now = co_await Identify(options_.patience);
  if (!now.ok()) co_return now.status();
  if (*now != *life) co_return absl::UnavailableError("the engine was restarted");
  if (stopping_) co_return absl::CancelledError("stopping");
  life_ = *life;
  ready_ = true;
  told_down_ = false;
  TellReady();
  co_return absl::OkStatus();
}

// A child needs a moment until it listens.
asio::awaitable<absl::Status> EngineMinder::ConnectToEngine() {
  const auto give_up = Monotonic::now() + options_.start_patience;
  while (true) {
    absl::Status status = co_await Connect(options_.patience);
    if (status.ok() || child_ == nullptr || stopping_) co_return status;
    if (!child_->running()) {
      co_return absl::UnavailableError(
          fmt::format("the engine ended at its start: {}", child_->ending()));
    }
    if (Monotonic::now() > give_up) {
      co_return absl::DeadlineExceededError(
          fmt::format("the engine does not listen: {}", ToStd(status.message())));
    }
    co_await wake_.Wait(Millis(10));
  }
}

asio::awaitable<absl::Status> EngineMinder::Watch() {
  while (!stopping_) {
    co_await wake_.Wait(options_.interval);
    if (child_ != nullptr && !child_->running()) {
      co_return absl::UnavailableError(fmt::format("the engine ended: {}", child_->ending()));
    }
    const absl::StatusOr<std::string> life = co_await Look(options_.patience, MakeIsBusy());
    if (!life.ok()) co_return life.status();
    if (!life->empty() && *life != life_) {
      co_return absl::UnavailableError("the engine was restarted behind the agent's back");
    }
  }
  co_return absl::CancelledError("stopping");
}

EngineMinder::IsBusy EngineMinder::MakeIsBusy() const {
  const auto give_up = Monotonic::now() + options_.busy_patience;
  const int64_t busy_ticks =
      std::max<int64_t>(options_.patience.count() * sysconf(_SC_CLK_TCK) / 1000 / kBusyShare, 1);
  return [this, give_up, busy_ticks, before = ChildTicks()]() mutable {
    const uint64_t now = ChildTicks();
    const bool busy = now >= before + static_cast<uint64_t>(busy_ticks);
    before = now;
    if (!busy || Monotonic::now() > give_up) return false;
    spdlog::warn("the engine computes and answers nobody");
    return true;
  };
}

uint64_t EngineMinder::ChildTicks() const {
  return child_ == nullptr ? 0 : MainThreadTicks(child_->pid());
}

asio::awaitable<void> EngineMinder::GoDown(absl::Status why) {
  ready_ = false;
  Close();
  spdlog::warn("engine at {} is down: {}", Where(), ToStd(why.message()));
  // Not if only the connection broke, or it could not be set up: its memory may be of use.
  if (absl::IsDeadlineExceeded(why) && child_ != nullptr && child_->running()) {
    child_->Kill();
    co_await child_->WaitForEnd(options_.patience);
  }
  if (!told_down_ && !stopping_) TellDown(why);
  told_down_ = true;
}

}  // namespace cairn::adapter
