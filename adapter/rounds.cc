#include "adapter/rounds.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "base/check.h"

namespace cairn::adapter {

Rounds::Rounds(asio::any_io_executor executor, absl::Duration interval, Round round)
    : executor_(std::move(executor)),
      interval_(interval),
      round_(std::move(round)),
      pause_(executor_) {}

Rounds::~Rounds() { CHECK(!running_); }

void Rounds::Start() {
  CHECK(!running_);
  running_ = true;
  asio::co_spawn(executor_, Run(), asio::detached);
}

asio::awaitable<void> Rounds::Run() {
  while (!stopping_) {
    co_await round_();
    if (stopping_) break;
    pause_.expires_after(absl::ToChronoMilliseconds(interval_));
    std::error_code cancelled;
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  running_ = false;
}

asio::awaitable<void> Rounds::Stop() {
  stopping_ = true;
  asio::steady_timer look(executor_);
  while (running_) {
    pause_.cancel();
    look.expires_after(std::chrono::milliseconds(2));
    co_await look.async_wait(asio::use_awaitable);
  }
}

}  // namespace cairn::adapter
