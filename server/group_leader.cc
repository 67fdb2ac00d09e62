// Group, the leader's side: which requests may be judged, when, and what is proposed.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/overloaded.h"
#include "base/planted_bug.h"
#include "server/group_impl.h"

namespace cairn::server {
namespace {

// Entries that one turn proposes at most; what is left waits for their sync.
constexpr int kEntriesPerTurn = 8;
// The same during an import, whose entries may be of one record each.
constexpr int kImportedPerTurn = 256;

uint64_t BytesOf(const RequestBody& body) {
  if (const auto* import = std::get_if<ImportOp>(&body)) {
    uint64_t bytes = 0;
    for (const ImportOp::Batch& batch : import->batches) bytes += batch.records.size();
    return bytes;
  }
  const auto* append = std::get_if<AppendOp>(&body);
  return append != nullptr ? append->records.size() : 256;
}

// What is refused while there is no room. Leases, trims, settings and registered snapshots pass, so
// that holders keep their epochs and space can be made.
bool NeedsSpace(const RequestBody& body) {
  const auto* import = std::get_if<ImportOp>(&body);
  return std::holds_alternative<AppendOp>(body) ||
         std::holds_alternative<RegisterProducerOp>(body) ||
         (import != nullptr && import->next == 0);  // Else a part of it is done.
}

// All fields; one that is not set is as good as one at its default.
bool SameSettings(const cairn::v1::LogSettings& a, const cairn::v1::LogSettings& b) {
  return a.fenced() == b.fenced() && a.retention_bytes() == b.retention_bytes() &&
         a.retention_ms() == b.retention_ms() && a.trim_guard() == b.trim_guard() &&
         a.segment_bytes() == b.segment_bytes() &&
         a.append_bytes_per_second() == b.append_bytes_per_second() &&
         a.appends_per_second() == b.appends_per_second() && a.archive() == b.archive();
}

// Those that any replica may answer, some of them after a round with the leader.
bool IsReadOfReplica(const RequestBody& body) {
  return std::holds_alternative<DescribeOp>(body) || std::holds_alternative<SyncOp>(body);
}

// Told by a halted replica too: that it is halted is worth knowing.
bool IsDescribeAsOfHere(const RequestBody& body) {
  const auto* describe = std::get_if<DescribeOp>(&body);
  return describe != nullptr && !describe->linearizable;
}

constexpr char kStreamBroken[] = "an earlier request of this stream was refused";

bool StreamBroken(const Request& request) {
  return request.reply_to.stream_broken != nullptr && *request.reply_to.stream_broken;
}

AppendTimes BeginTimes(const Request& request, const AppendOp& op, TurnTime now) {
  AppendTimes times;
  times.arrived = request.arrived;
  times.taken = request.taken;
  times.judged = now.mono;
  times.records = op.count;
  times.bytes = op.records.size();
  return times;
}

struct LeaseMargin {
  uint64_t left_ms;
  uint64_t ttl_ms;
};

// What is left of the lease that `body` renews; nullopt: it renews none that is held.
std::optional<LeaseMargin> MarginOf(const RequestBody& body, const LogState& state, TurnTime now) {
  const auto* renew = std::get_if<RenewOp>(&body);
  if (renew == nullptr) return std::nullopt;
  const Lease* lease = state.applied().leases.Find(renew->name);
  if (lease == nullptr) return std::nullopt;
  return LeaseMargin{state.LeaseRemainingMs(renew->name, now), lease->ttl_ms};
}

}  // namespace

void Group::Impl::OnRequest(Request request, TurnTime now, Effects& effects) {
  if (StreamBroken(request)) {
    Hit(Mark::kStreamBroken);
    Answer(request.reply_to, Reject(cairn::v1::REASON_STREAM_BROKEN, kStreamBroken), effects);
    return;
  }
  if (halted && !IsDescribeAsOfHere(request.body)) {
    return Answer(request.reply_to, HaltedHere(), effects);
  }
  if (IsReadOfReplica(request.body)) return OnRead(std::move(request), now, effects);
  if (!is_leader()) return Answer(request.reply_to, NotLeader(), effects);
  if (draining) {
    Answer(request.reply_to, Reject(cairn::v1::REASON_SHUTTING_DOWN, "the node is stopping"),
           effects);
    return;
  }
  if (std::holds_alternative<TransferLeadershipOp>(request.body)) {
    return OnTransfer(std::move(request), effects);
  }
  if (std::holds_alternative<ChangeMembersOp>(request.body)) {
    return OnChangeMembers(std::move(request), effects);
  }
  if (std::holds_alternative<GetLeaseOp>(request.body)) {
    const MonoMicros deadline = request.deadline;
    reads.Add(std::move(request), deadline);
    return;
  }
  if (std::optional<Rejection> no_room = NoRoomFor(request.body, effects)) {
    core.StayAwake();  // What is known of others' disks may be old.
    return Answer(request.reply_to, *std::move(no_room), effects);
  }
  if (AsksForChain(request.body) && state.leading()) {
    return StartChainCheck(std::move(request), effects);
  }
  request.taken = now.mono;
  Queue(std::move(request));
}

std::optional<Rejection> Group::Impl::NoDiskFor(const RequestBody& body) const {
  if (!NeedsSpace(body)) return std::nullopt;
  std::string whose = "the leader's disk is";
  if (room == storage::Room::kEnough) {
    const std::vector<NodeId> full = core.NeededButFull();
    if (full.empty()) return std::nullopt;
    whose = fmt::format("no majority that keeps up has room, the disk of each of the nodes {} is",
                        fmt::join(full, ", "));
  }
  Hit(Mark::kStorageFull);
  Rejection rejection =
      Reject(cairn::v1::REASON_STORAGE_FULL,
             fmt::format("{} below its watermark; appends resume by themselves when space returns",
                         whose));
  rejection.info.set_retry_after_ms(1000);
  return rejection;
}

std::optional<Rejection> Group::Impl::NoRoomFor(const RequestBody& body, Effects& effects) const {
  if (std::optional<Rejection> full = NoDiskFor(body)) return full;
  if (waiting.size() < config.max_waiting_requests &&
      waiting_bytes + BytesOf(body) <= config.max_waiting_bytes && !waiters.Full()) {
    return std::nullopt;
  }
  ++effects.tally[Overload::kLogQueue];
  Rejection rejection = Reject(cairn::v1::REASON_OVERLOADED,
                               fmt::format("the log's queue is full ({} requests, {} bytes)",
                                           waiting.size(), waiting_bytes));
  rejection.info.set_retry_after_ms(20);
  return rejection;
}

void Group::Impl::Queue(Request request) {
  const uint64_t bytes = BytesOf(request.body);
  waiting_bytes += bytes;
  waiting.push_back({std::move(request), bytes});
}

void Group::Impl::FollowRole(TurnTime now, Effects& effects) {
  if (state.leading() && (!is_leader() || core.term() != leading_term)) EndTerm(effects);
  if (!is_leader()) {
    // Requests that came while this node led but could not judge them yet.
    if (!waiting.empty()) EndTerm(effects);
    return;
  }
  // Nothing is judged before everything of earlier terms is applied (design 5.1).
  const bool early = !state.leading() && PLANTED(kServesBeforeCaughtUp);
  if (state.leading() || (!core.LeadsWithCommittedTerm() && !early)) return;
  if (state.applied_index() != core.commit()) return;
  state.BeginTerm(now);
  ledger.BeginReign();
  leading_term = core.term();
  last_proposed = Index();
  housekeeping = true;
  CheckChainsOfWaiting(effects);
}

void Group::Impl::EndTerm(Effects& effects) {
  ledger.EndReign();
  if (state.leading()) state.EndTerm();
  if (PLANTED(kDeposedSaysNotDone)) waiters.Clear(NotLeader(), effects.replies);
  for (Waiting& item : waiting) {
    Answer(item.request.reply_to, NotLeader(), effects);
  }
  waiting.clear();
  waiting_bytes = 0;
  for (Refusal& refusal : refusals.TakeAll()) Answer(refusal.to, NotLeader(), effects);
  for (auto& [ticket, check] : chain_checks) Answer(check.request.reply_to, NotLeader(), effects);
  chain_checks.clear();
}

bool Group::Impl::MayPropose() const {
  return state.leading() && is_leader() &&
         core.CanPropose() == consensus::ProposeResult::kAccepted && !waiters.Full();
}

void Group::Impl::ProposeWaiting(TurnTime now, Effects& effects) {
  if (!state.leading()) return;
  // Group commit: what arrives while the last entry is on its way to this node's disk
  // becomes the next entry.
  if (core.persisted() < last_proposed) return;
  if (!SameSettings(wanted_settings, state.speculative().settings)) housekeeping = true;
  const int most = state.speculative().importing ? kImportedPerTurn : kEntriesPerTurn;
  for (int i = 0; i < most && (housekeeping || !waiting.empty()); ++i) {
    if (!MayPropose() || !ProposeEntry(now, effects)) return;
  }
}

bool Group::Impl::ProposeEntry(TurnTime now, Effects& effects) {
  std::optional<int64_t> timestamp_us;
  if (!housekeeping && !waiting.empty()) {
    timestamp_us = state.TimeFor(waiting.front().request.body, now);
  }
  state.BeginEntry(core.last().index + 1, now, timestamp_us);
  const uint64_t expiries = state.expiries();
  if (std::exchange(housekeeping, false)) {
    state.EvaluateHousekeeping(now, RetentionFirstSeq(now));
    if (!SameSettings(wanted_settings, state.speculative().settings)) {
      // Internal: nobody waits for the answer.
      static_cast<void>(state.Evaluate(SettingsOp{wanted_settings}, now));
    }
  }
  Judged judged;
  bool others_wait = false;  // For an entry of another log time.
  while (!waiting.empty() && !state.entry_full() &&
         waiters.size() + judged.accepted.size() + judged.dependent.size() < config.max_waiters) {
    others_wait = state.TimeFor(waiting.front().request.body, now) != timestamp_us;
    if (others_wait) break;
    if (!Judge(waiting.front().request, now, judged, effects)) break;
    if (PLANTED(kAppendedTwice) && state.entry_full()) break;
    waiting_bytes -= waiting.front().bytes;
    waiting.pop_front();
  }
  effects.tally.leases_expired += state.expiries() - expiries;
  std::optional<Bytes> payload = state.FinishEntry();
  const bool proposed = payload.has_value();
  consensus::Position position = core.last();
  if (proposed) {
    const auto result = core.Propose(consensus::EntryKind::kData, std::move(*payload), &position);
    CHECK(result == consensus::ProposeResult::kAccepted);
    last_proposed = position.index;
  }
  uint64_t measured = 0;
  for (Pending& pending : judged.accepted) {
    CHECK(proposed);
    if (auto* done = std::get_if<AppendDone>(&pending.reply); done && done->times.arrived != 0) {
      done->times.index = position.index;
      ++measured;
    }
    waiters.File(position.index, position.term, pending.to, std::move(pending.reply),
                 pending.deadline);
  }
  if (measured > 0) ledger.OnProposed(position.index, measured, now.mono);
  // A refusal that rests on an uncommitted entry: the newest one includes it.
  for (Pending& pending : judged.dependent) {
    waiters.File(position.index, position.term, pending.to, std::move(pending.reply),
                 pending.deadline);
  }
  return proposed || others_wait;
}

bool Group::Impl::Judge(Request& request, TurnTime now, Judged& judged, Effects& effects) {
  if (StreamBroken(request)) {
    Hit(Mark::kStreamBroken);
    Answer(request.reply_to, Reject(cairn::v1::REASON_STREAM_BROKEN, kStreamBroken), effects);
    return true;
  }
  if (request.deadline <= now.mono) {
    ++effects.tally[Overload::kDeadline];
    Answer(request.reply_to, TooLate(request), effects);
    return true;
  }
  // It may have come before that was known.
  if (std::optional<Rejection> full = NoDiskFor(request.body)) {
    Answer(request.reply_to, *std::move(full), effects);
    return true;
  }
  if (std::holds_alternative<CatalogOp>(request.body))
    return JudgeCatalog(request, judged, effects);
  const std::optional<LeaseMargin> margin = MarginOf(request.body, state, now);
  auto* const import = std::get_if<ImportOp>(&request.body);
  std::optional<Evaluation> judgement =
      import != nullptr ? state.EvaluateImport(*import) : state.Evaluate(request.body, now);
  if (!judgement) return false;
  Evaluation evaluation = *std::move(judgement);
  if (auto* accepted = std::get_if<Accepted>(&evaluation)) {
    if (margin) effects.tally.lease_margins.Add(margin->left_ms, margin->ttl_ms);
    if (const auto* append = std::get_if<AppendOp>(&request.body)) {
      std::get<AppendDone>(accepted->reply).times = BeginTimes(request, *append, now);
    }
    judged.accepted.push_back({request.reply_to, std::move(accepted->reply), request.deadline});
    return true;
  }
  auto& decided = std::get<Decided>(evaluation);
  // It is told later; what follows in the stream is judged before. (A duplicate's stored result is
  // no refusal.)
  if (request.reply_to.stream_broken != nullptr &&
      std::holds_alternative<Rejection>(decided.reply)) {
    *request.reply_to.stream_broken = true;
  }
  Decide(std::move(decided), request, judged, effects);
  return true;
}

Rejection Group::Impl::TooLate(const Request& request) const {
  Rejection rejection =
      Reject(cairn::v1::REASON_OVERLOADED,
             "the deadline passed before the request was judged; nothing was done");
  rejection.times.arrived = request.arrived;
  rejection.times.taken = request.taken;
  return rejection;
}

void Group::Impl::FillInTimes(size_t first, Effects& effects) const {
  for (size_t i = first; i < effects.replies.size(); ++i) {
    Reply& reply = effects.replies[i].reply;
    if (auto* done = std::get_if<AppendDone>(&reply); done && done->times.arrived != 0) {
      ledger.FillIn(done->times);
    } else if (auto* late = std::get_if<Rejection>(&reply); late && late->times.arrived != 0) {
      ledger.FillIn(late->times);
    }
  }
}

void Group::Impl::Decide(Decided decided, const Request& request, Judged& judged,
                         Effects& effects) {
  if (auto* rejection = std::get_if<Rejection>(&decided.reply)) Name(*rejection);
  switch (decided.rests) {
    case Decided::Rests::kNothing:
      Answer(request.reply_to, std::move(decided.reply), effects);
      return;
    case Decided::Rests::kEntry:
      if (decided.index <= state.applied_index()) {
        Answer(request.reply_to, std::move(decided.reply), effects);
      } else {
        Hit(Mark::kRefusalWaitsForEntry);
        judged.dependent.push_back({request.reply_to, std::move(decided.reply), request.deadline});
      }
      return;
    case Decided::Rests::kUpToDate:
      Hit(Mark::kRefusalWaitsForRound);
      if (PLANTED(kRefusedWithoutRound)) {
        return Answer(request.reply_to, std::move(decided.reply), effects);
      }
      refusals.Add({request.reply_to, std::move(decided.reply)}, request.deadline);
      return;
  }
  CHECK_UNREACHABLE();
}

bool Group::Impl::JudgeCatalog(Request& request, Judged& judged, Effects& effects) {
  CHECK(catalog != nullptr);
  // The catalog is judged as applied, so one change at a time is under way.
  if (state.speculative().last_seq != state.applied().last_seq) return false;
  auto judgement = catalog->Judge(std::get<CatalogOp>(request.body));
  if (auto* append = std::get_if<Catalog::Append>(&judgement)) {
    Evaluation evaluation = state.EvaluateCatalog(append->payload, state.applied().last_seq);
    auto* accepted = std::get_if<Accepted>(&evaluation);
    CHECK(accepted != nullptr);
    if (append->done.created) {
      append->done.log_id = catalog->LogIdOf(std::get<AppendDone>(accepted->reply).first_seq);
    }
    judged.accepted.push_back({request.reply_to, std::move(append->done), request.deadline});
    return true;
  }
  // What is already so, or refused, rests on this leader being up to date.
  Decided decided;
  decided.rests = Decided::Rests::kUpToDate;
  if (auto* done = std::get_if<CatalogDone>(&judgement)) {
    decided.reply = std::move(*done);
  } else {
    decided.reply = std::move(std::get<Rejection>(judgement));
  }
  Decide(std::move(decided), request, judged, effects);
  return true;
}

std::optional<Seq> Group::Impl::RetentionFirstSeq(TurnTime now) const {
  const cairn::v1::LogSettings& settings = state.applied().settings;
  const bool age_allowed = now.mono >= age_retention_from;
  return segments.RetentionFirstSeq(settings, state.applied().timestamp_us, age_allowed);
}

void Group::Impl::ExpireWaiting(MonoMicros now, Effects& effects) {
  const auto expired = [&](Waiting& item) {
    if (item.request.deadline > now) return false;
    waiting_bytes -= item.bytes;
    ++effects.tally[Overload::kDeadline];
    Answer(item.request.reply_to, TooLate(item.request), effects);
    return true;
  };
  waiting.erase(std::remove_if(waiting.begin(), waiting.end(), expired), waiting.end());
}

}  // namespace cairn::server
