#include "server/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "server/group_impl.h"
#include "server/group_origin.h"

namespace cairn::server {
namespace {

// A forward jump of the wall clock stops retention by age for this long (design 5.7).
constexpr int64_t kAgeRetentionPauseUs = 3600 * kMicrosPerSecond;
constexpr int64_t kClockJumpUs = 10 * kMicrosPerSecond;
// Election timeouts between two tries to have somebody else lead.
constexpr uint32_t kTimeoutsPerTry = 10;

consensus::Entry ToEntry(storage::StoredEntry stored) {
  return {.index = stored.index,
          .term = stored.term,
          .kind = static_cast<consensus::EntryKind>(stored.kind),
          .payload = std::move(stored.payload)};
}

}  // namespace

Group::Impl::Impl(GroupConfig config_in, GroupStart start, consensus::RaftCore core_in,
                  LogState state_in, CacheBudget* budget_in, Random* random_in, Catalog* catalog_in,
                  Index last, LogPosition after)
    : config(config_in),
      id(start.group),
      name(std::move(start.name)),
      core(std::move(core_in)),
      state(std::move(state_in)),
      budget(budget_in),
      random(random_in),
      hub(id, budget, last, after),
      waiters(config.max_waiters),
      segments(config.segment_bytes),
      feed(id, {config.append_message_bytes, config.fill_message_bytes}),
      reads((random->Next() >> 2) * 2 + 2, 2),
      refusals((random->Next() >> 2) * 2 + 1, 2),
      catalog(catalog_in),
      wanted_settings(std::move(start.settings)),
      base(std::move(start.base)),
      clocks(config.raft.self, ReadTimeout()) {}

Group::Group(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Group::~Group() = default;

absl::StatusOr<std::unique_ptr<Group>> Group::Create(GroupConfig config, GroupStart start,
                                                     CacheBudget* budget, Random* random,
                                                     Catalog* catalog, TurnTime now) {
  const bool is_new = !start.stored.has_value();
  config.raft.tick_us = config.tick_us;
  ASSIGN_OR_RETURN(GroupOrigin origin, OriginOf(start));
  const bool doubtful = origin.doubtful;
  config.raft.standing = origin.standing;
  if (is_new && !start.initial_voters.empty()) {
    // A different one for each log, so that new logs are led from everywhere.
    const std::vector<NodeId>& voters = start.initial_voters;
    config.raft.first_mover = voters[start.group.value() % voters.size()] == config.raft.self;
  }
  const LogPosition base = PositionOf(origin.facts);
  const Index base_index = origin.raft.applied;
  std::vector<storage::StoredEntry> recent = std::move(start.recent);
  const std::vector<uint64_t> segment_bytes = std::move(start.segment_bytes);
  std::vector<storage::SegmentRow> rows;
  if (is_new) {
    rows.push_back(std::move(origin.first_row));
  } else {
    rows = std::move(start.stored->segments);
  }

  consensus::RaftCore core(config.raft, std::move(origin.raft), random);
  LogState state(std::move(origin.facts), base_index, config.limits);
  auto impl = std::make_unique<Impl>(config, std::move(start), std::move(core), std::move(state),
                                     budget, random, catalog, base_index, base);
  if (is_new) impl->PendingWrite().install = rows.front();
  for (size_t i = 0; i < rows.size(); ++i) {
    // The last one's bytes are counted as its entries are applied again.
    const bool known = i + 1 < rows.size() && i < segment_bytes.size();
    impl->segments.Restore(std::move(rows[i]), known ? segment_bytes[i] : 0);
  }
  if (doubtful) impl->MarkRows(true);
  LogPosition position = base;
  for (storage::StoredEntry& stored : recent) {
    consensus::Entry entry = ToEntry(std::move(stored));
    // The store's checksum vouched for the bytes; a header that does not parse is a newer format.
    if (entry.kind == consensus::EntryKind::kData) {
      RETURN_IF_ERROR(storage::EntryView::Parse(entry.payload.view()).status());
    }
    position = PositionAfterEntry(entry, position, nullptr);
    impl->hub.Push(std::move(entry), position);
  }
  if (!is_new) impl->state.Reset(LogFacts(impl->state.applied()), base_index, now);
  // What is known to be committed is applied before anybody can ask.
  Effects effects;
  impl->ApplyCommitted(now, effects);
  if (impl->halted) return absl::DataLossError(effects.alarms.front());
  auto group = std::unique_ptr<Group>(new Group(std::move(impl)));
  group->impl_->initial_changes = std::move(effects.catalog);
  return group;
}

void Group::FinishRefill(TurnTime now, Effects& effects) {
  Impl& old = *impl_;
  old.refilling = false;
  GroupStart start;
  start.group = old.id;
  start.name = old.name;
  start.settings = old.wanted_settings;
  start.base = old.base;
  // As of the first kept entry: the oldest that is known. What the leader sends says the rest.
  GroupOrigin origin =
      EmptyOrigin(start, old.core.MembershipAt(old.core.terms().Before().index), /*doubtful=*/true);
  // Its vote is not forgotten.
  origin.raft.hard_state = {old.core.term(), old.core.vote(), Index()};
  storage::GroupWrite empty;
  empty.group = old.id;
  empty.install = origin.first_row;
  empty.hard_state = {old.core.term(), old.core.vote(), Index()};
  if (old.catalog != nullptr) {
    old.pending_write = std::move(empty);
    effects.alarms.push_back("the catalog of this node is emptied: restart the node");
    return;
  }
  GroupConfig config = old.config;
  config.raft.standing = consensus::Standing::kLost;
  config.raft.first_mover = false;
  const LogPosition base = PositionOf(origin.facts);
  consensus::RaftCore core(config.raft, std::move(origin.raft), old.random);
  LogState state(std::move(origin.facts), Index(), config.limits);
  auto impl = std::make_unique<Impl>(config, std::move(start), std::move(core), std::move(state),
                                     old.budget, old.random, nullptr, Index(), base);
  impl->pending_write = std::move(empty);
  impl->segments.Restore(std::move(origin.first_row), 0);
  impl->state.Reset(LogFacts(impl->state.applied()), Index(), now);
  impl->doubtful = true;
  impl->draining = old.draining;
  impl->refilled_for = old.refilled_for;
  impl->refills = old.refills + 1;
  impl->fetches = old.fetches;
  impl_ = std::move(impl);
}

void Group::Handle(Event event, TurnTime now, storage::Room room, Effects& effects) {
  const Impl::Before before(effects);
  impl_->Handle(std::move(event), now, room, effects);
  impl_->FollowEffects(before, effects);
}

bool Group::Finish(TurnTime now, bool gather, Effects& effects) {
  const Impl::Before before(effects);
  if (impl_->refilling && impl_->writes_in_flight == 0 && impl_->reads_in_flight == 0) {
    FinishRefill(now, effects);
  }
  impl_->Finish(now, gather, effects);
  impl_->FollowEffects(before, effects);
  return gather && impl_->WantsToPropose();
}

void Group::Shutdown(const Rejection& why, Effects& effects) { impl_->RefuseAll(why, effects); }
void Group::SetSettings(const cairn::v1::LogSettings& settings) {
  impl_->wanted_settings = settings;
  // The leader proposes them now, also if the group is asleep.
  if (impl_->state.leading()) impl_->housekeeping = true;
}
void Group::OnHandedOut(MonoMicros when) { impl_->ledger.OnHandedOut(when); }
MonoMicros Group::NextTick() const { return impl_->NextTick(); }
GroupId Group::id() const { return impl_->id; }
GroupView Group::View() const { return impl_->View(); }
const consensus::RaftCore& Group::core() const { return impl_->core; }
const LogState& Group::state() const { return impl_->state; }

void Group::CheckInvariants() const {
  const Impl& impl = *impl_;
  impl.core.CheckInvariants();
  if (impl.halted) return;
  // Every append that was handed out was sent or put off: else nothing would go there again.
  for (const auto& [peer, progress] : impl.core.progress()) CHECK(!progress.filling());
  CHECK_EQ(impl.hub.last_index(), impl.core.last().index);
  CHECK_LE(impl.state.applied_index(), impl.core.commit());
  CHECK_EQ(impl.state.applied_index(), impl.core.applied());
  CHECK_LE(impl.segments.first().before_index, impl.state.applied_index());
  CHECK_EQ(impl.segments.first().before_index, impl.core.terms().Before().index);
  CHECK_EQ(impl.segments.first().before_term, impl.core.terms().Before().term);
}

void Group::Impl::FollowEffects(const Before& before, Effects& effects) {
  for (size_t i = before.writes; i < effects.write_ids.size(); ++i) {
    if (effects.write_ids[i] != 0) ++writes_in_flight;
  }
  reads_in_flight += effects.reads.size() - before.reads;
  for (size_t i = before.ends; i < effects.ends.size(); ++i) {
    if (effects.ends[i].end.rejection) Name(*effects.ends[i].end.rejection);
  }
}

void Group::Impl::Handle(Event event, TurnTime now, storage::Room room_now, Effects& effects) {
  room = room_now;
  core.SetTime(now.mono);
  if (const auto* done = std::get_if<Persisted>(&event); done != nullptr && done->write_id != 0) {
    CHECK_GT(writes_in_flight, 0u);
    --writes_in_flight;
  }
  if (std::holds_alternative<Loaded>(event)) {
    CHECK_GT(reads_in_flight, 0u);
    --reads_in_flight;
  }
  if (refilling) return HandleRefilling(std::move(event), effects);
  std::visit(Overloaded{
                 [&](Request& in) { OnRequest(std::move(in), now, effects); },
                 [&](PeerMessage& in) { OnMessage(std::move(in.message), now, effects); },
                 [&](Persisted& in) {
                   if (in.write_id != 0) core.OnPersisted(in.write_id);
                   ledger.OnDurable(core.persisted(), in.at);
                   ledger.Settle(effects.tally);
                   UpdateEvictable();
                   DropTrimmed();
                   if (hides_applied) ShowApplied(effects);
                 },
                 [&](Loaded& in) { OnLoaded(std::move(in.result), effects); },
                 [&](Fetched& in) { OnFetched(std::move(in), now, effects); },
                 [&](Tick&) { OnTick(now, effects); },
                 [&](TailOpen& in) { OnTailOpen(in, now, effects); },
                 [&](TailCredit& in) { hub.Credit(in, effects); },
                 [&](TailClose& in) { hub.Close(in, effects); },
                 [&](LinkChange& in) { OnLinkChange(in); },
                 [&](Drain&) {
                   draining = true;
                   hub.EndAll(Reject(cairn::v1::REASON_SHUTTING_DOWN, "the node is stopping"),
                              effects);
                 },
             },
             event);
}

void Group::Impl::Finish(TurnTime now, bool gather, Effects& effects) {
  core.SetTime(now.mono);
  if (!initial_changes.empty()) {
    for (CatalogChange& change : initial_changes) effects.catalog.push_back(std::move(change));
    initial_changes.clear();
  }
  if (halted) {
    FlushPendingWrite(effects);
    return;
  }
  // Each pass can only be caused by the one before: a proposal brings a Ready, a commit
  // brings a role or more proposals. A handful of passes always ends it.
  do {
    FollowStanding(effects);
    FollowRole(now, effects);
    if (!gather) ProposeWaiting(now, effects);
    refusals.Begin(now.mono, ReadTimeout(), core);
    if (PLANTED(kCaughtUpUnconfirmed)) {
      hub.OnConfirmed(now.mono, state.applied_index(), now, effects);
    }
    if (confirm_soon && hub.WantsConfirmation()) {
      reads.Add(Confirmation{now.mono}, now.mono + ReadTimeout());
    }
    confirm_soon = false;
    reads.Begin(now.mono, ReadTimeout(), core);
    TakeReady(now, effects);
    AnswerReads(now, effects);
  } while (!halted && core.HasReady());
  FollowTransfer(now.mono, effects);
  if (catalog != nullptr && !halted) TellConfirmed(effects);
  FlushPendingWrite(effects);
  hub.Shrink();
}

void Group::Impl::OnTick(TurnTime now, Effects& effects) {
  if (halted) return;
  const int64_t offset = now.wall - now.mono;
  if (clock_offset_us && offset > *clock_offset_us + kClockJumpUs) {
    age_retention_from = now.mono + kAgeRetentionPauseUs;
  }
  clock_offset_us = offset;

  // A tail's heartbeat or a lease's deadline is no slow tick of the core's.
  if (!core.asleep() || now.mono >= core_ticked_at + config.slow_tick_us) {
    core_ticked_at = now.mono;
    core.Tick();
  }
  const size_t before = effects.replies.size();
  waiters.Expire(now.mono, effects.replies);
  FillInTimes(before, effects);
  ExpireWaiting(now.mono, effects);
  for (Refusal& refusal : refusals.Expire(now.mono)) Answer(refusal.to, NotLeader(), effects);
  for (ReadItem& item : reads.Expire(now.mono)) RefuseRead(std::move(item), effects);
  confirm_soon = true;
  if (state.leading() && (state.HousekeepingDue(now) || RetentionFirstSeq(now))) {
    housekeeping = true;
  }
  hub.OnTick(now, !core.HasQuorumContact(), effects);
  GiveLeadershipAway();
  FollowClock(now, effects);
  MeasureLags(now);
}

// What may come of time alone: while the group hibernates, little.
MonoMicros Group::Impl::NextTick() const {
  const bool busy = !core.asleep() || draining || refilling || housekeeping || confirm_soon ||
                    WantsToPropose() || waiters.size() > 0 || reads.size() > 0 ||
                    refusals.size() > 0 || !chain_checks.empty() || transfer ||
                    ticks_unable_to_feed > 0 || hub.WantsConfirmation();
  if (busy) return 0;
  MonoMicros next = core_ticked_at + config.slow_tick_us;
  if (const auto expiry = state.NextExpiry()) next = std::min(next, *expiry);
  if (const auto heartbeat = hub.NextHeartbeat()) next = std::min(next, *heartbeat);
  return next;
}

void Group::Impl::MeasureLags(TurnTime now) {
  lags.clear();
  if (!is_leader()) return;
  for (const auto& [peer, progress] : core.progress()) {
    PeerLag lag{.peer = peer};
    if (progress.match() < core.last().index) {
      lag.entries = core.last().index - progress.match();
      lag.bytes = hub.BytesAfter(progress.match());
      const std::optional<int64_t> since_us = hub.OldestAfter(progress.match());
      if (since_us) lag.us = std::max<int64_t>(0, now.wall - *since_us);
    }
    lags.push_back(lag);
  }
}

// At every moment while the node stops; now and then while somebody else could serve a peer that
// this leader cannot, since each try refuses proposals until it succeeds or times out.
void Group::Impl::GiveLeadershipAway() {
  if (!is_leader()) ticks_unable_to_feed = 0;
  bool due = draining;
  if (ticks_unable_to_feed > 0) {
    due = due || (ticks_unable_to_feed - 1) % (kTimeoutsPerTry * config.raft.election_ticks) == 0;
    ++ticks_unable_to_feed;
  }
  if (due && is_leader() && !core.transferring()) core.TransferLeadership(NodeId());
}

void Group::Impl::OnLinkChange(const LinkChange& change) {
  switch (change.state) {
    case LinkChange::State::kUp:
      core.OnLinkUp(change.peer);
      return;
    case LinkChange::State::kDown:
      core.OnLinkDown(change.peer);
      core.OnUnreachable(change.peer);
      return;
    case LinkChange::State::kGone:
      core.OnLinkDown(change.peer);
      core.OnUnreachable(change.peer);
      if (core.leader() == change.peer) core.OnLeaderGone();
      return;
    case LinkChange::State::kSilent:
      core.OnNodeSilent(change.peer);
      return;
    case LinkChange::State::kHeard:
      core.OnNodeHeard(change.peer);
      return;
  }
}

void Group::Impl::RefuseAll(const Rejection& why, Effects& effects) {
  for (Waiting& item : waiting) Answer(item.request.reply_to, why, effects);
  waiting.clear();
  waiting_bytes = 0;
  // These were proposed: the others may commit them yet, so nobody may take the answer for
  // "nothing was done" and try again.
  Rejection unknown = why;
  unknown.info.set_reason(cairn::v1::REASON_OUTCOME_UNKNOWN);
  waiters.Clear(unknown, effects.replies);
  for (Refusal& refusal : refusals.TakeAll()) Answer(refusal.to, why, effects);
  for (ReadItem& item : reads.TakeAll()) {
    if (auto* request = std::get_if<Request>(&item)) Answer(request->reply_to, why, effects);
  }
  for (auto& [ticket, check] : chain_checks) Answer(check.request.reply_to, why, effects);
  chain_checks.clear();
  if (transfer) Answer(transfer->reply_to, why, effects);
  transfer.reset();
  hub.EndAll(why, effects);
}

bool Group::Impl::IsConfirmed() const {
  return core.leader() != NodeId{} && core.terms().At(core.commit()) == core.term();
}

void Group::Impl::TellConfirmed(Effects& effects) {
  if (told_confirmed || state.applied_index() < core.commit() || !IsConfirmed()) return;
  told_confirmed = true;
  CatalogChange change;
  change.kind = CatalogChange::Kind::kConfirmed;
  effects.catalog.push_back(std::move(change));
}

GroupView Group::Impl::View() const {
  GroupView view;
  view.group = id;
  view.name = name;
  view.role = core.role();
  view.halted = halted && !refilling;
  view.suspect = core.suspect().has_value();
  view.refills = refills;
  view.standing = core.standing();
  view.term = core.term();
  view.leader = core.leader();
  view.commit = core.commit();
  view.applied = state.applied_index();
  view.last = core.last().index;
  view.first_seq = state.applied().first_seq;
  view.last_seq = state.applied().last_seq;
  view.chain = state.applied().chain;
  view.voters = core.membership().voters;
  view.learners = core.membership().learners;
  view.joint = core.membership().joint();
  view.membership_version = core.membership().version;
  view.membership_committed = core.MembershipCommitted();
  view.stale = !core.HasQuorumContact();
  view.tail_lag_records = hub.slowest_tail();
  view.hibernating = core.asleep();
  view.confirmed = IsConfirmed();
  view.applied_bytes = segments.applied_bytes();
  view.archived =
      id != kCatalogGroup && IsArchived(state.applied().settings, config.limits.archive_logs);
  if (const auto* archive = state.applied().FindSnapshot(kArchiveSnapshot)) {
    view.archived_seq = Seq(archive->seq());
    view.archived_chain = archive->chain();
  }
  if (is_leader()) {
    for (const NodeId voter : view.voters) {
      const auto it = core.progress().find(voter);
      if (voter == core.self() || it == core.progress().end()) continue;
      view.lag_entries = std::max(view.lag_entries, view.last - it->second.match());
    }
    view.clock_deviation_us = clock_deviation_us;
    view.lags = lags;
    view.leases_held = state.applied().leases.size();
  }
  return view;
}

Rejection Group::Impl::Reject(cairn::v1::Reason reason, std::string message) const {
  Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.message = std::move(message);
  Name(rejection);
  return rejection;
}

void Group::Impl::Name(Rejection& rejection) const {
  // The catalog's refusals speak of the log in question, not of the catalog.
  if (!rejection.info.log().empty()) return;
  // Below the group only the id is known; people know the log by its name.
  if (const std::string by_id = fmt::format("log {}:", id);
      rejection.message.compare(0, by_id.size(), by_id) == 0) {
    rejection.message.replace(0, by_id.size(), fmt::format("log {}:", name));
  }
  rejection.info.set_log(name);
  if (rejection.info.log_id() == 0) rejection.info.set_log_id(id.value());
}

Rejection Group::Impl::NotLeader() const {
  Rejection rejection =
      Reject(cairn::v1::REASON_NOT_LEADER,
             core.leader() && !is_leader() ? fmt::format("node {} leads this log", core.leader())
                                           : std::string("no leader is known at the moment"));
  // By convention the node's id; the service turns it into an address.
  rejection.info.set_actual(is_leader() ? 0 : core.leader().value());
  return rejection;
}

void Group::Impl::Answer(const ReplyTo& to, Reply reply, Effects& effects) const {
  if (auto* rejection = std::get_if<Rejection>(&reply)) Name(*rejection);
  effects.replies.push_back({to, std::move(reply)});
}

}  // namespace cairn::server
