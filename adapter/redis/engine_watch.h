// EngineWatch: keeps an eye on the engine, and keeps it alive if it is the agent's own child.
//
//   (start) ─► connect ─► prepare (engine_setup) ─► ready ─► INFO again and again ─► down ─┐
//      ▲                                                                                   │
//      └──────────────────────── pause, longer from time to time ◄─────────────────────────┘
//
// Down is: the process ended, the connection broke, or no answer came within the patience. An
// own child that hangs is killed, so that another can take its place; an attached engine is
// somebody else's. A changed run id is a down followed by a ready: the memory is another one
// although somebody always answered.
//
// An engine that runs a slow command or script answers nobody and is well; killing it would cost
// its memory and lose nothing of the slowness. So when the patience ends:
//   an error ("-BUSY", "-LOADING")     is an answer like others, from the fifth second of a script
//   on an own child whose main thread     is busy, and waited for; an engine that is stopped, that
//   hangs has used the processor meanwhile   in a lock or on a disk that does not answer, uses none
//   anything else                      is down
// Busy is believed for `busy_patience`, after which it counts as an endless loop. Of an attached
// engine nobody here knows what it does: it is down at the end of the patience, which costs the
// lease and its connections, but not the process.
// How long clients wait for it is the front's matter.
//
// Threads: the engine thread (engine_socket.h). Lifetime: after Stop() has returned nothing is
// called any more.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/engine_facts.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/engine_process.h"

namespace cairn::adapter::redis {

class EngineWatchOwner {
 public:
  virtual ~EngineWatchOwner() = default;
  // Before an engine counts as ready: set up what must be. An error: it counts as down.
  virtual asio::awaitable<absl::Status> PrepareEngine(EngineLink* link, EngineFacts facts) = 0;
  // It answers, with these facts. Told once until the next down.
  virtual void OnEngineReady(const EngineFacts& facts) = 0;
  // Told once after each ready, and once at the start if the engine does not come.
  virtual void OnEngineDown(const absl::Status& why) = 0;
};

struct EngineWatchOptions {
  Millis interval{200};           // Between two looks.
  Millis patience{10'000};        // For an answer.
  Millis busy_patience{300'000};  // For an answer of a child that computes.
  Millis start_patience{60'000};  // From the start of a child until it answers.
  Millis min_pause{100};
  Millis max_pause{5'000};
  // A start that has held that long makes the next pause short again.
  Millis sound_after{10'000};
};

class EngineWatch {
 public:
  // `process`: null in attach mode. Owner and process outlive this.
  EngineWatch(asio::any_io_executor executor, EngineAddress address, EngineProcess* process,
              EngineWatchOwner* owner, EngineWatchOptions options);
  EngineWatch(const EngineWatch&) = delete;
  EngineWatch& operator=(const EngineWatch&) = delete;

  void Start();
  // Ends watching; what becomes of the engine is the caller's matter.
  asio::awaitable<void> Stop();

  // For commands of the caller; connected while the engine is ready.
  [[nodiscard]] EngineLink* link() { return &link_; }
  // Of the last look.
  [[nodiscard]] const EngineFacts& facts() const { return facts_; }
  [[nodiscard]] bool ready() const { return ready_; }

 private:
  asio::awaitable<void> Run();
  asio::awaitable<absl::Status> ComeUp();
  asio::awaitable<absl::Status> ConnectToEngine();
  asio::awaitable<absl::Status> Watch();
  asio::awaitable<absl::StatusOr<RespValue>> Look();
  [[nodiscard]] uint64_t ChildTicks() const;
  asio::awaitable<void> GoDown(absl::Status why);

  asio::any_io_executor executor_;
  EngineProcess* const process_;
  EngineWatchOwner* const owner_;
  const EngineWatchOptions options_;
  EngineLink link_;
  EngineFacts facts_;
  bool ready_ = false;
  bool told_down_ = false;
  bool stopping_ = false;
  bool running_ = false;
  WakeUp wake_;
  WakeUp ended_;
};

}  // namespace cairn::adapter::redis
