// FickleLink: stands between the front and its engine, and loses their connections.
//
//   front ──TCP──► FickleLink ──unix socket──► engine
//
// Each connection gets a fate when it is made: after a random number of bytes in one direction,
// be they in the middle of a greeting, a command or a reply, it is reset, ended, or silent for a
// while and then reset. A few live on.
//
// Threads: all on the executor's (engine_fixture.h). Lifetime: Close() and a turn of the loop
// before destruction; what it holds lives until its coroutines have ended.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>

#include "adapter/engine_socket.h"
#include "base/random.h"

namespace cairn::adapter::redis {

class FickleLink {
 public:
  FickleLink(const asio::any_io_executor& executor, EngineAddress engine, uint64_t seed);
  ~FickleLink();
  FickleLink(const FickleLink&) = delete;
  FickleLink& operator=(const FickleLink&) = delete;

  // Where the front finds the engine.
  [[nodiscard]] EngineAddress address() const;
  // Calm: no connection breaks from now on, also none of those that are there.
  void SetCalm(bool calm);
  void Close();

  struct Counts {
    uint64_t made = 0;
    uint64_t reset = 0;
    uint64_t ended = 0;
    uint64_t stalled = 0;  // Before they were reset.
    uint64_t bytes = 0;    // Passed on.
  };
  [[nodiscard]] const Counts& counts() const;

 private:
  struct State;
  static asio::awaitable<void> Accept(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

}  // namespace cairn::adapter::redis
