// EngineLink: commands of the agent itself to its engine, and their replies.
//
//   setup, health, promotion ──Call──► one connection ──► engine
//
// Calls may overlap: they are sent at once, in their order, and answered in it. An engine's error
// ("-ERR …") is a reply like others; see RespValue::error() and CallOk().
//
// A call whose answer does not come in time ends the connection, and with it all calls under way,
// since what an engine that stopped answering will do with them is unknown. Connecting anew is the
// caller's decision. The connection speaks RESP2.
//
// Threads: the engine thread (engine_socket.h). Bounds: a reply has at most 16 MiB, unless the
// maker allows more. Errors: kUnavailable (not connected, connection lost), kDeadlineExceeded,
// kPermissionDenied (the engine does not accept the password). After the last two nothing is known
// of the call's effect.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/resp_value.h"

namespace cairn::adapter::redis {

// A command. In coroutines always like this: g++ 12 destroys the elements of a braced list there
// twice.
template <class... Words>
std::vector<std::string> Argv(const Words&... words) {
  std::vector<std::string> argv;
  argv.reserve(sizeof...(words));
  (argv.emplace_back(words), ...);
  return argv;
}

class EngineLink {
 public:
  EngineLink(asio::any_io_executor executor, EngineAddress address,
             size_t max_reply_bytes = RespBounds().max_bytes);
  ~EngineLink();
  EngineLink(const EngineLink&) = delete;
  EngineLink& operator=(const EngineLink&) = delete;

  // Drops a connection that there is, makes a new one and logs in.
  asio::awaitable<absl::Status> Connect(Millis timeout);
  // Ends the calls under way with kUnavailable.
  void Close();
  [[nodiscard]] bool connected() const;

  asio::awaitable<absl::StatusOr<RespValue>> Call(std::vector<std::string> argv, Millis timeout);
  // Each time when `timeout` has passed, `wait_on` tells whether to wait that long again.
  asio::awaitable<absl::StatusOr<RespValue>> Call(std::vector<std::string> argv, Millis timeout,
                                                  std::function<bool()> wait_on);
  // An error reply becomes kFailedPrecondition with the engine's words; kUnavailable if it is what
  // everybody gets while a script or a load keeps the engine busy (-BUSY, -LOADING).
  asio::awaitable<absl::StatusOr<RespValue>> CallOk(std::vector<std::string> argv, Millis timeout);
  // Many commands at once, of which only errors are told: the first one of the engine, as CallOk
  // does; the others have been executed all the same.
  struct Batch {
    std::string name;      // Of one of them, for messages.
    std::string commands;  // One behind the other (resp_encoder.h).
    size_t count = 0;
  };
  asio::awaitable<absl::Status> CallAll(Batch batch, Millis timeout);

  [[nodiscard]] const EngineAddress& address() const { return address_; }
  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }

 private:
  struct Connection;

  static asio::awaitable<void> ReadReplies(std::shared_ptr<Connection> connection);
  static asio::awaitable<void> WriteCommands(std::shared_ptr<Connection> connection);
  static asio::awaitable<absl::StatusOr<RespValue>> CallOn(std::shared_ptr<Connection> connection,
                                                           std::vector<std::string> argv,
                                                           Millis timeout,
                                                           std::function<bool()> wait_on);
  static asio::awaitable<absl::StatusOr<RespValue>> CallBatchOn(
      std::shared_ptr<Connection> connection, Batch batch, Millis timeout,
      std::function<bool()> wait_on);
  [[nodiscard]] absl::Status NotConnected() const;

  asio::any_io_executor executor_;
  EngineAddress address_;
  const size_t max_reply_bytes_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace cairn::adapter::redis
