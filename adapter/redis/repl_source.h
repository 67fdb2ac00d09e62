// ReplSource: the agent as a replica of its engine: the effects of all writes, as bytes.
//
//   engine ──PSYNC──► ReplSource ──Read──► stream_cutter ──► records ──► log
//          ◄─REPLCONF ACK──       ◄─Acknowledge── what the log has committed
//
// The consumer pulls: what it does not read stays in the socket and then in the engine, whose
// backlog and output limit are set up for that (engine_setup.h).
//
// Attach tells three ends apart. kContinued: the stream goes on right behind the asked place.
// kGap: the engine cannot go on there, since it has another history, has forgotten the bytes, or
// never had them: effects are lost for ever. An error: nothing is known, and one may try again.
//
// The engine is told of a committed offset within milliseconds, and again each second, so that it
// does not take the agent for dead while the log stands still.
//
// Threads: the engine thread (engine_socket.h). One coroutine attaches and reads; Acknowledge and
// Close may be called in between. Lifetime: Close, and let Read return, before destroying it.
// Errors: kUnavailable (the connection), kDeadlineExceeded (silence), kPermissionDenied,
// kFailedPrecondition (the engine refuses: it is a replica whose link is down, or loading),
// kInternal (not the protocol).
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"
#include "adapter/role_events.h"

namespace cairn::adapter::redis {

struct ReplSourceOptions {
  Millis handshake_patience{5'000};
  // The engine pings each 10 s if it has nothing to say; while it saves a dump, each second.
  Millis silence{30'000};
  // Whether an engine that was silent for so long is waited for as long again: a script keeps it
  // busy. Null: no.
  std::function<bool()> wait_on;
  // From PSYNC until a dump begins: the engine forks, or waits for a fork that is under way.
  Millis dump_patience{600'000};
  Millis ack_interval{1'000};
};

class ReplSource {
 public:
  // Read() returns so many bytes at most; fewer when no more are there.
  static constexpr size_t kReadBytes = size_t{64} << 10;

  enum class Attachment { kContinued, kGap };

  ReplSource(asio::any_io_executor executor, EngineAddress address, ReplSourceOptions options);
  ~ReplSource();
  ReplSource(const ReplSource&) = delete;
  ReplSource& operator=(const ReplSource&) = delete;

  // The stream from right behind `place`; the log has committed through `committed`, which may be
  // less when only the connection broke. After a gap the connection is closed.
  asio::awaitable<absl::StatusOr<Attachment>> Attach(StreamPlace place, StreamOffset committed);
  asio::awaitable<absl::StatusOr<Attachment>> Attach(StreamPlace place);

  // The engine's whole memory, then the stream from right behind the place that is returned. The
  // dump is read with ReadDump until that returns 0.
  asio::awaitable<absl::StatusOr<StreamPlace>> AttachWithDump();
  asio::awaitable<absl::StatusOr<size_t>> ReadDump(std::span<char> into);

  // The next bytes of the stream, at least one; valid until the next call.
  // Requires: attached, and the dump was read to its end.
  asio::awaitable<absl::StatusOr<std::string_view>> Read();

  // Everything through there is committed. Moves forward only.
  void Acknowledge(StreamOffset committed);

  // A Read under way returns kUnavailable.
  void Close();

  // Of the stream that is attached or was last; changed by the engine's "+CONTINUE <replid>".
  [[nodiscard]] const std::string& history() const { return history_; }
  // Behind the last byte that Read returned.
  [[nodiscard]] StreamOffset read_offset() const { return read_offset_; }

 private:
  struct Connection;
  // How many bytes of a dump there are, or what stands behind it.
  struct Dump {
    bool by_mark = false;
    uint64_t bytes_left = 0;
    std::string mark;
    std::string tail;  // The last bytes that were read and could be the mark's.
    bool done = false;
  };

  asio::awaitable<absl::Status> Handshake();
  asio::awaitable<absl::StatusOr<std::string>> Ask(std::string command, Millis patience);
  asio::awaitable<absl::StatusOr<std::string>> ReadLine(Millis patience);
  asio::awaitable<absl::Status> Send(std::string bytes);
  asio::awaitable<absl::Status> Fill(Millis patience);
  asio::awaitable<absl::Status> BeginDump();
  asio::awaitable<absl::StatusOr<size_t>> ReadSizedDump(std::span<char> into);
  asio::awaitable<absl::StatusOr<size_t>> ReadMarkedDump(std::span<char> into);
  void StartAcks(StreamOffset offset);
  static asio::awaitable<void> SendAcks(std::shared_ptr<Connection> connection, Millis interval);

  asio::any_io_executor executor_;
  const EngineAddress address_;
  const ReplSourceOptions options_;
  std::shared_ptr<Connection> connection_;
  std::string history_;
  StreamOffset read_offset_;
  std::optional<Dump> dump_;
};

}  // namespace cairn::adapter::redis
