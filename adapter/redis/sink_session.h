// SinkSession: one connection to the sink, from a stranger's first byte to the engine's last
// acknowledgement; and SinkState, which the sink shares with its sessions. Only for repl_sink.
//
//   Run: log in ─► PSYNC ─► decide ─► dump ─► Feed (writes)     Listen (reads): ACK, until the end
//
// Threads: the engine thread (engine_socket.h). A session lives as long as one of its coroutines.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/repl_sink.h"
#include "adapter/redis/request_parser.h"
#include "adapter/redis/sink_stream.h"

namespace cairn::adapter::redis {

class SinkSession;

struct SinkState {
  SinkState(asio::any_io_executor the_executor, ReplSinkOwner* the_owner,
            ReplSinkOptions the_options);

  // A new stream, in which an engine that is at `offset` holds the log through `seq`.
  void BeginStream(StreamOffset offset, Seq seq);
  // The stream may have moved.
  void TellFed();

  const asio::any_io_executor executor;
  ReplSinkOwner* const owner;
  const ReplSinkOptions options;
  asio::ip::tcp::acceptor acceptor;
  SinkStream stream;
  uint64_t stream_number = 0;
  std::optional<EngineFedEvent> told;
  std::shared_ptr<SinkSession> current;  // The engine's.
  size_t connections = 0;
  bool closed = false;
  bool frozen = false;
  WakeUp room;   // For the one that pushes.
  WakeUp acked;  // For the one that freezes.
};

class SinkSession : public std::enable_shared_from_this<SinkSession> {
 public:
  SinkSession(std::shared_ptr<SinkState> state, asio::ip::tcp::socket socket);
  ~SinkSession();
  SinkSession(const SinkSession&) = delete;
  SinkSession& operator=(const SinkSession&) = delete;

  static void Start(const std::shared_ptr<SinkSession>& session);
  void Close();
  // There may be something to send.
  void WakeWriter() { work_.Wake(); }
  // Asks for an acknowledgement behind all that is in the stream, unless one is asked for.
  void AskForAck();
  [[nodiscard]] bool feeding() const { return feeding_; }

 private:
  static asio::awaitable<void> Run(std::shared_ptr<SinkSession> self);
  static asio::awaitable<void> Listen(std::shared_ptr<SinkSession> self);
  static asio::awaitable<void> RunDecide(std::shared_ptr<SinkSession> self, StreamPlace asked);

  asio::awaitable<std::optional<StreamPlace>> LogIn();
  std::optional<StreamPlace> TakeHandshake(std::span<const std::string_view> argv,
                                           std::string* reply);
  void Authenticate(std::span<const std::string_view> argv, std::string* reply);
  // Nullopt: the connection broke. False: it was cut, since it sent something that is none.
  asio::awaitable<bool> ReadRequest(Millis patience);
  asio::awaitable<bool> Write(std::string bytes);

  asio::awaitable<bool> Answer(StreamPlace asked);
  asio::awaitable<bool> AwaitDecision(StreamPlace asked);
  asio::awaitable<bool> SendDump(RdbSource* dump);
  asio::awaitable<void> Feed();
  asio::awaitable<bool> SendSome();
  asio::awaitable<void> WaitForWork();
  void TakeRequest(std::span<const std::string_view> argv);

  const std::shared_ptr<SinkState> state_;
  EngineSocket socket_;
  RequestParser parser_;
  bool authenticated_ = false;
  bool closed_ = false;
  bool feeding_ = false;
  std::optional<SinkDecision> decision_;
  WakeUp decided_;
  WakeUp work_;
  // The end of the stream when an acknowledgement was asked for.
  std::optional<StreamOffset> asked_at_;
  std::chrono::steady_clock::time_point asked_time_;
  std::chrono::steady_clock::time_point said_time_;  // Something was sent last.
};

}  // namespace cairn::adapter::redis
