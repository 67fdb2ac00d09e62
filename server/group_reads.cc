// Group, reading: describe, leases, tails; what has to wait for a read-index round.

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "server/group_impl.h"

namespace cairn::server {
namespace {

std::string_view RoleName(const consensus::RaftCore& core) {
  switch (core.role()) {
    case consensus::Role::kLeader:
      return "leader";
    case consensus::Role::kFollower:
      return core.membership().IsLearner(core.self()) ? "learner" : "follower";
    case consensus::Role::kPreCandidate:
    case consensus::Role::kCandidate:
      return "candidate";
  }
  CHECK_UNREACHABLE();
}

void DescribeArchive(const cairn::v1::RegisteredSnapshot& archive,
                     cairn::v1::ArchiveStatus& status) {
  status.set_archived_seq(archive.seq());
  status.set_chain(archive.chain());
  status.set_location(archive.location());
  status.set_timestamp_us(archive.timestamp_us());
}

}  // namespace

void Group::Impl::OnTailOpen(const TailOpen& open, TurnTime now, Effects& effects) {
  if (halted) {
    effects.ends.push_back({open.sink, open.token, {HaltedHere()}});
    return;
  }
  if (draining) {
    effects.ends.push_back(
        {open.sink, open.token, {Reject(cairn::v1::REASON_SHUTTING_DOWN, "the node is stopping")}});
    return;
  }
  if (hub.cursors() + reads.size() >= config.max_waiters) {
    effects.ends.push_back(
        {open.sink,
         open.token,
         {Reject(cairn::v1::REASON_OVERLOADED,
                 fmt::format("{} tails are open on this replica of the log", hub.cursors()))}});
    return;
  }
  confirm_soon = true;
  // As of now: at the last tick there may have been no leader yet.
  hub.SetStale(!core.HasQuorumContact());
  hub.Open(open, state.applied().first_seq, now, effects);
}

void Group::Impl::OnRead(Request request, TurnTime now, Effects& effects) {
  const auto* describe = std::get_if<DescribeOp>(&request.body);
  if (describe != nullptr && !describe->linearizable) {
    return AnswerRead(std::move(request), now, effects);
  }
  if (reads.size() >= config.max_waiters) {
    ++effects.tally[Overload::kReads];
    return Answer(request.reply_to, Reject(cairn::v1::REASON_OVERLOADED, "too many reads wait"),
                  effects);
  }
  const MonoMicros deadline = request.deadline;
  reads.Add(std::move(request), deadline);
}

void Group::Impl::OnLoaded(storage::ReadResult result, Effects& effects) {
  if (result.ticket & TailHub::kTicketBit) {
    hub.OnLoaded(result, effects);
  } else if (halted) {
    return;
  } else if (result.ticket & kChainTicketBit) {
    OnChainLoaded(std::move(result), effects);
  } else {
    const bool can_feed = feed.OnLoaded(std::move(result), core, effects.alarms);
    if (!can_feed && ticks_unable_to_feed == 0) ticks_unable_to_feed = 1;
  }
}

void Group::Impl::OnReadStates(const std::vector<consensus::ReadState>& states, Effects& effects) {
  for (const consensus::ReadState& read : states) {
    if (!refusals.OnReadState(read)) {
      reads.OnReadState(read);
      continue;
    }
    // A confirmed refusal needs nothing applied: it was judged on all that this leader has.
    for (Refusal& refusal : refusals.TakeApplied(read.index)) {
      Answer(refusal.to, std::move(refusal.reply), effects);
    }
  }
}

void Group::Impl::AnswerReads(TurnTime now, Effects& effects) {
  if (hides_applied) return;  // Readers that are told so now would not find it.
  for (ReadItem& item : reads.TakeApplied(state.applied_index())) {
    std::visit(Overloaded{
                   [&](Request& request) { AnswerRead(std::move(request), now, effects); },
                   [&](Confirmation& confirmation) {
                     hub.OnConfirmed(confirmation.asked, state.applied_index(), now, effects);
                   },
               },
               item);
  }
}

void Group::Impl::AnswerRead(Request request, TurnTime now, Effects& effects) {
  const ReplyTo to = request.reply_to;
  if (const auto* describe = std::get_if<DescribeOp>(&request.body)) {
    Answer(to, Described{Describe(describe->with_segments, now)}, effects);
  } else if (const auto* get = std::get_if<GetLeaseOp>(&request.body)) {
    if (!is_leader()) return Answer(to, NotLeader(), effects);
    Answer(to, LeaseView{state.DescribeLease(get->name, now), state.applied().last_seq}, effects);
  } else {
    CHECK(std::holds_alternative<SyncOp>(request.body));
    Answer(to, Done{}, effects);
  }
}

void Group::Impl::RefuseRead(ReadItem item, Effects& effects) {
  if (auto* request = std::get_if<Request>(&item)) {
    Answer(request->reply_to, NotLeader(), effects);
  }
}

cairn::v1::DescribeLogResponse Group::Impl::Describe(bool with_segments, TurnTime now) const {
  const LogFacts& facts = state.applied();
  cairn::v1::DescribeLogResponse response;
  response.set_name(name);
  response.set_log_id(id.value());
  *response.mutable_settings() = facts.settings;
  response.set_first_seq(facts.first_seq.value());
  response.set_last_seq(facts.last_seq.value());
  response.set_chain(facts.chain);
  response.set_timestamp_us(facts.timestamp_us);
  response.set_bytes(segments.bytes());
  response.set_leader_node_id(core.leader().value());
  response.set_term(core.term().value());
  response.set_producers(facts.producers.size());
  response.set_stale(!core.HasQuorumContact());
  const consensus::Membership& membership = core.membership();
  for (const NodeId node : membership.All()) {
    cairn::v1::ReplicaInfo& replica = *response.add_replicas();
    replica.set_node_id(node.value());
    if (node == core.self()) {
      replica.set_role(halted ? std::string("halted") : std::string(RoleName(core)));
      replica.set_match_index(core.persisted().value());
      continue;
    }
    if (node == core.leader()) replica.set_role("leader");
    if (const auto it = core.progress().find(node); is_leader() && it != core.progress().end()) {
      replica.set_role(membership.IsVoter(node) ? "follower" : "learner");
      replica.set_match_index(it->second.match().value());
    }
  }
  for (const auto& [lease_name, lease] : facts.leases.leases()) {
    *response.add_leases() = state.DescribeLease(lease_name, now);
  }
  const bool archived = IsArchived(facts.settings, config.limits.archive_logs);
  if (archived) response.mutable_archive()->set_on(true);
  for (const cairn::v1::RegisteredSnapshot& snapshot : facts.snapshots) {
    if (snapshot.name() == kArchiveSnapshot) {
      DescribeArchive(snapshot, *response.mutable_archive());
    } else {
      *response.add_snapshots() = snapshot;
    }
  }
  if (with_segments) segments.Describe(facts.last_seq, response);
  return response;
}

}  // namespace cairn::server
