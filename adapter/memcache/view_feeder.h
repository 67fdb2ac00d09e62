// ViewFeeder: folds the cache's log into the view, always, and into the engine, while it follows.
//
//   log ──Tailer──► View::Apply ──► RecordReader ──► EngineFiller ──► engine
//                        owner ◄──OnResynced, OnFed──┘
//
// The engine is given what it lacks when the owner says so (Follow): everything, if nobody knows
// what it holds; else the items that were changed since, or that may differ. It is filled from the
// view, which is never behind what the engine is said to hold when it is filled, and then follows
// record by record. Nothing past the bound is fed: behind a grant come this agent's own effects,
// which the writer brings.
//
// A view begins where it stood when the process ended. A new one, and one that cannot go on (its
// next record was trimmed), begins from a snapshot if there is one. No engine is filled before the
// view has what the log had when the feeder began.
//
// Threads: the engine thread; reads and folding on a thread of the Background. Lifetime: Stop(),
// and await it, before it is destroyed. Bounds: one message of the tail, and the Tailer's buffer.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/background.h"
#include "adapter/engine_socket.h"
#include "adapter/memcache/engine_filler.h"
#include "adapter/memcache/view.h"
#include "adapter/progress_report.h"
#include "adapter/role_events.h"
#include "cairn/log.h"
#include "cairn/tailer.h"

namespace cairn::adapter::memcache {

class ViewFeederOwner {
 public:
  virtual ~ViewFeederOwner() = default;
  // The engine holds the log through there; OnFed follows.
  virtual void OnResynced(Seq seq) = 0;
  virtual void OnFed(Seq seq) = 0;
  // The engine could not be fed; it is released. It is not known what it holds.
  virtual void OnFillFailed(const absl::Status& why) = 0;
  // The view cannot go on. kFailedPrecondition: the log is of a newer agent; kOutOfRange: records
  // that it needs were trimmed, and no snapshot has them.
  virtual void OnViewFailed(const absl::Status& why) = 0;
};

// What an engine holds.
struct EngineHolds {
  std::optional<Seq> seq;  // The log through there, but for `dirty`; nullopt: nobody knows.
  absl::flat_hash_set<std::string> dirty;
};

class ViewFeeder {
 public:
  struct Options {
    std::string lease_name = "primary";
    // Fills a view that cannot go on from a snapshot; on a thread of the Background.
    // kNotFound: there is none that serves.
    std::function<absl::Status(View*)> restore;
    ProgressReport* report = nullptr;  // Null: nobody is told.
  };
  ViewFeeder(asio::any_io_executor executor, Background* background, Log log, View* view,
             Options options, ViewFeederOwner* owner);
  ~ViewFeeder();
  ViewFeeder(const ViewFeeder&) = delete;
  ViewFeeder& operator=(const ViewFeeder&) = delete;

  void Start();
  asio::awaitable<void> Stop();

  // Fills the engine and goes on feeding it, without a bound. Replaces an earlier Follow.
  // `numbered`: it takes the flag E.
  void Follow(EngineAddress engine, EngineHolds holds, bool numbered);
  // What an engine has not answered on this connection must not come behind what it will be fed:
  // Follow waits for it first.
  void AwaitDrained(std::unique_ptr<EngineConnection> connection) {
    filler_.AwaitDrained(std::move(connection));
  }
  // See FeedOrder.
  void Bound(std::optional<Seq> through) { through_ = through; }
  // Feeds the engine no more; what it holds then.
  EngineHolds Release();

  // Until the view has read the log through there; false: not within `patience`, which is the same
  // for all who wait. No thread waits with them.
  asio::awaitable<bool> AwaitViewSeq(Seq seq, Millis patience);

  // Of the view; and what the engine is known to hold, while it follows.
  [[nodiscard]] Seq view_seq() const { return view_seq_; }
  [[nodiscard]] Seq fed_seq() const { return fed_seq_; }
  [[nodiscard]] bool follows() const { return follows_; }

 private:
  // view_feeder.cc
  asio::awaitable<void> Run();
  asio::awaitable<absl::Status> Begin();
  asio::awaitable<absl::Status> Tail();
  asio::awaitable<void> SeeLogEnd();
  // The view has gone on, or begun anew.
  void NoteViewSeq();
  void TellReplay();
  asio::awaitable<absl::Status> BeginAnew();
  asio::awaitable<absl::Status> Restore();
  asio::awaitable<absl::Status> TakeMessage(TailEvent event);
  asio::awaitable<void> FeedMessage(std::vector<RecordBatch> batches);
  asio::awaitable<absl::Status> FeedGap();
  asio::awaitable<absl::Status> FeedRecords(std::vector<RecordBatch> batches);
  void Lost(const absl::Status& why);
  [[nodiscard]] Seq BoundSeq() const;

  // engine_filling.cc
  asio::awaitable<void> Fill(uint64_t following, EngineAddress engine, EngineHolds holds);
  asio::awaitable<absl::Status> FillFrom(uint64_t following, EngineHolds holds);
  asio::awaitable<absl::Status> FillAll(uint64_t following);
  asio::awaitable<absl::Status> FillKeys(absl::flat_hash_set<std::string> keys);
  asio::awaitable<absl::StatusOr<EngineHolds>> CollectChanged(EngineHolds holds);

  const asio::any_io_executor executor_;
  Background* const background_;
  Log log_;
  View* const view_;
  const Options options_;
  ViewFeederOwner* const owner_;
  std::shared_ptr<Tailer> tailer_;
  EngineFiller filler_;
  std::optional<Seq> through_;
  Seq view_seq_;
  asio::steady_timer view_moved_;  // Cancelled for all who wait; ends for the first who gives up.
  Seq replayed_at_;                // The log ended there when the tail began; 0: not known.
  bool long_replay_ = false;
  // The engine has been filled and follows; `reader_` stands where it does.
  bool follows_ = false;
  bool numbered_ = false;
  Seq fed_seq_;
  std::unique_ptr<RecordReader> reader_;
  EngineHolds unfilled_;    // Of a Follow that is not done.
  uint64_t following_ = 0;  // Counts Follow and Release.
  size_t filling_ = 0;
  // One of Begin, Tail and Fill works on view and engine at a time.
  bool busy_ = false;
  WakeUp freed_;
  bool running_ = false;
  bool stopping_ = false;
  WakeUp ended_;
};

}  // namespace cairn::adapter::memcache
