// Writer: carries changes through log and engine, for one reign at a time.
//
//   write-through  request ─► KeyOrder ─► [ask the engine] ─► Decide ─► log ─► engine ─► reply
//   write-behind   request ─► KeyOrder ─► [ask the engine] ─► Decide ─► engine ─► reply
//                                                                         └────► log
//   a read behind the client's own change, or of what the engine has not: KeyOrder ─► engine ─►
//   reply
//
// With Options::look_up an item that the engine lacks (evicted, or never filled) is brought back
// from the view before it is read or changed; what the engine has no room for is answered from the
// view all the same (held_items.h). That goes through the key's order, and the view must have
// folded everything that was committed before, and the log must have what the engine was told of
// the key (write-behind, keys_ahead.h): so what is brought back is never behind anybody.
//
// A log that takes no records (its disks are full) refuses changes before they begin, and says so:
// in write-through once the oldest that is under way has waited for Options::hold_timeout_us; in
// write-behind each that has waited so long for a place within the bounds.
//
// An engine that has no room for what was decided loses the key's older item, and is offered the
// new one once more. What it refuses then is in the log all the same: the client is told that it is
// done, and for the engine it is as if it had been evicted at once.
//
// It is the only one who changes the engine while its agent is the primary. In write-through the
// engine holds nothing that is not committed. In write-behind it is ahead of the log, by a bounded
// number of bytes and a bounded time: past either, nothing new is begun until the log has caught
// up. Since nobody waits for it there, effects gather for Options::gather_us, so that few large
// records carry them. What was begun and is not finished when the reign ends is told as unknown;
// what was not begun is given back, to be asked of the next primary.
//
// One connection carries everything to the engine, so the order of commands there is the order in
// which they were sent; effects are added to records in the order in which they are decided
// (write-through) or answered by the engine (write-behind). With key_order.h this makes one order
// of log, engine and replies for each key.
//
// Threads: Submit and pending_bytes from any thread, the rest from the engine thread.
// Lifetime: Stop(), and await it, before it is destroyed. Bounds: what Submit has taken
// (pending_bytes, which the front looks at before it submits) and LogPublisher's buffer.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "adapter/engine_socket.h"
#include "adapter/lease_guard.h"
#include "adapter/log_publisher.h"
#include "adapter/memcache/effects.h"
#include "adapter/memcache/engine_connection.h"
#include "adapter/memcache/held_items.h"
#include "adapter/memcache/key_order.h"
#include "adapter/memcache/keys_ahead.h"
#include "adapter/memcache/record_builder.h"
#include "adapter/memcache/write_request.h"
#include "adapter/role_events.h"
#include "base/clock.h"
#include "cairn/log.h"

namespace cairn::adapter::memcache {

enum class WriteMode : uint8_t { kThrough, kBehind };

class WriterOwner {
 public:
  virtual ~WriterOwner() = default;
  // The reign cannot go on: the log or the engine failed it. Once.
  virtual void OnWriterFailed(PublisherTrouble why, const absl::Status& status) = 0;
};

// What the view has of the keys, in their order. `at_least`: it must have folded the log through
// there.
using LookUpItems = std::function<asio::awaitable<absl::StatusOr<HeldItems>>(
    std::vector<std::string> keys, Seq at_least)>;

class Writer : private LogPublisherOwner, private ReplyReceiver {
 public:
  struct Options {
    WriteMode mode = WriteMode::kThrough;
    std::string lease_name = "primary";
    // Of the log behind the engine (write-behind), and of records under way.
    size_t lag_bytes = size_t{64} << 20;
    int64_t lag_us = 10 * kMicrosPerSecond;
    // Between two records that are not full (write-behind).
    int64_t gather_us = 5 * kMicrosPerMilli;
    // A change that is not committed by then is told as unknown (write-through).
    int64_t hold_timeout_us = 10 * kMicrosPerSecond;
    LookUpItems look_up;  // Null: what the engine lacks is not there.
  };
  struct Reign {
    Epoch epoch;
    StreamPlace from;
    EngineAddress engine;
    DecisionRules rules;
    bool numbered = false;  // The engine takes the flag E.
    std::shared_ptr<LeaseGuard> lease;
  };
  // How the engine stands to the log when a reign has ended.
  struct Standing {
    // It holds the log through there, but for `dirty`. nullopt: nobody knows what it holds.
    std::optional<Seq> seq;
    // Keys whose items were changed by what is not known to be committed.
    absl::flat_hash_set<std::string> dirty;
    // False: what the engine was told may still be on its way there, and would come behind what
    // the next one tells it. It must end before anything new counts, or answer on `undrained`.
    bool drained = true;
    std::unique_ptr<EngineConnection> undrained;  // Null: drained, or the connection broke.
  };

  Writer(asio::any_io_executor executor, Log log, Options options, const Clock* clock,
         DeliverReplies deliver, WriterOwner* owner);
  ~Writer() override;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // kContinued when the record that opens the reign has committed. Requires: stopped.
  asio::awaitable<Attachment> Open(Reign reign);
  // Ends the reign: answers or gives back everything, closes the connections. nullopt: there was
  // none.
  asio::awaitable<std::optional<Standing>> Stop();

  // Any thread. Without a reign it is given back at once.
  void Submit(std::vector<WriteRequest> requests) ABSL_LOCKS_EXCLUDED(inbox_mutex_);
  // Of requests that were submitted and not answered. Any thread.
  [[nodiscard]] size_t pending_bytes() const { return pending_bytes_.load(); }

  // The engine's clock, a few times a second. Without a reign: no effect.
  void SetClock(EngineClock clock);
  // While it pauses, nothing new is begun.
  void Pause(bool pause);
  // Nothing is begun and not finished, and everything is committed. Requires: it pauses.
  [[nodiscard]] bool drained() const;
  // Appends a flush that was asked for in advance. Requires: a reign.
  void FlushNow();
  // Looks for what has waited too long; a few times a second.
  void Tick();

  [[nodiscard]] bool reigns() const { return reign_.has_value() && opened_ && !stopping_; }
  [[nodiscard]] StreamPlace place() const;
  [[nodiscard]] Seq committed_seq() const { return committed_seq_; }
  // Took effect, or is about to, and is not committed.
  [[nodiscard]] size_t in_flight_bytes() const { return in_flight_bytes_; }
  [[nodiscard]] int64_t lag_us() const;
  // Of this life: changes that were refused since the log takes no records; items that the engine
  // had no room to take back.
  [[nodiscard]] uint64_t refused() const { return refused_; }
  [[nodiscard]] uint64_t refills_refused() const { return refills_refused_; }
  // Changes that are in the log, or will be, and that the engine had no room for.
  [[nodiscard]] uint64_t stores_refused() const { return stores_refused_; }

 private:
  using OpId = KeyOrder::OpId;
  enum class Stage : uint8_t { kQueued, kFilling, kAsking, kLogging, kStoring };
  struct Op {
    explicit Op(WriteRequest asked_in) : asked(std::move(asked_in)) {}
    WriteRequest asked;
    size_t bytes = 0;
    Stage stage = Stage::kQueued;
    bool internal = false;  // Nobody waits for a reply.
    bool answered = false;  // Told as unknown; it goes on all the same.
    bool filled = false;    // What the view has of it is in `held`, and was offered the engine.
    bool no_room = false;   // The engine has refused some of it.
    bool offered = false;   // The outcome: once more, the engine having refused it.
    HeldItems held;
    size_t fills_due = 0;  // Replies of the engine.
    bool is_read = false;  // Behind the client's own changes of the key.
    MonoMicros since_us = 0;
    std::optional<EngineItem> item;
    Decision decision;
    std::optional<uint64_t> item_cas;  // For the flag E.
    std::string reply;                 // Of the engine, as it comes in.
  };
  // An effect that is in a record, or waits to be.
  struct Logged {
    OpId op;
    StreamOffset end;
    size_t bytes;
    MonoMicros at_us;
    // Write-behind: whose items are ahead of the log, and whether all may be (a flush).
    std::vector<std::string> keys;
    bool all_keys = false;
  };
  struct Handed {
    uint64_t ticket;
    StreamOffset begin;
    StreamOffset end;
  };

  // writer.cc: life.
  asio::awaitable<absl::Status> Connect(const Reign& reign);
  void GiveBack(WriteRequest request);
  void Fail(PublisherTrouble why, const absl::Status& status);
  void EndOp(OpId id, std::string bytes);
  void Leave(OpId id);
  void EndOps();
  // Nothing is said to who wants no reply.
  void Answer(Op* op, std::string bytes);
  void Send(WriteReply reply);
  Standing Stand();
  void EndTurn();
  void ScheduleEndTurn();

  // writer_ops.cc: the way of one op.
  void TakeInbox() ABSL_LOCKS_EXCLUDED(inbox_mutex_);
  void Enter(WriteRequest request);
  void BeginReady();
  [[nodiscard]] bool MayBegin() const;
  void Begin(OpId id, Op* op);
  [[nodiscard]] bool MustFill(const Op& op, Facts facts) const;
  void BeginFill(OpId id, Op* op);
  asio::awaitable<void> Fill(OpId id, uint64_t reign);
  void Offer(OpId id, Op* op, HeldItems held);
  void OnFilled(OpId id, Op* op, const ReplyPiece& piece);
  void Ask(OpId id, Op* op, Facts facts);
  void Decided(OpId id, Op* op);
  void Log(OpId id, Op* op);
  void Store(OpId id, Op* op);
  void OnAsked(OpId id, Op* op);
  void OnStored(OpId id, Op* op);
  void StoreWhole(OpId id, Op* op);
  bool OfferOnceMore(OpId id, Op* op);
  void DropItems(const Op& op);
  void OnReply(uint64_t tag, const ReplyPiece& piece) override;
  void OnBroken(uint64_t tag) override;

  // writer_ops.cc: a log that takes nothing.
  [[nodiscard]] bool LogIsStuck() const;
  void Refuse(const WriteRequest& request);
  void RefuseLate(MonoMicros late_us);

  // writer.cc: records.
  [[nodiscard]] bool MayGather() const;
  void CutRecord();
  void HandRecords();
  void OnAppended(uint64_t ticket, Seq seq) override;
  void OnAppendFailed(PublisherTrouble why, const absl::Status& status) override;
  void NoteCommitted(const Handed& record, Seq seq);

  const asio::any_io_executor executor_;
  const cairn::Log log_;
  const Options options_;
  const Clock* const clock_;
  const DeliverReplies deliver_;
  WriterOwner* const owner_;
  // What comes from other threads is for a living writer.
  std::shared_ptr<Writer*> self_;

  std::atomic<size_t> pending_bytes_{0};
  absl::Mutex inbox_mutex_;
  std::vector<WriteRequest> inbox_ ABSL_GUARDED_BY(inbox_mutex_);
  bool inbox_posted_ ABSL_GUARDED_BY(inbox_mutex_) = false;

  std::optional<Reign> reign_;
  uint64_t reigns_ = 0;    // Counts them.
  bool opened_ = false;    // The record that opens the reign has committed.
  bool stopping_ = false;  // Nothing is begun any more.
  bool failed_ = false;
  bool paused_ = false;
  bool turn_ends_ = false;
  std::unique_ptr<EngineConnection> engine_;
  std::unique_ptr<LogPublisher> publisher_;
  std::optional<RecordBuilder> builder_;
  KeyOrder order_;
  OpId next_op_ = 1;
  absl::flat_hash_map<OpId, std::unique_ptr<Op>> ops_;
  std::deque<OpId> ready_;  // May begin.
  size_t begun_ = 0;        // Ops that have begun.

  std::deque<EffectRecord> records_;  // Not handed on yet.
  std::deque<Handed> handed_;         // Not committed yet.
  std::deque<Logged> logged_;         // Not committed yet.
  KeysAhead ahead_;                   // Write-behind, with look_up.
  size_t in_flight_bytes_ = 0;
  StreamOffset committed_;
  Seq committed_seq_;
  asio::steady_timer gather_;  // Until the next record is cut.
  MonoMicros cut_at_us_ = 0;   // When the last one was.
  bool gathers_ = false;
  uint64_t refused_ = 0;
  uint64_t refills_refused_ = 0;
  uint64_t stores_refused_ = 0;

  std::vector<std::vector<WriteReply>> replies_;  // Of this turn, by thread.
  WakeUp moved_;
};

}  // namespace cairn::adapter::memcache
