// ReplSink: the agent as the primary of its engine: it gives the engine a dump, then the records
// of the log as a replication stream.
//
//   feeder ──Push──► SinkStream ──► engine (REPLICAOF 127.0.0.1 <port>)
//            owner ◄── OnFed ── REPLCONF ACK ◄──┘
//
// It listens on the loopback only, and takes a connection for the engine's when that has given the
// random password and asks to be fed (PSYNC). The newest such connection wins: an engine that comes
// back may do so before its old connection is seen to be dead. Strangers get no further than AUTH.
//
// Who asks to go on where this sink's stream still has the bytes goes on (+CONTINUE), without
// anybody being asked. If they are gone, but the place is the end of a known record, a new stream
// begins there. Whoever stands elsewhere is the owner's to judge (Decide): it goes on in a new
// stream that begins there, or it gets a dump. Each stream has a number: a Push for an older one is
// refused, so that a feeder that was overtaken harms nothing.
//
// An engine acknowledges by itself only once a second. So the sink asks (REPLCONF GETACK) whenever
// it has sent all there is and something is not acknowledged; one such question is under way at
// most.
//
// Threads: the engine thread (engine_socket.h). Lifetime: the owner outlives this; after Close()
// it is not called any more, but for a Decide that is under way, whose end nobody waits for.
// Bounds: SinkStream's; strangers are kMaxConnections, each for handshake_patience.
// Errors: of Push kAborted (the stream is over), of Freeze kFailedPrecondition, kDeadlineExceeded.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/rdb_source.h"
#include "adapter/redis/sink_stream.h"
#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

// The engine's memory, where it stands, equals the log through `seq`.
struct SinkContinue {
  Seq seq;
};
// Its memory is thrown away; the dump equals the log through `seq`.
struct SinkFull {
  std::unique_ptr<RdbSource> dump;
  Seq seq;
};
// Not now; the engine asks again within a second or so.
struct SinkRefuse {};
using SinkDecision = std::variant<SinkContinue, SinkFull, SinkRefuse>;

class ReplSinkOwner {
 public:
  virtual ~ReplSinkOwner() = default;
  // An engine stands at `asked` (the history may be "?": nowhere), which is not in the stream. May
  // take its time: the engine is kept patient.
  virtual asio::awaitable<SinkDecision> Decide(StreamPlace asked) = 0;
  // A new stream; records behind `seq` are to be pushed, and first a SELECT, since which database
  // the engine has selected is not known.
  virtual void OnStream(uint64_t stream, Seq seq) = 0;
  // Told when something new was fed or acknowledged, from when the engine has loaded the dump.
  virtual void OnFed(uint64_t stream, const EngineFedEvent& fed) = 0;
  // The engine is connected and being fed, or is no longer. The stream lives on.
  virtual void OnLink(bool up) = 0;
};

struct ReplSinkOptions {
  std::string password;
  // Not acknowledged and kept at most, but for one piece more.
  size_t window_bytes = size_t{32} << 20;
  Millis keepalive{1'000};
  // Between two questions for an acknowledgement at least.
  Millis ack_gap{2};
  // An engine that takes or says nothing for that long is cut off.
  Millis silence{60'000};
  Millis handshake_patience{10'000};
};

struct SinkState;  // sink_session.h

class ReplSink {
 public:
  ReplSink(asio::any_io_executor executor, ReplSinkOwner* owner, ReplSinkOptions options);
  ~ReplSink();
  ReplSink(const ReplSink&) = delete;
  ReplSink& operator=(const ReplSink&) = delete;

  // On 127.0.0.1; port 0: any free one.
  absl::Status Listen(uint16_t port = 0);
  [[nodiscard]] uint16_t port() const { return port_; }
  void Close();

  // Waits for room, then hands the bytes on; see SinkStream::Append. One at a time.
  asio::awaitable<absl::Status> Push(uint64_t stream, std::string bytes,
                                     std::optional<Seq> through);

  // Ends the stream and cuts the engine off, which asks anew by itself.
  void Reset();

  // For a promotion: takes no Push, and waits until the engine has acknowledged the last record,
  // which must end at `expected`. Returns the end of the stream: behind `expected` are only
  // keepalives. Holds until Thaw or Reset.
  asio::awaitable<absl::StatusOr<StreamPlace>> Freeze(StreamOffset expected, Millis timeout);
  void Thaw();

  [[nodiscard]] bool link_up() const;
  // What OnFed told last; nullopt before the dump is loaded.
  [[nodiscard]] std::optional<EngineFedEvent> fed() const;
  // Of the stream that is or was last fed; 0 before the first.
  [[nodiscard]] uint64_t stream() const;

 private:
  static asio::awaitable<void> AcceptAll(std::shared_ptr<SinkState> state);

  std::shared_ptr<SinkState> state_;
  uint16_t port_ = 0;
};

}  // namespace cairn::adapter::redis
