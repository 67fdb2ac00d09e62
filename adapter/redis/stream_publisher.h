// StreamPublisher: carries the effects of a primary engine into the log, for one epoch at a time.
//
//   engine ─► ReplSource ─► StreamCutter ─► RecordBuilder ─► LogPublisher ─► log
//          ◄───────────── acknowledged: what the log has committed ◄──────────┘
//
// A reign opens with an empty record that names the place it begins at: with its commit the place
// is in the log, and nothing of an older epoch can follow. Then every pause of the stream ends a
// record, so that gathering costs no time; where no client waits for the log (Options::gather) the
// stream is left alone for a moment behind each record, so that few large ones carry it.
//
// When only the engine's connection breaks, Again() goes on at the very byte; cutter and builder
// keep what is half done. When appending fails, it is over: the owner is told, once, and nothing is
// appended any more.
//
// What is committed is told by offsets of the engine's stream at which something whole ends. Units
// without effect (pings) behind it count as committed when nothing else waits.
//
// Threads: the engine thread. Lifetime: Stop(), and await it, before it is destroyed.
// Bounds: LogPublisher's buffer and RecordBuilder's; when both are full the engine is not read.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "adapter/engine_socket.h"
#include "adapter/log_publisher.h"
#include "adapter/redis/record_builder.h"
#include "adapter/redis/repl_source.h"
#include "adapter/redis/stream_cutter.h"
#include "adapter/redis/stream_mark.h"
#include "adapter/role_events.h"
#include "base/ids.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

class StreamPublisherOwner {
 public:
  virtual ~StreamPublisherOwner() = default;
  // The log holds everything through this offset; `seq` covers it.
  virtual void OnCommitted(StreamOffset offset, Seq seq) = 0;
  // While it was attached. After kConnection one may attach again.
  virtual void OnPublisherFailed(PublisherTrouble why, const absl::Status& status) = 0;
};

class StreamPublisher : private LogPublisherOwner {
 public:
  struct Options {
    EngineAddress address;
    EngineVersion engine;
    std::string lease_name = "primary";
    size_t buffer_bytes = size_t{64} << 20;
    // So long the engine's stream gathers between two looks at it. 0: not at all.
    Millis gather{0};
    // See ReplSourceOptions.
    std::function<bool()> wait_on;
  };
  // Where a reign begins: the engine's stream, and the database selected there.
  struct Beginning {
    Epoch epoch;
    StreamPlace from;
    uint32_t db = 0;
    // Data were adopted, as a snapshot as of there; see kAdoptedKey.
    std::optional<Seq> adopted;
  };

  StreamPublisher(asio::any_io_executor executor, Log log, Options options,
                  StreamPublisherOwner* owner);
  ~StreamPublisher() override;
  StreamPublisher(const StreamPublisher&) = delete;
  StreamPublisher& operator=(const StreamPublisher&) = delete;

  // Before Open, and whenever the engine changed.
  void SetEngine(EngineVersion engine) { options_.engine = std::move(engine); }

  // kContinued when the opening record has committed.
  asio::awaitable<Attachment> Open(Beginning beginning);
  // Requires: Open continued, and since then only the connection broke.
  asio::awaitable<Attachment> Again();
  // Closes everything and tells where it stopped.
  asio::awaitable<PublisherStoppedEvent> Stop();

  // The end of what is committed, and the log's last seq if nothing is under way.
  [[nodiscard]] StreamPlace committed() const { return {from_.history, committed_}; }
  [[nodiscard]] Seq committed_seq() const { return committed_seq_; }
  // Commands that have deleted everything, of this reign, as far as it was read.
  [[nodiscard]] uint64_t flushes() const { return cutter_ ? cutter_->flushes() : 0; }
  // Behind the last byte that came from the engine.
  [[nodiscard]] StreamOffset read_offset() const { return source_.read_offset(); }

 private:
  struct Handed {
    uint64_t ticket = 0;
    StreamOffset end;
    bool whole = false;  // Something whole ends with it.
  };

  void OnAppended(uint64_t ticket, Seq seq) override;
  void OnAppendFailed(PublisherTrouble why, const absl::Status& status) override;

  absl::Status Begin(const Beginning& beginning);
  asio::awaitable<Attachment> Connect(StreamPlace place, StreamOffset committed);
  asio::awaitable<void> Pump();
  asio::awaitable<absl::Status> ReadSome();
  asio::awaitable<void> Gather();
  asio::awaitable<bool> HandOn();
  absl::StatusOr<bool> Hand(const StreamRecord& record, std::optional<Seq> adopted = {});
  void Settle();

  const asio::any_io_executor executor_;
  const Log log_;
  Options options_;
  StreamPublisherOwner* const owner_;
  ReplSource source_;
  std::unique_ptr<LogPublisher> log_publisher_;
  std::optional<StreamCutter> cutter_;
  std::optional<RecordBuilder> builder_;
  std::deque<StreamRecord> ready_;  // Not handed on yet.
  std::deque<Handed> handed_;       // Not committed yet.

  StreamPlace from_;  // Empty: nothing was opened.
  StreamOffset appended_;
  StreamOffset committed_;
  Seq committed_seq_;
  bool stopping_ = false;
  bool failed_ = false;   // Nothing may be appended any more.
  bool running_ = false;  // One of the coroutines is under way.
  bool gathers_ = false;  // Nothing more was there to be read.
  WakeUp moved_;          // Something committed, or it is over.
};

}  // namespace cairn::adapter::redis
