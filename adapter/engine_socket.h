// EngineSocket: a connection to an engine over a unix socket or TCP, and the few things that every
// coroutine of the engine thread needs around one.
//
// The engine thread. One io_context, run by one thread, carries everything through which the agent
// talks to its own engine (engine_link, engine_watch, repl_source, repl_sink). None of these
// classes takes a lock; all of them are made, called and destroyed on that thread.
//
// Lifetime: a coroutine that was spawned owns what it uses (a shared state), so that an object may
// be destroyed while one is suspended; it then ends soon, without calling anybody.
// Errors: kUnavailable for what the network or the engine did, kDeadlineExceeded for silence.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn::adapter {

using EngineSocket = asio::generic::stream_protocol::socket;
using Millis = std::chrono::milliseconds;

// Where an engine listens, and as whom the agent logs in.
struct EngineAddress {
  std::string unix_path;  // Not empty: this, and no host.
  std::string host;       // An address in numbers, or a name, which is looked up to connect.
  uint16_t port = 0;
  std::string user;      // Empty: the default user.
  std::string password;  // Empty: none is asked for.

  // For messages: without the password.
  [[nodiscard]] std::string ToString() const;
};

// "unix:/path", "127.0.0.1:6379", "[::1]:6379" or "cache.example:6379".
absl::StatusOr<EngineAddress> ParseEngineAddress(std::string_view text);

// Makes the directory, for this user alone, in which an engine of the agent's own has its socket.
// Errors: kFailedPrecondition: it is somebody else's; kInvalidArgument: its path is too long for a
// socket; kUnavailable with the system's words.
absl::Status PrepareEngineDirectory(const std::string& directory, const EngineAddress& address);

// kUnavailable with the system's words.
absl::Status SocketStatus(const std::error_code& error, std::string_view what);

// Closes a socket when its time is up, whatever is under way on it then fails. Watches until it is
// destroyed, which must be before the socket is.
class SocketDeadline {
 public:
  // Each time when it is up, `wait_on` tells whether to wait that long again; null: no.
  SocketDeadline(EngineSocket* socket, Millis after, std::function<bool()> wait_on = nullptr);
  ~SocketDeadline();
  SocketDeadline(const SocketDeadline&) = delete;
  SocketDeadline& operator=(const SocketDeadline&) = delete;

  [[nodiscard]] bool expired() const { return state_->expired; }
  // `error` as a status: kDeadlineExceeded if it came from here.
  [[nodiscard]] absl::Status Judge(const std::error_code& error, std::string_view what) const;

 private:
  struct State {
    EngineSocket* socket;  // Null once the deadline is gone.
    bool expired = false;
  };
  void Arm();

  const Millis after_;
  const std::function<bool()> wait_on_;
  std::shared_ptr<State> state_;
  asio::steady_timer timer_;
};

// A name is looked up anew each time, on a thread of Asio's; its addresses are tried in turn, all
// within `timeout`. Requires: `socket` is not open, and lives until this is done.
asio::awaitable<absl::Status> ConnectEngine(EngineSocket* socket, EngineAddress address,
                                            Millis timeout);

// Runs a coroutine by itself, soon. An exception that leaves it (there is none but for lack of
// memory) leaves io_context::run().
void Spawn(const asio::any_io_executor& executor, asio::awaitable<void> coroutine);

// Wakes at most one coroutine that waits: a condition variable for one thread. A wake without a
// waiter is kept for the next wait.
class WakeUp {
 public:
  explicit WakeUp(const asio::any_io_executor& executor) : timer_(executor) {}

  void Wake();
  // Until a Wake, or that long.
  asio::awaitable<void> Wait(Millis at_most);

 private:
  asio::steady_timer timer_;
  bool woken_ = false;
};

}  // namespace cairn::adapter
