// SlotKeeper: an agent's part in who has which slots: follows the slot log, settles each reign
// there, and does what the rules (move_rules.h) ask of the primary of a source or a target.
//
//   slot log ──SlotWatch──► SlotKeeper ──► SlotCopy, RemoveSlots ──► own engine
//                 ▲             │ Held, DrainSlots
//                 └──records────┴──► SlotKeeperHost: the agent and its front
//
// It does one thing at a time, in one coroutine, and looks at the newest entry before each; a copy
// that a new entry makes needless ends at once. What it was in the middle of when the agent ended
// is in no memory but the logs'.
//
// As a source it holds calls back for at most Options::drain_patience and twice the move's cut_ms,
// and as long as the slot log does not say whether it has taken a record: until those that are with
// the engine are answered, the log has what they wrote, and the target has decided.
//
// Threads: the engine thread. Lifetime: Stop(), and await it, before it is destroyed. Bounds: those
// of SlotCopy while slots come here, else constant.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "adapter/redis/agent_status.h"
#include "adapter/redis/resharding/cut_judge.h"
#include "adapter/redis/resharding/move_rules.h"
#include "adapter/redis/resharding/patience.h"
#include "adapter/redis/resharding/slot_copy.h"
#include "adapter/redis/resharding/slot_watch.h"
#include "base/clock.h"
#include "cairn/client.h"

namespace cairn::adapter::redis {

class SlotKeeperHost {
 public:
  virtual ~SlotKeeperHost() = default;
  // The entry, or what is held back, is another.
  virtual void OnSlots() = 0;
  // See FrontPort; `done` may be called from any thread.
  virtual void DrainSlots(SlotRanges slots, std::string target, std::function<void()> done) = 0;
};

class SlotKeeper {
 public:
  struct Options {
    std::string log;  // The agent's own.
    std::string lease_name = "primary";
    std::string directory;  // The agent's own; the throw-away engine's is in it.
    // So long calls may go on to be with the engine when others are held back before the cut.
    Millis drain_patience{1'000};
    Millis retry{500};  // Between two tries of what has failed.
  };
  SlotKeeper(ReplayHost host, Client* client, Log own, Options options, const Clock* clock,
             SlotKeeperHost* owner);
  ~SlotKeeper();
  SlotKeeper(const SlotKeeper&) = delete;
  SlotKeeper& operator=(const SlotKeeper&) = delete;

  void Start(SlotLog log, SlotEntry first);
  asio::awaitable<void> Stop();

  // Before clients are served under the lease: from then on all slots are held back until the slot
  // log has been read behind the grant.
  void BeginReign(Epoch epoch, SlotEngine engine);
  void EndReign();

  // Requires: Start.
  [[nodiscard]] const SlotState& state() const { return watch_->entry().state; }
  // Whose calls a primary puts off.
  [[nodiscard]] SlotRanges Held() const;
  [[nodiscard]] const SlotCounts& counts() const { return counts_; }

 private:
  struct InReign {
    SlotReign me;
    SlotEngine engine;
    bool settled = false;
  };

  // A call of SlotEngine::commit_all, which may take longer than somebody waits.
  struct PendingCommit;

  void OnEntry();
  // Requires: there is a reign.
  [[nodiscard]] MoveDuty DutyNow() const { return DutyOf(state(), reign_->me); }
  asio::awaitable<void> Run();
  asio::awaitable<absl::Status> Act();
  asio::awaitable<absl::Status> Settle();
  asio::awaitable<absl::Status> Introduce(SlotEntry base);
  asio::awaitable<absl::Status> CopySome(SlotEntry base);
  asio::awaitable<absl::Status> BeginCopy(const SlotMove& move);
  asio::awaitable<absl::Status> JudgeRound(SlotEntry base, SlotCopy::Round round,
                                           MonoMicros began_us);
  asio::awaitable<absl::Status> PrepareMove(SlotEntry base);
  asio::awaitable<absl::StatusOr<Seq>> Quiesce(SlotMove move);
  static asio::awaitable<void> CommitAll(SlotEngine engine, std::shared_ptr<PendingCommit> commit);
  asio::awaitable<absl::Status> AwaitDecision(SlotEntry base);
  asio::awaitable<absl::Status> CommitMove(SlotEntry base);
  asio::awaitable<absl::Status> CleanUp(SlotEntry base, bool source);
  asio::awaitable<bool> Drain(SlotRange slots, std::string target);
  asio::awaitable<absl::Status> Say(Seq base, std::optional<SlotState> next);
  asio::awaitable<absl::Status> GiveUp(absl::Status why);
  asio::awaitable<void> DropCopy();
  asio::awaitable<absl::Status> TakeBack(SlotEntry base, std::string why);
  void Note(const SlotCopy::Round& round, MonoMicros began_us);
  void NoteHeld(const SlotMove& move);
  // Nothing has changed since: the reign and the entry are the same.
  [[nodiscard]] bool Still(Epoch epoch, Seq seq) const;

  const ReplayHost host_;
  Client* const client_;
  const Log own_;
  const Options options_;
  const Clock* const clock_;
  SlotKeeperHost* const owner_;
  std::unique_ptr<SlotWatch> watch_;
  std::optional<InReign> reign_;
  SlotRanges preparing_;          // Held back, before the slot log says so.
  MonoMicros held_since_us_ = 0;  // Slots that leave are, since then; 0: none are.
  std::unique_ptr<SlotCopy> copy_;
  Epoch copy_epoch_;  // Under which copy_ was begun, and of which move.
  uint64_t copy_move_ = 0;
  std::optional<CutJudge> judge_;  // Of copy_.
  Epoch announced_to_;             // The source's reign that was told that copy_ is ready; 0: none.
  Patience copy_patience_;         // Since a round of a copy has ended well.
  Patience quiet_patience_;        // As a source before the cut.
  uint64_t quiet_move_ = 0;        // Of which move.
  MonoMicros quiet_from_us_ = 0;   // Clients are not held up again before then.
  std::shared_ptr<PendingCommit> commit_;  // The last one; null: none.
  Seq awaited_seq_;                        // Of the entry since which a decision is awaited.
  MonoMicros awaited_since_us_ = 0;
  SlotCounts counts_;
  WakeUp moved_;
  bool stopping_ = false;
  bool running_ = false;
};

}  // namespace cairn::adapter::redis
