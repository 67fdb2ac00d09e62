// StreamFeeder: makes a replica engine equal to the log: reads the log's records and gives them to
// the engine through the sink.
//
//   log ──Tailer──► RecordReader ──bytes──► ReplSink ──► engine
//              owner ◄──OnResynced, OnFed──┘
//
// An engine is given a memory only when the owner ordered so (Resync): one that stands exactly at
// the order's meeting keeps its own, any other gets the newest snapshot, or an empty memory. An
// engine that comes back to a stream in which it cannot go on, without an order, has lost its
// memory; the owner is told, and orders anew. While there is none to give (records were trimmed
// that no snapshot covers), the engine waits, unfed; it asks again each second or so, and the
// operator is told once.
//
// Nothing past the bound is fed: behind a grant come this agent's own records.
//
// Threads: the engine thread; reads wait on a thread of the Background. Lifetime: Stop(), and await
// it, before it is destroyed. Bounds: the sink's window, RecordReader's, the Tailer's buffer.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/background.h"
#include "adapter/redis/record_reader.h"
#include "adapter/redis/repl_sink.h"
#include "adapter/redis/stream_mark.h"
#include "adapter/role_events.h"
#include "base/ids.h"
#include "cairn/log.h"
#include "cairn/tailer.h"

namespace cairn::adapter::redis {

class StreamFeederOwner {
 public:
  virtual ~StreamFeederOwner() = default;
  // The engine has loaded what it was given; OnFed follows.
  virtual void OnResynced(Seq seq, StreamOffset offset) = 0;
  virtual void OnFed(const EngineFedEvent& fed) = 0;
  // The engine does not hold what it was fed any more.
  virtual void OnMemoryLost() = 0;
  // It cannot be fed any further. kFailedPrecondition: the log is of a newer engine. kOutOfRange:
  // records or data that it needs are only in a snapshot.
  virtual void OnFeedFailed(const absl::Status& why) = 0;
};

// A memory that equals the log through `seq`, for an engine of this version that begins anew.
// Errors are final as long as the operator does nothing, or pass.
using SnapshotSource =
    std::function<asio::awaitable<absl::StatusOr<SinkFull>>(EngineVersion reader)>;

// How far the records of the present stream have been read.
struct FeedProgress {
  Seq read;
  // The engine was or is being given the log through here; behind it, up to `read`, are at most
  // parts of a run.
  Seq applied;
  // The primary's stream there; empty: no record told of it.
  StreamPosition position;
  // Of the lease as of `applied`; nullopt: no record told of it.
  std::optional<Epoch> epoch;
};

class StreamFeeder : private ReplSinkOwner {
 public:
  struct Options {
    std::string sink_password;
    std::string lease_name = "primary";
    SnapshotSource snapshots;  // Null: an engine begins with the log's first record.
    // Without the right to read it waits for it; whoever heads the log says so.
    bool outlives_denials = false;
  };
  StreamFeeder(asio::any_io_executor executor, Background* background, Log log, Options options,
               StreamFeederOwner* owner);
  ~StreamFeeder() override;
  StreamFeeder(const StreamFeeder&) = delete;
  StreamFeeder& operator=(const StreamFeeder&) = delete;

  absl::Status Listen() { return sink_.Listen(); }
  // Before any Resync, and whenever the engine changed.
  void SetEngine(EngineVersion engine) { engine_ = std::move(engine); }

  // The engine is about to be told to follow; see ResyncOrder.
  void Resync(std::optional<Meeting> meeting);
  // See FeedOrder.
  void Bound(std::optional<Seq> through);
  // The engine does not follow any more.
  void Release();
  asio::awaitable<void> Stop();

  [[nodiscard]] ReplSink* sink() { return &sink_; }
  [[nodiscard]] const FeedProgress& progress() const { return progress_; }

 private:
  struct Ordered {
    std::optional<Meeting> meeting;
  };

  asio::awaitable<SinkDecision> Decide(StreamPlace asked) override;
  void OnStream(uint64_t stream, Seq seq) override;
  void OnFed(uint64_t stream, const EngineFedEvent& fed) override;
  void OnLink(bool up) override;

  asio::awaitable<void> Feed(uint64_t stream, Seq seq);
  asio::awaitable<absl::Status> FeedAll(uint64_t stream, Seq seq);
  asio::awaitable<absl::Status> FeedRecord(uint64_t stream, RecordReader* reader, Record record);
  asio::awaitable<absl::Status> FeedRun(uint64_t stream, FeedStep step);
  asio::awaitable<absl::Status> AwaitBound(uint64_t stream, Seq seq);
  [[nodiscard]] absl::Status CheckAdopted(const Record& record) const;
  void NoteProgress(const RecordReader& reader, const Record& record);
  void TellRefusal(const absl::Status& why);

  const asio::any_io_executor executor_;
  Background* const background_;
  Log log_;
  const Options options_;
  StreamFeederOwner* const owner_;
  EngineVersion engine_;
  ReplSink sink_;
  std::optional<Ordered> ordered_;  // Until the engine has loaded what it was given.
  std::optional<Seq> through_;
  std::shared_ptr<Tailer> tailer_;  // Of the present stream.
  size_t feeding_ = 0;
  bool stopping_ = false;
  FeedProgress progress_;
  Seq began_seq_;  // Of the present stream: the engine held the log through there.
  std::string told_refusal_;
  WakeUp bound_moved_;
};

}  // namespace cairn::adapter::redis
