#include "adapter/redis/resharding/slot_keeper.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <asio/post.hpp>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter::redis {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
// Between two looks when nothing wakes it.
constexpr Millis kIdle{200};
constexpr Millis kFollow{20};
constexpr Patience::Limits kCopyPatience{.tries = 5, .time_us = 600 * kMicrosPerSecond};
constexpr const char* kNothingCopied = "nothing could be copied for 10 minutes";
// Clients that were held up in vain are let on for so long at least.
constexpr int64_t kQuietPauseUs = 5 * kMicrosPerSecond;
constexpr Patience::Limits kQuietPatience{.tries = 12};
constexpr const char* kNeverDrained =
    "calls of the slots are with the source's engine for longer than 1 s again and again: see its "
    "SLOWLOG and CLIENT LIST for scripts or commands that take long, end them, and try again";

bool Passes(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsAborted(status) || absl::IsCancelled(status) || absl::IsUnknown(status) ||
         GetReason(status) == Reason::kOverloaded;
}

bool Copies(MoveDuty duty) { return duty == MoveDuty::kCopy || duty == MoveDuty::kCommit; }

absl::Status NotCommitted(uint32_t cut_ms) {
  return absl::DeadlineExceededError(
      fmt::format("the source's log takes longer than {:.1f} s for the last writes of the slots, "
                  "again and again: see whether it is overloaded or without a majority, and try "
                  "again, or with --cut-timeout-ms {}",
                  cut_ms / 1e3, 3 * cut_ms));
}

std::optional<SlotState> Introduced(const SlotState& state, const SlotReign& me, Epoch in_force) {
  return DutyOf(state, me) == MoveDuty::kConfirm ? Confirm(state, me, in_force)
                                                 : Claim(state, me, in_force);
}

}  // namespace

struct SlotKeeper::PendingCommit {
  explicit PendingCommit(const asio::any_io_executor& executor) : wake(executor) {}
  WakeUp wake;
  std::optional<absl::StatusOr<Seq>> seq;  // Nullopt: it is under way.
};

SlotKeeper::SlotKeeper(ReplayHost host, Client* client, Log own, Options options,
                       const Clock* clock, SlotKeeperHost* owner)
    : host_(std::move(host)),
      client_(client),
      own_(std::move(own)),
      options_(std::move(options)),
      clock_(clock),
      owner_(owner),
      copy_patience_(kCopyPatience),
      quiet_patience_(kQuietPatience),
      moved_(host_.executor) {}

SlotKeeper::~SlotKeeper() { CHECK(!running_); }

// ---- Life -----------------------------------------------------------------------------------

void SlotKeeper::Start(SlotLog log, SlotEntry first) {
  watch_ = std::make_unique<SlotWatch>(host_.executor, host_.background, std::move(log),
                                       std::move(first), [this] { OnEntry(); });
  watch_->Start();
  running_ = true;
  Spawn(host_.executor, Run());
}

void SlotKeeper::OnEntry() {
  if (copy_ != nullptr && reign_ && !Copies(DutyNow())) copy_->Cancel();
  owner_->OnSlots();
  moved_.Wake();
}

asio::awaitable<void> SlotKeeper::Stop() {
  stopping_ = true;
  reign_.reset();
  if (copy_ != nullptr) copy_->Cancel();
  if (watch_ != nullptr) co_await watch_->Stop();
  WakeUp look(host_.executor);
  while (running_ || (commit_ != nullptr && !commit_->seq)) {
    if (copy_ != nullptr) copy_->Cancel();
    moved_.Wake();
    co_await look.Wait(Millis(2));
  }
}

void SlotKeeper::BeginReign(Epoch epoch, SlotEngine engine) {
  if (reign_ && reign_->me.epoch == epoch) return;
  preparing_.clear();
  reign_ = InReign{{options_.log, epoch}, std::move(engine), false};
  owner_->OnSlots();
  moved_.Wake();
}

void SlotKeeper::EndReign() {
  if (!reign_) return;
  reign_.reset();
  preparing_.clear();
  if (copy_ != nullptr) copy_->Cancel();
  owner_->OnSlots();
}

SlotRanges SlotKeeper::Held() const {
  if (!reign_) return {};
  if (!reign_->settled) return {SlotRange()};
  return preparing_.empty() ? HeldBack(state(), options_.log) : preparing_;
}

bool SlotKeeper::Still(Epoch epoch, Seq seq) const {
  return reign_ && reign_->me.epoch == epoch && watch_->entry().seq == seq;
}

asio::awaitable<void> SlotKeeper::Run() {
  while (!stopping_) {
    absl::Status done = absl::OkStatus();
    if (reign_) done = co_await Act();
    if (!reign_) co_await DropCopy();
    if (stopping_) break;
    if (!done.ok() && !absl::IsAborted(done)) {
      spdlog::warn("slots: {}", ToStd(done.message()));
      co_await moved_.Wait(options_.retry);
      continue;
    }
    const Millis idle = copy_ != nullptr ? kFollow : kIdle;
    if (!absl::IsAborted(done)) co_await moved_.Wait(idle);
  }
  co_await DropCopy();
  running_ = false;
}

asio::awaitable<absl::Status> SlotKeeper::Act() {
  if (!reign_->settled) co_return co_await Settle();
  const SlotEntry base = watch_->entry();
  const MoveDuty duty = DutyOf(base.state, reign_->me);
  if (!Copies(duty)) co_await DropCopy();
  if (!reign_) co_return absl::OkStatus();
  switch (duty) {
    case MoveDuty::kNothing:
      co_return absl::OkStatus();
    case MoveDuty::kConfirm:
    case MoveDuty::kClaim:
      co_return co_await Introduce(base);
    case MoveDuty::kCopy:
      co_return co_await CopySome(base);
    case MoveDuty::kPrepare:
      co_return co_await PrepareMove(base);
    case MoveDuty::kAwait:
      co_return co_await AwaitDecision(base);
    case MoveDuty::kCommit:
      co_return co_await CommitMove(base);
    case MoveDuty::kCleanSource:
      co_return co_await CleanUp(base, /*source=*/true);
    case MoveDuty::kCleanTarget:
      co_return co_await CleanUp(base, /*source=*/false);
  }
  CHECK_UNREACHABLE();
}

// OK, and kAborted: look again at once.
asio::awaitable<absl::Status> SlotKeeper::Say(Seq base, std::optional<SlotState> next) {
  if (!next) co_return absl::OkStatus();
  const std::string text = EncodeSlotState(*next);
  SlotState state = *std::move(next);
  const absl::Status said = co_await watch_->Append(base, std::move(state));
  if (!said.ok()) co_return said;
  spdlog::info("slots: {}", text);
  moved_.Wake();
  co_return said;
}

// ---- Every reign ----------------------------------------------------------------------------

asio::awaitable<absl::Status> SlotKeeper::Settle() {
  const Epoch epoch = reign_->me.epoch;
  const absl::Status read = co_await watch_->Refresh();
  if (!read.ok() || !reign_ || reign_->me.epoch != epoch) co_return read;
  const SlotEntry base = watch_->entry();
  if (DutyOf(base.state, reign_->me) == MoveDuty::kConfirm) {
    const absl::Status said = co_await Introduce(base);
    co_return said.ok() ? absl::AbortedError("look again") : said;
  }
  reign_->settled = true;
  spdlog::info("slots: settled under epoch {}, as of record {}", epoch, base.seq);
  owner_->OnSlots();
  co_return absl::AbortedError("look again");
}

// The lease is looked at behind the entry: a reign that comes later reads the entry, too.
asio::awaitable<absl::Status> SlotKeeper::Introduce(SlotEntry base) {
  const SlotReign me = reign_->me;
  auto look = [log = own_, name = options_.lease_name]() mutable {
    return log.GetLease(name, {.timeout = kCallTimeout});
  };
  const absl::StatusOr<LeaseInfo> lease = co_await host_.background->Run(std::move(look));
  if (!lease.ok()) co_return lease.status();
  if (!Still(me.epoch, base.seq)) co_return absl::OkStatus();
  std::optional<SlotState> next = Introduced(base.state, me, lease->epoch);
  co_return co_await Say(base.seq, std::move(next));
}

// ---- The target -----------------------------------------------------------------------------

asio::awaitable<void> SlotKeeper::DropCopy() {
  if (copy_ == nullptr) co_return;
  copy_->Cancel();
  co_await copy_->Stop();
  copy_ = nullptr;
}

asio::awaitable<absl::Status> SlotKeeper::BeginCopy(const SlotMove& move) {
  const Epoch epoch = reign_->me.epoch;
  const SlotEngine engine = reign_->engine;
  const SlotRange slots = move.slots;
  const uint64_t number = move.number;
  const uint32_t cut_ms = move.cut_ms;
  if (copy_epoch_ != epoch || copy_move_ != number) copy_patience_.Reset();
  copy_epoch_ = epoch;
  copy_move_ = number;
  auto open = [client = client_, name = move.source]() -> absl::StatusOr<std::shared_ptr<Log>> {
    OpenLogOptions options;
    options.call.timeout = kCallTimeout;
    absl::StatusOr<Log> log = client->OpenLog(name, options);
    if (!log.ok()) return log.status();
    return std::make_shared<Log>(*std::move(log));
  };
  const absl::StatusOr<std::shared_ptr<Log>> log = co_await host_.background->Run(std::move(open));
  if (!log.ok()) co_return log.status();
  if (!reign_ || !Copies(DutyNow())) co_return absl::CancelledError("the move has gone on");
  SlotCopy::Options options;
  options.slots = slots;
  options.directory = options_.directory + "/slots";
  copy_ = std::make_unique<SlotCopy>(host_, **log, engine, std::move(options));
  judge_.emplace(int64_t{cut_ms} * kMicrosPerMilli);
  announced_to_ = Epoch();
  const absl::Status begun = co_await copy_->Begin();
  if (begun.ok()) spdlog::info("slots: the throw-away engine holds the source's log");
  co_return begun;
}

void SlotKeeper::Note(const SlotCopy::Round& round, MonoMicros began_us) {
  counts_.keys_copied += round.work.keys;
  counts_.bytes_copied += round.work.bytes;
  copy_patience_.Reset();
  if (round.looked == 0) return;
  spdlog::info(
      "slots: {} keys looked at, {} written ({} bytes) in {} ms, as of record {} of the source",
      round.looked, round.work.keys, round.work.bytes,
      (clock_->Mono() - began_us) / kMicrosPerMilli, round.through);
}

asio::awaitable<absl::Status> SlotKeeper::CopySome(SlotEntry base) {
  const SlotMove move = *base.state.move;
  const Epoch epoch = reign_->me.epoch;
  if (copy_ != nullptr && (copy_epoch_ != epoch || copy_move_ != move.number)) co_await DropCopy();
  if (!reign_) co_return absl::OkStatus();
  if (copy_ == nullptr) {
    absl::Status begun = co_await BeginCopy(move);
    if (!begun.ok()) co_return co_await GiveUp(std::move(begun));
  }
  if (announced_to_ && announced_to_ == move.source_epoch && move.phase == MovePhase::kCopying) {
    announced_to_ = Epoch();
    judge_->OnWithdrawn(clock_->Mono());
  }
  const MonoMicros began_us = clock_->Mono();
  absl::StatusOr<SlotCopy::Round> round = co_await copy_->CatchUp(std::nullopt);
  if (!round.ok()) co_return co_await GiveUp(round.status());
  Note(*round, began_us);
  if (!Still(epoch, base.seq)) co_return absl::AbortedError("look again");
  co_return co_await JudgeRound(std::move(base), *std::move(round), began_us);
}

asio::awaitable<absl::Status> SlotKeeper::JudgeRound(SlotEntry base, SlotCopy::Round round,
                                                     MonoMicros began_us) {
  const MonoMicros now = clock_->Mono();
  switch (judge_->Take(round.work, now - began_us, now)) {
    case CutJudge::Verdict::kCopyOn:
      // Of short ones not one after the other.
      co_return now - began_us < kFollow.count() * kMicrosPerMilli
          ? absl::OkStatus()
          : absl::AbortedError("look again");
    case CutJudge::Verdict::kHopeless:
      co_return co_await TakeBack(std::move(base), judge_->why());
    case CutJudge::Verdict::kCut:
      break;
  }
  std::optional<SlotState> next = Announce(base.state, reign_->me);
  const Epoch source = base.state.move->source_epoch;
  const bool announces = next.has_value();
  const absl::Status said = co_await Say(base.seq, std::move(next));
  if (announces && said.ok()) announced_to_ = source;
  co_return said;
}

// A copy that failed begins anew; one that cannot succeed, or does not for long, ends the move.
asio::awaitable<absl::Status> SlotKeeper::GiveUp(absl::Status why) {
  co_await DropCopy();
  if (stopping_ || !reign_) co_return why;
  if (!Copies(DutyNow())) co_return absl::AbortedError("look again");
  if (Passes(why)) {
    if (copy_patience_.Bears(clock_->Mono())) co_return why;
    why = Annotate(why, kNothingCopied);
  }
  copy_patience_.Reset();
  co_return co_await TakeBack(watch_->entry(), std::string(ToStd(why.message())));
}

asio::awaitable<absl::Status> SlotKeeper::TakeBack(SlotEntry base, std::string why) {
  absl::StatusOr<SlotState> aborted = AbortMove(base.state, why);
  if (!aborted.ok()) co_return aborted.status();
  spdlog::error("slots are not moved: {}", why);
  std::optional<SlotState> next = *std::move(aborted);
  co_return co_await Say(base.seq, std::move(next));
}

asio::awaitable<absl::Status> SlotKeeper::CommitMove(SlotEntry base) {
  const SlotReign me = reign_->me;
  if (copy_ == nullptr || copy_epoch_ != me.epoch) co_return co_await CopySome(base);
  const MonoMicros began_us = clock_->Mono();
  const absl::StatusOr<SlotCopy::Round> round = co_await copy_->CatchUp(base.state.move->through);
  if (!round.ok()) co_return co_await GiveUp(round.status());
  Note(*round, began_us);
  if (!Still(me.epoch, base.seq)) co_return absl::AbortedError("look again");
  std::optional<SlotState> next = Commit(base.state, me);
  const absl::Status said = co_await Say(base.seq, std::move(next));
  if (said.ok()) ++counts_.moves_in;
  co_return said;
}

// ---- The source -----------------------------------------------------------------------------

// False: it took too long.
asio::awaitable<bool> SlotKeeper::Drain(SlotRange slots, std::string target) {
  const auto drained = std::make_shared<bool>(false);
  const auto wake = std::make_shared<WakeUp>(host_.executor);
  auto done = [drained, wake, executor = host_.executor] {
    asio::post(executor, [drained, wake] {
      *drained = true;
      wake->Wake();
    });
  };
  SlotRanges ranges(1, slots);
  owner_->DrainSlots(std::move(ranges), std::move(target), std::move(done));
  if (!*drained) co_await wake->Wait(options_.drain_patience);
  co_return *drained;
}

asio::awaitable<void> SlotKeeper::CommitAll(SlotEngine engine,
                                            std::shared_ptr<PendingCommit> commit) {
  commit->seq = co_await engine.commit_all();
  commit->wake.Wake();
}

// Until no call of the slots is with the engine, and the log has what they wrote, through the seq
// that is returned. Errors: kDeadlineExceeded, worded for the operator; those of commit_all.
asio::awaitable<absl::StatusOr<Seq>> SlotKeeper::Quiesce(SlotMove move) {
  const SlotEngine engine = reign_->engine;
  const uint32_t cut_ms = move.cut_ms;
  const bool drained = co_await Drain(move.slots, move.target);
  if (!drained) co_return absl::DeadlineExceededError(kNeverDrained);
  const auto commit = std::make_shared<PendingCommit>(host_.executor);
  commit_ = commit;
  Spawn(host_.executor, CommitAll(engine, commit));
  co_await commit->wake.Wait(Millis(cut_ms));
  if (!commit->seq) co_return NotCommitted(cut_ms);
  co_return *commit->seq;
}

asio::awaitable<absl::Status> SlotKeeper::PrepareMove(SlotEntry base) {
  const SlotReign me = reign_->me;
  const SlotMove move = *base.state.move;
  if (std::exchange(quiet_move_, move.number) != move.number) {
    quiet_patience_.Reset();
    quiet_from_us_ = 0;
  }
  // Nobody is held up for what was in vain just now, and is still under way.
  if (clock_->Mono() < quiet_from_us_ || (commit_ != nullptr && !commit_->seq)) {
    co_return absl::OkStatus();
  }
  preparing_.assign(1, move.slots);
  held_since_us_ = clock_->Mono();
  owner_->OnSlots();
  const absl::StatusOr<Seq> through = co_await Quiesce(move);
  absl::Status status = through.status();
  if (through.ok() && Still(me.epoch, base.seq)) {
    std::optional<SlotState> next = Prepare(base.state, me, *through);
    status = co_await Say(base.seq, std::move(next));
  }
  if (reign_ && reign_->me.epoch == me.epoch) preparing_.clear();
  owner_->OnSlots();
  if (through.ok()) {
    quiet_patience_.Reset();
    co_return status;
  }
  if (stopping_ || !Still(me.epoch, base.seq)) co_return absl::AbortedError("look again");
  quiet_from_us_ = clock_->Mono() + kQuietPauseUs;
  if (quiet_patience_.Bears(clock_->Mono())) co_return status;
  quiet_patience_.Reset();
  co_return co_await TakeBack(std::move(base), std::string(ToStd(status.message())));
}

asio::awaitable<absl::Status> SlotKeeper::AwaitDecision(SlotEntry base) {
  if (awaited_seq_ != base.seq) {
    awaited_seq_ = base.seq;
    awaited_since_us_ = clock_->Mono();
  }
  const int64_t patience_us = int64_t{base.state.move->cut_ms} * kMicrosPerMilli;
  if (clock_->Mono() - awaited_since_us_ < patience_us) co_return absl::OkStatus();
  ++counts_.withdrawn;
  spdlog::warn("the target of slots {} takes too long: clients go on here",
               ToText(base.state.move->slots));
  std::optional<SlotState> next = Withdraw(base.state, reign_->me);
  co_return co_await Say(base.seq, std::move(next));
}

void SlotKeeper::NoteHeld(const SlotMove& move) {
  if (held_since_us_ == 0) return;  // Another reign held them back.
  const int64_t held_us = clock_->Mono() - std::exchange(held_since_us_, 0);
  counts_.held_us += held_us;
  spdlog::info("slots {} are those of {}: their calls waited for {} ms", ToText(move.slots),
               move.target, held_us / kMicrosPerMilli);
}

// Reads that are with the engine since before are answered first.
asio::awaitable<absl::Status> SlotKeeper::CleanUp(SlotEntry base, bool source) {
  const SlotReign me = reign_->me;
  const SlotEngine engine = reign_->engine;
  const SlotMove move = *base.state.move;
  if (source) NoteHeld(move);
  const bool drained = co_await Drain(move.slots, move.target);
  if (!drained) co_return absl::DeadlineExceededError("calls of the slots take too long");
  const absl::Status removed = co_await RemoveSlots(engine, move.slots);
  if (!removed.ok()) co_return removed;
  if (!Still(me.epoch, base.seq)) co_return absl::AbortedError("look again");
  std::optional<SlotState> next = Clean(base.state, me);
  const absl::Status said = co_await Say(base.seq, std::move(next));
  if (said.ok() && source) ++counts_.moves_out;
  co_return said;
}

}  // namespace cairn::adapter::redis
