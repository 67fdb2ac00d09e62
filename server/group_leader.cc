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

// What is refused while the disk is under its watermark. Leases, trims and settings pass, so
// that holders keep their epochs and space can be made.
bool NeedsSpace(const RequestBody& body) {
  return std::holds_alternative<AppendOp>(body) || std::holds_alternative<ImportOp>(body) ||
         std::holds_alternative<RegisterProducerOp>(body) ||
         std::holds_alternative<RegisterSnapshotOp>(body);
}

// What is answered by, or after, a look at the chain.
bool AsksForChain(const RequestBody& body) {
  return std::holds_alternative<RegisterSnapshotOp>(body) ||
         std::holds_alternative<GetChainOp>(body);
}

// At which seq. Requires: AsksForChain(body).
Seq ChainSeqOf(const RequestBody& body, Seq last_seq) {
  if (const auto* get = std::get_if<GetChainOp>(&body)) return get->seq.value_or(last_seq);
  return std::get<RegisterSnapshotOp>(body).seq;
}

bool SameSettings(const cairn::v1::LogSettings& a, const cairn::v1::LogSettings& b) {
  return a.fenced() == b.fenced() && a.retention_bytes() == b.retention_bytes() &&
         a.retention_ms() == b.retention_ms() && a.trim_guard() == b.trim_guard() &&
         a.segment_bytes() == b.segment_bytes();
}

constexpr char kStreamBroken[] = "an earlier request of this stream was refused";

// Says whether a request of an append stream is refused, so that later ones are too.
void SetStreamBroken(const RequestBody& body, bool broken) {
  const auto* append = std::get_if<AppendOp>(&body);
  if (append != nullptr && append->stream_broken != nullptr) *append->stream_broken = broken;
}

bool StreamBroken(const RequestBody& body) {
  const auto* append = std::get_if<AppendOp>(&body);
  return append != nullptr && append->stream_broken != nullptr && *append->stream_broken;
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

void Group::Impl::OnRequest(Request request, bool storage_full, TurnTime now, Effects& effects) {
  if (StreamBroken(request.body)) {
    Hit(Mark::kStreamBroken);
    Answer(request.reply_to, Reject(cairn::v1::REASON_STREAM_BROKEN, kStreamBroken), effects);
    return;
  }
  SetStreamBroken(request.body, true);  // Until it got into the queue.
  if (halted) {
    Answer(request.reply_to,
           Reject(cairn::v1::REASON_LOG_HALTED,
                  "this replica of the log is halted since its state contradicts itself; see the "
                  "node's log, and ask another replica"),
           effects);
    return;
  }
  if (auto* describe = std::get_if<DescribeOp>(&request.body);
      describe != nullptr && !describe->linearizable) {
    AnswerRead(std::move(request), now, effects);
    return;
  }
  const bool full = reads.size() >= config.max_waiters;
  if (std::holds_alternative<DescribeOp>(request.body) ||
      std::holds_alternative<SyncOp>(request.body)) {
    if (full) {
      ++effects.tally[Overload::kReads];
      Answer(request.reply_to, Reject(cairn::v1::REASON_OVERLOADED, "too many reads wait"),
             effects);
      return;
    }
    const MonoMicros deadline = request.deadline;
    reads.Add(std::move(request), deadline);
    return;
  }
  if (!is_leader()) {
    Answer(request.reply_to, NotLeader(), effects);
    return;
  }
  if (draining) {
    Answer(request.reply_to, Reject(cairn::v1::REASON_SHUTTING_DOWN, "the node is stopping"),
           effects);
    return;
  }
  if (std::holds_alternative<TransferLeadershipOp>(request.body)) {
    OnTransfer(std::move(request), effects);
    return;
  }
  if (std::holds_alternative<ChangeMembersOp>(request.body)) {
    OnChangeMembers(std::move(request), effects);
    return;
  }
  if (std::holds_alternative<GetLeaseOp>(request.body)) {
    const MonoMicros deadline = request.deadline;
    reads.Add(std::move(request), deadline);
    return;
  }
  if (storage_full && NeedsSpace(request.body)) {
    Hit(Mark::kStorageFull);
    Rejection rejection = Reject(cairn::v1::REASON_STORAGE_FULL,
                                 "the leader's disk is below its watermark; appends resume by "
                                 "themselves when space returns");
    rejection.info.set_retry_after_ms(1000);
    Answer(request.reply_to, std::move(rejection), effects);
    return;
  }
  const uint64_t bytes = BytesOf(request.body);
  if (waiting.size() >= config.max_waiting_requests ||
      waiting_bytes + bytes > config.max_waiting_bytes || waiters.Full()) {
    ++effects.tally[Overload::kLogQueue];
    Rejection rejection = Reject(cairn::v1::REASON_OVERLOADED,
                                 fmt::format("the log's queue is full ({} requests, {} bytes)",
                                             waiting.size(), waiting_bytes));
    rejection.info.set_retry_after_ms(20);
    Answer(request.reply_to, std::move(rejection), effects);
    return;
  }
  if (AsksForChain(request.body) && state.leading()) {
    StartChainCheck(std::move(request), effects);
    return;
  }
  SetStreamBroken(request.body, false);
  request.taken = now.mono;
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

// Those that came before the term could begin: only a leader looks at chains.
void Group::Impl::CheckChainsOfWaiting(Effects& effects) {
  std::deque<Waiting> others;
  for (Waiting& item : std::exchange(waiting, {})) {
    if (AsksForChain(item.request.body)) {
      waiting_bytes -= item.bytes;
      StartChainCheck(std::move(item.request), effects);
    } else {
      others.push_back(std::move(item));
    }
  }
  for (Waiting& item : waiting) others.push_back(std::move(item));  // Checked on the spot.
  waiting = std::move(others);
}

void Group::Impl::EndTerm(Effects& effects) {
  ledger.EndReign();
  if (state.leading()) state.EndTerm();
  if (PLANTED(kDeposedSaysNotDone)) waiters.Clear(NotLeader(), effects.replies);
  for (Waiting& item : waiting) {
    SetStreamBroken(item.request.body, true);
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
  if (StreamBroken(request.body)) {
    Hit(Mark::kStreamBroken);
    Answer(request.reply_to, Reject(cairn::v1::REASON_STREAM_BROKEN, kStreamBroken), effects);
    return true;
  }
  if (request.deadline <= now.mono) {
    SetStreamBroken(request.body, true);
    ++effects.tally[Overload::kDeadline];
    Answer(request.reply_to, TooLate(request), effects);
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
  // A duplicate's stored result is no refusal.
  SetStreamBroken(request.body, std::holds_alternative<Rejection>(decided.reply));
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
      append->done.log_id = GroupId(std::get<AppendDone>(accepted->reply).first_seq.value());
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
    SetStreamBroken(item.request.body, true);
    ++effects.tally[Overload::kDeadline];
    Answer(item.request.reply_to, TooLate(item.request), effects);
    return true;
  };
  waiting.erase(std::remove_if(waiting.begin(), waiting.end(), expired), waiting.end());
}

void Group::Impl::StartChainCheck(Request request, Effects& effects) {
  const LogFacts& facts = state.applied();
  const Seq seq = ChainSeqOf(request.body, facts.last_seq);
  const auto refusal = [&](cairn::v1::Reason reason, std::string message) {
    Rejection rejection = Reject(reason, std::move(message));
    rejection.info.set_first_seq(facts.first_seq.value());
    rejection.info.set_last_seq(facts.last_seq.value());
    return rejection;
  };
  if (seq > facts.last_seq) {
    // It is this leader that may be behind.
    Rejection ahead = refusal(
        cairn::v1::REASON_SEQ_IN_FUTURE,
        fmt::format("asked for the chain at seq {}, but last_seq is {}", seq, facts.last_seq));
    refusals.Add({request.reply_to, std::move(ahead)}, request.deadline);
    return;
  }
  const auto refuse = [&](cairn::v1::Reason reason, std::string message) {
    Answer(request.reply_to, refusal(reason, std::move(message)), effects);
  };
  // The chain at first_seq - 1 is still known: it is the one before the first kept record.
  if (seq + 1 < facts.first_seq || seq < segments.first().first_seq.Previous()) {
    return refuse(cairn::v1::REASON_TRIMMED,
                  fmt::format("asked for the chain at seq {}, but first_seq is {}: it is no longer "
                              "known",
                              seq, facts.first_seq));
  }
  if (chain_checks.size() >= config.limits.max_snapshots) {
    return refuse(cairn::v1::REASON_OVERLOADED, "too many chains are being looked up");
  }
  if (seq == facts.last_seq) return FinishChainCheck(std::move(request), facts.chain, effects);
  if (seq + 1 == segments.first().first_seq) {
    return FinishChainCheck(std::move(request), segments.first().chain_before, effects);
  }
  const uint64_t ticket = kChainTicketBit | ++next_chain_ticket;
  effects.reads.push_back({.group = id,
                           .ticket = ticket,
                           .first = Index(),
                           .seq = seq,
                           .timestamp_us = 0,
                           .last = state.applied_index(),
                           .max_bytes = 1});
  chain_checks.emplace(ticket, ChainCheck{std::move(request), std::nullopt, 0});
}

void Group::Impl::FinishChainCheck(Request request, uint64_t chain, Effects& effects) {
  if (std::holds_alternative<GetChainOp>(request.body)) {
    const Seq seq = ChainSeqOf(request.body, state.applied().last_seq);
    return Answer(request.reply_to, ChainView{seq, chain, state.applied().importing}, effects);
  }
  const auto& op = std::get<RegisterSnapshotOp>(request.body);
  if (op.chain != chain) {
    Rejection rejection =
        Reject(cairn::v1::REASON_CHAIN_MISMATCH,
               fmt::format("the log's chain at seq {} is {:016x}, the snapshot's is {:016x}",
                           op.seq, chain, op.chain));
    rejection.info.set_chain(chain);
    Answer(request.reply_to, std::move(rejection), effects);
    return;
  }
  const uint64_t bytes = BytesOf(request.body);
  waiting_bytes += bytes;
  waiting.push_back({std::move(request), bytes});
}

void Group::Impl::OnChainLoaded(storage::ReadResult result, Effects& effects) {
  const auto it = chain_checks.find(result.ticket);
  if (it == chain_checks.end()) return;  // The term ended meanwhile.
  ChainCheck check = std::move(it->second);
  chain_checks.erase(it);
  const auto give_up = [&](const std::string& why) {
    Answer(check.request.reply_to,
           Reject(result.status.code() == absl::StatusCode::kDataLoss ? cairn::v1::REASON_LOG_HALTED
                                                                      : cairn::v1::REASON_TRIMMED,
                  why),
           effects);
  };
  if (!result.status.ok()) return give_up(std::string(result.status.message()));
  const Seq seq = ChainSeqOf(check.request.body, Seq());
  if (!check.payload) {
    if (result.entries.empty()) return give_up("the entry is not stored");
    const auto view = storage::EntryView::Parse(result.entries[0].payload.view());
    if (!view.ok()) return give_up(std::string(view.status().message()));
    if (view->header().last_seq() == seq) {
      return FinishChainCheck(std::move(check.request), view->header().chain, effects);
    }
    // The seq lies inside of the entry: its chain follows from the one before the entry.
    check.payload = result.entries[0].payload;
    const uint64_t ticket = result.ticket;
    const Seq before = view->header().first_seq.Previous();
    if (before < segments.first().first_seq) {
      check.chain_before = segments.first().chain_before;
    } else {
      effects.reads.push_back({.group = id,
                               .ticket = ticket,
                               .first = Index(),
                               .seq = before,
                               .timestamp_us = 0,
                               .last = state.applied_index(),
                               .max_bytes = 1});
      chain_checks.emplace(ticket, std::move(check));
      return;
    }
  } else {
    if (result.entries.empty()) return give_up("the entry before is not stored");
    const auto header = storage::ParseEntryHeader(result.entries[0].payload.view());
    if (!header.ok()) return give_up(std::string(header.status().message()));
    check.chain_before = header->chain;
  }
  const auto view = storage::EntryView::Parse(check.payload->view());
  CHECK(view.ok());
  const auto offset = static_cast<uint32_t>(seq - view->header().first_seq);
  FinishChainCheck(std::move(check.request), view->ChainAfter(check.chain_before, offset), effects);
}

void Group::Impl::OnTransfer(Request request, Effects& effects) {
  const NodeId to = std::get<TransferLeadershipOp>(request.body).to;
  if (transfer || !core.TransferLeadership(to)) {
    Answer(request.reply_to,
           Reject(cairn::v1::REASON_NOT_CAUGHT_UP,
                  transfer ? std::string("another transfer of this log's leadership is under way")
                           : fmt::format("node {} is no voter of this log that could lead it", to)),
           effects);
    return;
  }
  transfer = std::move(request);
}

void Group::Impl::OnChangeMembers(Request request, Effects& effects) {
  auto& op = std::get<ChangeMembersOp>(request.body);
  if (waiters.Full()) {
    Answer(request.reply_to, Reject(cairn::v1::REASON_OVERLOADED, "too many requests wait"),
           effects);
    return;
  }
  consensus::Position position;
  const absl::Status begun =
      core.ProposeChange({std::move(op.voters), std::move(op.learners), op.version}, &position);
  if (begun.ok()) {
    waiters.File(position.index, position.term, request.reply_to, Done{}, request.deadline);
    return;
  }
  const auto reason = begun.code() == absl::StatusCode::kInvalidArgument
                          ? cairn::v1::REASON_INVALID
                          : cairn::v1::REASON_NOT_CAUGHT_UP;
  Answer(request.reply_to, Reject(reason, std::string(begun.message())), effects);
}

void Group::Impl::FollowTransfer(MonoMicros now, Effects& effects) {
  if (!transfer) return;
  if (!is_leader()) {
    Answer(transfer->reply_to, Done{}, effects);
  } else if (!core.transferring() || transfer->deadline <= now) {
    Answer(transfer->reply_to,
           Reject(cairn::v1::REASON_NOT_CAUGHT_UP,
                  "the heir did not take over within an election timeout; this node still leads"),
           effects);
  } else {
    return;
  }
  transfer.reset();
}

void Group::Impl::FollowClock(TurnTime now, Effects& effects) {
  if (!is_leader()) return clocks.Reset();
  const std::vector<NodeId>& voters = core.membership().voters;
  clock_deviation_us = clocks.Deviation(voters, now);
  // Whether it is for long is seen by ticks.
  if (std::abs(clock_deviation_us) > ClockWatch::kHeirToleranceUs) core.StayAwake();
  if (!clocks.HandOverDue(voters, now) || core.transferring()) return;
  NodeId heir;
  Index heir_match;
  for (const NodeId candidate : clocks.Heirs(voters, now)) {
    const consensus::Progress& progress = core.progress().at(candidate);
    if (progress.unsound() || (heir && progress.match() <= heir_match)) continue;
    heir = candidate;
    heir_match = progress.match();
  }
  const bool begun = heir && core.TransferLeadership(heir);
  if (begun) Hit(Mark::kClockHandOver);
  effects.alarms.push_back(
      fmt::format("log {} ({}): this node's wall clock is {:+.1f} s from the majority's; {}", name,
                  id, static_cast<double>(clock_deviation_us) / kMicrosPerSecond,
                  begun ? fmt::format("the leadership goes to node {}", heir)
                        : std::string("no node with a better clock can lead instead")));
}

}  // namespace cairn::server
