// Group: entries that do not follow from what is held, and what comes of them (design 5.6).
//
// A follower computes the chain of new entries before they reach the core, so that nothing wrong
// is written or acknowledged. The core tells the leader, and the majority decides who is wrong
// (consensus/raft_suspect.cc). When the entry is committed nevertheless, a majority holds it,
// and with it all that comes before: this replica has something else, in memory or on disk, and
// is refilled.
//
//   refused, three times ──committed──► BeginRefill: answers what waits, takes nothing more
//        │ accepted                          │ the last write and read are done
//        ▼                                   ▼
//      forgotten                     FinishRefill: an empty log, Standing::kLost
//                                            │ the leader has made it whole (raft_standing.cc)
//                                            ▼
//                                          sound
//
// Why the whole log, and why that is safe: docs/decisions/013.
//
// The emptied log's row says `doubtful`, and so do all rows that are made before the replica is
// whole: otherwise a restart in between would find a log that looks sound, only shorter, and
// vote as if it had never acknowledged the rest. A group whose damaged end was cut off at the
// start (server/group_load.h) is marked in the same way.
//
// The catalog is not refilled in place: what it says was acted on. It is emptied on disk, halts,
// and begins anew with the process.

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/overloaded.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "server/group_impl.h"

namespace cairn::server {
namespace {

// Damage on the way does not come three times.
constexpr uint32_t kRefusalsToBelieve = 3;

// The position after a data entry, once it has proved to follow `before`.
absl::StatusOr<LogPosition> VerifyEntry(const consensus::Entry& entry, const LogPosition& before) {
  ASSIGN_OR_RETURN(const storage::EntryView view, storage::EntryView::Parse(entry.payload.view()));
  const storage::EntryHeader& header = view.header();
  if (header.first_seq != before.last_seq + 1) {
    return absl::DataLossError(fmt::format("entry {} begins with seq {}, expected {}", entry.index,
                                           header.first_seq, before.last_seq + 1));
  }
  if (const uint64_t chain = view.ComputeChain(before.chain); chain != header.chain) {
    return absl::DataLossError(fmt::format("entry {} has chain {:016x}, expected {:016x}",
                                           entry.index, header.chain, chain));
  }
  return LogPosition{header.last_seq(), header.chain, header.timestamp_us};
}

// The position after `entry`, once it has proved to follow `before`.
absl::StatusOr<LogPosition> Verify(const consensus::Entry& entry, const LogPosition& before) {
  switch (entry.kind) {
    case consensus::EntryKind::kData:
      return VerifyEntry(entry, before);
    case consensus::EntryKind::kConfig:
      RETURN_IF_ERROR(consensus::DecodeMembership(entry.payload.view()).status());
      return before;
    case consensus::EntryKind::kNoop:
      return before;
  }
  CHECK_UNREACHABLE();
}

}  // namespace

absl::Status Group::Impl::RefuseWrongEntries(consensus::AppendRequest& append) {
  if (append.entries.empty() || !core.terms().Matches(append.prev)) return absl::OkStatus();
  if (PLANTED(kChainNotChecked)) return absl::OkStatus();
  const Index applied = state.applied_index();
  LogPosition position = PositionAfterHeld(append.prev);
  for (size_t i = 0; i < append.entries.size(); ++i) {
    const consensus::Entry& entry = append.entries[i];
    if (entry.index <= applied) continue;  // Held already, and committed.
    const consensus::Position at{entry.term, entry.index};
    const auto after = Verify(entry, position);
    if (!after.ok()) {
      append.refused = at;
      append.entries.resize(i);
      return after.status();
    }
    position = *after;
    verified.emplace_back(at, position);
  }
  return absl::OkStatus();
}

void Group::Impl::OnRefused(NodeId from, consensus::Position wrong, Index commit,
                            const absl::Status& why, Effects& effects) {
  if (wrong != refused) refusals_running = 0;
  refused = wrong;
  if (++refusals_running == 1) {
    effects.alarms.push_back(fmt::format("log {} ({}): refused entries from node {}: {}", name, id,
                                         from, std::string(why.message())));
  }
  if (refusals_running < kRefusalsToBelieve || commit < wrong.index) return;
  // A replica that is still being filled has nothing of its own that could be wrong.
  if (refills > 0 && (doubtful || wrong == refilled_for)) {
    if (refusals_running > kRefusalsToBelieve) return;
    effects.alarms.push_back(fmt::format(
        "log {} ({}): entry {} of node {} is refused although this replica was refilled "
        "for it: what that node sends is wrong",
        name, id, wrong.index, from));
    return;
  }
  refilled_for = wrong;
  effects.alarms.push_back(
      fmt::format("log {} ({}): a majority holds entry {} and this replica refuses it: the replica "
                  "is emptied and refilled",
                  name, id, wrong.index));
  BeginRefill(effects);
}

Rejection Group::Impl::Refilling() const {
  return Reject(cairn::v1::REASON_NOT_READY, "this replica of the log is being refilled");
}

void Group::Impl::BeginRefill(Effects& effects) {
  CHECK(!is_leader());
  Hit(Mark::kRefilled);
  refilling = true;
  halted = true;
  RefuseAll(Refilling(), effects);
  pending_write.reset();
}

void Group::Impl::HandleRefilling(Event event, Effects& effects) {
  std::visit(Overloaded{
                 [&](Request& in) { Answer(in.reply_to, Refilling(), effects); },
                 [&](TailOpen& in) {
                   effects.ends.push_back({in.sink, in.token, {Refilling()}});
                 },
                 [&](Drain&) { draining = true; },
                 // Nothing of before counts any more; peers send again.
                 [](auto&) {},
             },
             event);
}

void Group::Impl::MarkRows(bool is_doubtful) {
  doubtful = is_doubtful;
  for (size_t i = 0; i < segments.size(); ++i) {
    cairn::v1::GroupSnapshot snapshot;
    CHECK(snapshot.ParseFromString(segments.row(i).state));  // It did when it came here.
    if (snapshot.doubtful() == is_doubtful) continue;
    snapshot.set_doubtful(is_doubtful);
    segments.SetState(i, snapshot.SerializeAsString());
    PendingWrite().segments.push_back(segments.row(i));
  }
}

void Group::Impl::FollowStanding(Effects& effects) {
  if (doubtful && core.standing() == consensus::Standing::kSound) MarkRows(false);
  if (core.suspect() && !std::exchange(suspicion_told, true)) {
    effects.alarms.push_back(
        fmt::format("log {} ({}): a majority refuses entry {} of this node: it stepped down and "
                    "does not lead this log again before it is restarted",
                    name, id, core.suspect()->index));
  }
}

}  // namespace cairn::server
