// Group, every replica's side: the core's writes and messages, applying, segments, snapshots.

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/overloaded.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "consensus/quorum.h"
#include "server/group_impl.h"

namespace cairn::server {
LogPosition PositionAfterEntry(const consensus::Entry& entry, const LogPosition& before,
                               storage::StoredEntry* stored) {
  if (entry.kind != consensus::EntryKind::kData) return before;
  // Checked where it came in: built here, or by RefuseWrongEntries.
  const auto header = storage::ParseEntryHeader(entry.payload.view());
  CHECK(header.ok());
  if (stored != nullptr) {
    stored->first_seq = header->first_seq;
    stored->record_count = header->record_count;
    stored->timestamp_us = header->timestamp_us;
  }
  return {header->last_seq(), header->chain, header->timestamp_us};
}

void Group::Impl::OnMessage(consensus::Message message, TurnTime now, Effects& effects) {
  if (halted) return;
  if (const auto* answer = std::get_if<consensus::HeartbeatResponse>(&message.body);
      answer != nullptr && answer->wall_us != 0 && is_leader() && message.term == core.term()) {
    clocks.Hear(message.from, answer->wall_us, now.mono);
    // Samples grow old before the next slow tick.
    if (core.asleep()) FollowClock(now, effects);
  }
  if (auto* snapshot = std::get_if<consensus::SnapshotRequest>(&message.body)) {
    if (const absl::Status useless = ReadSnapshot(*snapshot); !useless.ok()) {
      effects.alarms.push_back(fmt::format("log {} ({}): a snapshot from node {} is of no use: {}",
                                           name, id, message.from, std::string(useless.message())));
      return;
    }
  }
  if (const auto* offer = std::get_if<consensus::RunOffer>(&message.body)) {
    if (!CheckOffer(*offer).ok()) return;  // The leader hears of no fetching, and sends entries.
    offered = *offer;
  }
  auto* append = std::get_if<consensus::AppendRequest>(&message.body);
  if (append != nullptr && core.terms().Before().index > state.applied_index()) {
    // A snapshot came in this same turn, after a pause for instance. What follows it is verified
    // from where it ends, so it is installed first.
    TakeReady(now, effects);
    if (halted) return;
  }
  const absl::Status status = append != nullptr ? RefuseWrongEntries(*append) : absl::OkStatus();
  if (status.ok()) {
    core.Step(std::move(message));
    if (!ledger.empty() && is_leader()) ledger.OnReplicated(ReplicatedByOthers(), now.mono);
    return;
  }
  const NodeId from = message.from;
  const consensus::Position wrong = append->refused;
  const Index commit = append->commit;
  const bool of_this_term = message.term >= core.term();
  core.Step(std::move(message));
  if (of_this_term) OnRefused(from, wrong, commit, status, effects);
}

absl::Status Group::Impl::ReadSnapshot(consensus::SnapshotRequest& request) const {
  ASSIGN_OR_RETURN(const cairn::v1::GroupSnapshot snapshot,
                   DecodeSnapshot(request.snapshot, request.position));
  ASSIGN_OR_RETURN(request.membership, consensus::DecodeMembership(snapshot.membership()));
  return absl::OkStatus();
}

absl::StatusOr<cairn::v1::GroupSnapshot> Group::Impl::DecodeSnapshot(
    const Bytes& bytes, consensus::Position expected) const {
  // (The catalog's log is never trimmed, so nobody has one of it.)
  cairn::v1::GroupSnapshot snapshot;
  if (catalog != nullptr ||
      !snapshot.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("it does not parse, or is of the catalog");
  }
  const consensus::Position position{Term(snapshot.term()), Index(snapshot.index())};
  if (position != expected || GroupId(snapshot.state().log_id()) != id) {
    return absl::DataLossError(fmt::format("it is of log {} at {}, expected {}",
                                           snapshot.state().log_id(), consensus::ToString(position),
                                           consensus::ToString(expected)));
  }
  RETURN_IF_ERROR(LogFacts::FromSnapshot(snapshot.state()).status());
  RETURN_IF_ERROR(consensus::DecodeMembership(snapshot.membership()).status());
  return snapshot;
}

LogPosition Group::Impl::PositionAfterHeld(const consensus::Position& at) const {
  if (at.index <= state.applied_index()) return PositionOf(state.applied());
  for (auto it = verified.rbegin(); it != verified.rend(); ++it) {
    if (it->first == at) return it->second;
  }
  const auto position = hub.PositionAfter(at.index);
  CHECK(position.has_value());  // What is held and not applied is in the ring.
  return *position;
}

void Group::Impl::TakeReady(TurnTime now, Effects& effects) {
  consensus::Ready ready = core.TakeReady();
  // The write first: messages may name entries that it puts into the ring.
  if (ready.write) DoWrite(std::move(*ready.write), now, effects);
  verified.clear();
  if (halted) return;
  SendMessages(std::move(ready.messages), now, effects);
  if (ready.fetch) WantFetch(*ready.fetch, effects);
  ApplyCommitted(now, effects);
  OnReadStates(ready.read_states, effects);
}

void Group::Impl::DoWrite(consensus::Write write, TurnTime now, Effects& effects) {
  FlushPendingWrite(effects);
  storage::GroupWrite out;
  out.group = id;
  if (write.hard_state) {
    out.hard_state = {write.hard_state->term, write.hard_state->vote, write.hard_state->commit};
  }
  if (write.install) {
    InstallSnapshot(*write.install, now, effects);
    if (halted) return;
    out.install = segments.first();
  }
  if (run && !write.entries.empty()) {
    const consensus::Entry& last = write.entries.back();
    TakeRun({last.term, last.index}, now, effects, out);
    write.entries.clear();
  }
  out.entries.reserve(write.entries.size());
  LogPosition position = hub.last_position();
  if (!write.entries.empty() && write.entries.front().index <= hub.last_index()) {
    const auto before = hub.PositionAfter(write.entries.front().index.Previous());
    CHECK(before.has_value());  // A replaced suffix is uncommitted, so it is in the ring.
    position = *before;
  }
  for (consensus::Entry& entry : write.entries) {
    storage::StoredEntry stored;
    stored.index = entry.index;
    stored.term = entry.term;
    stored.kind = static_cast<uint8_t>(entry.kind);
    stored.payload = entry.payload;
    position = PositionAfterEntry(entry, position, &stored);
    out.entries.push_back(std::move(stored));
    hub.Push(std::move(entry), position);
  }
  effects.writes.push_back(std::move(out));
  effects.write_ids.push_back(write.id);
}

storage::SegmentRow Group::Impl::RowOf(cairn::v1::GroupSnapshot snapshot,
                                       consensus::Position position, const LogFacts& facts) const {
  snapshot.set_doubtful(doubtful);
  storage::SegmentRow row;
  row.before_index = position.index;
  row.before_term = position.term;
  row.first_seq = facts.last_seq + 1;
  row.timestamp_us = facts.timestamp_us;
  row.chain_before = facts.chain;
  row.state = snapshot.SerializeAsString();
  return row;
}

void Group::Impl::InstallSnapshot(const consensus::Write::InstallSnapshot& install, TurnTime now,
                                  Effects& effects) {
  // ReadSnapshot has seen to all of this when it arrived.
  auto snapshot = DecodeSnapshot(install.snapshot, install.position);
  CHECK(snapshot.ok());
  auto facts = LogFacts::FromSnapshot(snapshot->state());
  CHECK(facts.ok());
  segments.Reset(RowOf(*std::move(snapshot), install.position, *facts));
  pending_write.reset();

  state.Reset(std::move(*facts), install.position.index, now);
  if (core.applied() < install.position.index) core.OnApplied(install.position.index);
  hub.Reset(install.position.index, PositionOf(state.applied()));
  hub.OnTrimmed(state.applied().first_seq, effects);
  hub.OnApplied(install.position.index, PositionOf(state.applied()), effects);
  if (waiters.size() > 0) Hit(Mark::kSnapshotSkipsWaiters);
  waiters.OnSkipped(install.position.index, effects.replies);
}

void Group::Impl::SendMessages(std::vector<consensus::Message> messages, TurnTime now,
                               Effects& effects) {
  for (consensus::Message& message : messages) {
    if (auto* append = std::get_if<consensus::AppendRequest>(&message.body)) {
      if (auto offer = OfferRun(message.to, *append)) {
        message.body = *std::move(offer);
      } else if (!feed.Fill(message.to, *append, hub, core, effects.reads)) {
        continue;
      }
    } else if (auto* snapshot = std::get_if<consensus::SnapshotRequest>(&message.body)) {
      const storage::SegmentRow& row = segments.first();
      CHECK_EQ(snapshot->position.index, row.before_index);
      snapshot->snapshot = Bytes(row.state);
      if (PLANTED(kSnapshotAtApplied)) {
        const storage::SegmentRow applied = MakeRow();
        snapshot->position = {applied.before_term, applied.before_index};
        snapshot->snapshot = Bytes(applied.state);
      }
    } else if (auto* answer = std::get_if<consensus::HeartbeatResponse>(&message.body)) {
      answer->wall_us = now.wall;
      answer->fetching = IsFetching();
      answer->full = room != storage::Room::kEnough;
      answer->no_room = room == storage::Room::kNone;
    } else if (auto* response = std::get_if<consensus::AppendResponse>(&message.body)) {
      response->takes_runs = config.run_bytes > 0 && catalog == nullptr;
      response->full = room != storage::Room::kEnough;
      response->no_room = room == storage::Room::kNone;
    }
    effects.messages.push_back({id, std::move(message)});
  }
}

void Group::Impl::ApplyCommitted(TurnTime now, Effects& effects) {
  const Index before = state.applied_index();
  const Index commit = core.commit();
  ledger.OnCommitted(commit, now.mono);
  while (state.applied_index() < commit) {
    const TailHub::Slot* slot = hub.Find(state.applied_index() + 1);
    CHECK(slot != nullptr);  // Entries leave the ring only after they are applied.
    MaybeSeal();
    if (!ApplyOne(*slot, now, effects)) return;
    if (pending_write && !pending_write->segments.empty() && PLANTED(kRowOneEntryLate)) {
      pending_write->segments.back().state = MakeRow().state;
    }
  }
  ledger.Settle(effects.tally);
  if (state.applied_index() == before) return;
  core.OnApplied(state.applied_index());
  ShowApplied(effects);
  UpdateEvictable();
  MaybeTrim(effects);
}

bool Group::Impl::ApplyOne(const TailHub::Slot& slot, TurnTime now, Effects& effects) {
  const consensus::Entry& entry = slot.entry;
  if (entry.kind == consensus::EntryKind::kData) {
    const absl::Status status = state.Apply(entry.index, entry.payload.view(), now);
    if (!status.ok()) {
      Halt(status, effects);
      return false;
    }
    const auto view = storage::EntryView::Parse(entry.payload.view());
    CHECK(view.ok());
    ApplyItems(entry.index, *view);
    if (catalog != nullptr && !ApplyCatalog(*view, effects)) return false;
  } else {
    state.ApplyEmpty(entry.index);
  }
  segments.OnApplied(entry.index, entry.payload.size());
  feed.OnApplied(entry.payload.size());
  if (!is_leader() && waiters.size() > 0) Hit(Mark::kWaitersOutliveTerm);
  const size_t before = effects.replies.size();
  waiters.OnApplied(entry.index, entry.term, NotLeader(), effects.replies);
  if (!ledger.empty()) FillInTimes(before, effects);
  return true;
}

Index Group::Impl::ReplicatedByOthers() const {
  return Index(consensus::QuorumValue(core.membership(), [this](NodeId voter) {
    if (voter == core.self()) return core.last().index.value();
    const auto found = core.progress().find(voter);
    const bool counts = found != core.progress().end() && !found->second.unsound();
    return counts ? found->second.match().value() : 0;
  }));
}

// What an entry means to the parts around the state machine.
void Group::Impl::ApplyItems(Index index, const storage::EntryView& view) {
  if (!view.has_items()) return;
  const auto items = view.Items();
  CHECK(items.ok());
  for (const cairn::v1::EntryItem& item : items->items()) {
    if (!item.has_renew()) continue;
    cairn::v1::LeaseRenewedMark mark;
    mark.set_name(item.renew().name());
    mark.set_epoch(item.renew().epoch());
    hub.OnRenewed(index, mark);
  }
}

bool Group::Impl::ApplyCatalog(const storage::EntryView& view, Effects& effects) {
  absl::Status status;
  view.ForEachRecord([&](uint32_t offset, std::string_view serialized) {
    cairn::v1::Record record;
    if (!status.ok()) return;
    if (!record.ParseFromArray(serialized.data(), static_cast<int>(serialized.size()))) {
      status = absl::DataLossError("a record of the catalog does not parse");
      return;
    }
    if (record.kind() != cairn::v1::RECORD_KIND_CATALOG) return;
    auto change = catalog->Apply(view.header().first_seq + offset, record.payload());
    if (!change.ok()) {
      status = change.status();
    } else {
      effects.catalog.push_back(*std::move(change));
    }
  });
  if (status.ok()) return true;
  Halt(status, effects);
  return false;
}

storage::SegmentRow Group::Impl::MakeRow() const {
  const LogFacts& facts = state.applied();
  const Index index = state.applied_index();
  const std::optional<Term> term = core.terms().At(index);
  CHECK(term.has_value());
  cairn::v1::GroupSnapshot snapshot;
  snapshot.set_index(index.value());
  snapshot.set_term(term->value());
  const Index as_of = PLANTED(kSnapshotOfOldMembers) ? core.terms().Before().index : index;
  snapshot.set_membership(consensus::EncodeMembership(core.MembershipAt(as_of)));
  *snapshot.mutable_state() = facts.ToSnapshot();
  snapshot.set_doubtful(doubtful);

  storage::SegmentRow row;
  row.before_index = index;
  row.before_term = *term;
  row.first_seq = facts.last_seq + 1;
  row.timestamp_us = facts.timestamp_us;
  row.chain_before = facts.chain;
  row.state = snapshot.SerializeAsString();
  return row;
}

void Group::Impl::MaybeSeal() {
  // A start applies what follows the newest row, and no row holds the catalog's own state: it
  // stays one segment, so that a start applies all of it.
  if (catalog != nullptr) return;
  if (!segments.SealDue(state.applied().settings, state.applied().timestamp_us)) return;
  storage::SegmentRow row = MakeRow();
  PendingWrite().segments.push_back(row);
  segments.Seal(std::move(row));
  Hit(Mark::kSealed);
}

void Group::Impl::MaybeTrim(Effects& effects) {
  const LogFacts& facts = state.applied();
  if (catalog != nullptr) return;
  hub.OnTrimmed(facts.first_seq, effects);
  if (segments.SealForTrim(facts.first_seq, facts.last_seq)) {
    storage::SegmentRow row = MakeRow();
    PendingWrite().segments.push_back(row);
    segments.Seal(std::move(row));
  }
  DropTrimmed();
}

// Entries that a majority committed and this node's disk does not hold yet are kept until it
// does: the core's log never begins after what is persisted.
void Group::Impl::DropTrimmed() {
  if (catalog != nullptr) return;
  const std::optional<Index> point =
      segments.TrimPoint(state.applied().first_seq, core.persisted());
  if (!point) return;
  Hit(Mark::kTrimmed);
  segments.TrimTo(*point);
  PendingWrite().trim_to = *point;
  core.OnTrimmed({segments.first().before_term, *point});
}

storage::GroupWrite& Group::Impl::PendingWrite() {
  if (!pending_write) {
    pending_write.emplace();
    pending_write->group = id;
  }
  return *pending_write;
}

void Group::Impl::FlushPendingWrite(Effects& effects) {
  if (!pending_write) return;
  effects.writes.push_back(std::move(*pending_write));
  effects.write_ids.push_back(0);
  pending_write.reset();
}

void Group::Impl::UpdateEvictable() {
  hub.SetEvictable(std::min(core.persisted(), state.applied_index()));
}

void Group::Impl::Halt(const absl::Status& why, Effects& effects) {
  halted = true;
  effects.alarms.push_back(fmt::format("log {} ({}): halted on this node after index {}: {}", name,
                                       id, state.applied_index(), std::string(why.message())));
  if (state.leading()) state.EndTerm();
  const Rejection rejection = Reject(cairn::v1::REASON_LOG_HALTED, std::string(why.message()));
  // Nothing ticks from now on, so nobody may be left waiting.
  RefuseAll(rejection, effects);
}

Rejection Group::Impl::HaltedHere() const {
  return Reject(cairn::v1::REASON_LOG_HALTED,
                "this replica of the log is halted since its state contradicts itself; see the "
                "node's log, and ask another replica");
}

}  // namespace cairn::server
