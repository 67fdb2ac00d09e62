// EngineMinder: keeps an eye on the engine, and keeps it alive if it is the agent's own child.
//
//   (start) ─► connect ─► prepare ─► ready ─► a look again and again ─► down ─┐
//      ▲                                                                           │
//      └──────────────────── pause, longer from time to time ◄─────────────────────┘
//
// Down is: the process ended, the connection broke, or no answer came within the patience. An
// own child that hangs is killed, so that another can take its place; an attached engine is
// somebody else's. A changed life is a down followed by a ready: the memory is another one
// although somebody always answered.
//
// An engine that runs a slow command or script answers nobody and is well; killing it would cost
// its memory and lose nothing of the slowness. So when the patience ends:
//   an error                           is an answer like others
//   on an own child whose main thread     is busy, and waited for; an engine that is stopped, that
//   hangs has used the processor meanwhile   in a lock or on a disk that does not answer, uses none
//   anything else                      is down
// Busy is believed for `busy_patience`, after which it counts as an endless loop. Of an attached
// engine nobody here knows what it does: it is down at the end of the patience, which costs the
// lease and its connections, but not the process.
// How long clients wait for it is the front's matter.
//
// What it is to connect, prepare and look is the engine's kind's matter: a derived class says so.
//
// Threads: the engine thread (engine_socket.h). Lifetime: Stop(), and await it, before it is
// destroyed; after that nothing is called any more.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_child.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter {

struct EngineMinderOptions {
  Millis interval{200};           // Between two looks.
  Millis patience{10'000};        // For an answer.
  Millis busy_patience{300'000};  // For an answer of a child that computes.
  Millis start_patience{60'000};  // From the start of a child until it answers.
  Millis min_pause{100};
  Millis max_pause{5'000};
  // A start that has held that long makes the next pause short again.
  Millis sound_after{10'000};
};

class EngineMinder {
 public:
  // `child`: null in attach mode; outlives this.
  EngineMinder(asio::any_io_executor executor, EngineChild* child, EngineMinderOptions options);
  virtual ~EngineMinder() = default;
  EngineMinder(const EngineMinder&) = delete;
  EngineMinder& operator=(const EngineMinder&) = delete;

  void Start();
  // Ends watching; what becomes of the engine is the caller's matter.
  asio::awaitable<void> Stop();

  [[nodiscard]] bool ready() const { return ready_; }

 protected:
  // True as long as the engine, silent for its patience, should be waited for.
  using IsBusy = std::function<bool()>;

  virtual asio::awaitable<absl::Status> Connect(Millis patience) = 0;
  virtual void Close() = 0;
  // Which life of the engine's memory this is; never empty.
  virtual asio::awaitable<absl::StatusOr<std::string>> Identify(Millis patience) = 0;
  // Before an engine counts as ready: set up what must be. An error: it counts as down.
  virtual asio::awaitable<absl::Status> Prepare() = 0;
  // The same as Identify while it is ready; empty: it lives, and says no more for now.
  virtual asio::awaitable<absl::StatusOr<std::string>> Look(Millis patience, IsBusy is_busy) = 0;
  // Told once until the next down.
  virtual void TellReady() = 0;
  // Told once after each ready, and once at the start if the engine does not come.
  virtual void TellDown(const absl::Status& why) = 0;
  // For messages.
  [[nodiscard]] virtual std::string Where() const = 0;

 private:
  asio::awaitable<void> Run();
  asio::awaitable<absl::Status> ComeUp();
  asio::awaitable<absl::Status> ConnectToEngine();
  asio::awaitable<absl::Status> Watch();
  [[nodiscard]] IsBusy MakeIsBusy() const;
  [[nodiscard]] uint64_t ChildTicks() const;
  asio::awaitable<void> GoDown(absl::Status why);

  asio::any_io_executor executor_;
  EngineChild* const child_;
  const EngineMinderOptions options_;
  std::string life_;
  bool ready_ = false;
  bool told_down_ = false;
  bool stopping_ = false;
  bool running_ = false;
  WakeUp wake_;
  WakeUp ended_;
};

}  // namespace cairn::adapter
