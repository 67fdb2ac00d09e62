// Rounds: the same look at the world again and again, with a pause between, until it is stopped.
//
//   Rounds rounds(executor, interval, [this] { return Look(); });
//
// Threads: the engine thread; a round that blocks runs that part in the Background. Lifetime:
// Stop() before it is destroyed, and before anything that a round uses goes.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <functional>

#include "absl/time/time.h"

namespace cairn::adapter {

class Rounds {
 public:
  using Round = std::function<asio::awaitable<void>()>;

  Rounds(asio::any_io_executor executor, absl::Duration interval, Round round);
  ~Rounds();
  Rounds(const Rounds&) = delete;
  Rounds& operator=(const Rounds&) = delete;

  // Once.
  void Start();
  // Waits for the round that is under way; no other begins.
  asio::awaitable<void> Stop();
  // What a round finds after that is nobody's business any more.
  [[nodiscard]] bool stopping() const { return stopping_; }

 private:
  asio::awaitable<void> Run();

  const asio::any_io_executor executor_;
  const absl::Duration interval_;
  const Round round_;
  asio::steady_timer pause_;
  bool running_ = false;
  bool stopping_ = false;
};

}  // namespace cairn::adapter
