#include "server/runtime/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "absl/time/time.h"
#include "base/check.h"
#include "server/append_ledger.h"

namespace cairn::server {
namespace {

// Batches that may be on their way to the disk. The commit queue merges what waits, so more
// would not sync sooner, only hold more memory.
constexpr size_t kMaxInFlight = 4;

// Events of one turn. A bound, so that ticks and messages do not wait behind an arbitrarily
// long backlog; large enough that a burst still becomes one batch.
constexpr size_t kEventsPerTurn = 4096;

// A borrowed thread gives the turn back after this many, so that a busy worker does not keep
// what belongs to the transport or the disk.
constexpr int kBorrowedTurns = 4;

// A thread in a hurry delivers no more replies than this itself.
constexpr size_t kHurriedReplies = 2;

Rejection NotHere(GroupId group, const std::string& broken) {
  Rejection why;
  why.info.set_log_id(group.value());
  if (broken.empty()) {
    why.info.set_reason(cairn::v1::REASON_NOT_READY);
    why.message = fmt::format("log {} is not open on this node", group);
  } else {
    why.info.set_reason(cairn::v1::REASON_LOG_HALTED);
    why.message = broken;
  }
  return why;
}

Rejection Because(cairn::v1::Reason reason, const char* message) {
  Rejection why;
  why.info.set_reason(reason);
  why.message = message;
  return why;
}

GroupView BrokenView(GroupId id) {
  GroupView view;
  view.group = id;
  view.halted = true;
  return view;
}

// Empty again, with the capacity of its lists kept for the next turn.
void Clear(Effects& effects) {
  effects.messages.clear();
  effects.writes.clear();
  effects.write_ids.clear();
  effects.reads.clear();
  effects.fetches.clear();
  effects.catalog.clear();
  effects.replies.clear();
  effects.chunks.clear();
  effects.ends.clear();
  effects.alarms.clear();
}

}  // namespace

Worker::Worker(Options options, const Clock* clock, WorkerPorts* ports)
    : options_(options),
      clock_(clock),
      ports_(ports),
      mailbox_(options.mailbox_capacity),
      random_(options.random_seed) {
  CHECK_GT(options.tick_us, 0);
  budget_.limit_bytes = options.cache_bytes;
  next_tick_ = clock->Mono() + options.tick_us;
}

Worker::~Worker() { CHECK(!thread_.joinable()); }

// ---- Any thread -----------------------------------------------------------------------

bool Worker::Post(GroupEvent& event, Wake wake) {
  Item item(std::move(event));
  if (mailbox_.TryPush(item, wake)) return true;
  event = std::move(std::get<GroupEvent>(item));
  return false;
}

void Worker::PostUrgent(GroupEvent event) { mailbox_.PushUrgent(std::move(event)); }

void Worker::AddGroup(GroupConfig config, GroupStart start, Catalog* catalog) {
  mailbox_.PushUrgent(AddGroupCommand{std::move(config), std::move(start), catalog});
}

void Worker::RemoveGroup(GroupId group) { mailbox_.PushUrgent(RemoveGroupCommand{group}); }

void Worker::LeaveGroup(GroupId group, uint64_t placement, NodeId successor) {
  mailbox_.PushUrgent(LeaveGroupCommand{group, placement, successor});
}

void Worker::UpdateGroup(GroupId group, cairn::v1::LogSettings settings) {
  mailbox_.PushUrgent(UpdateGroupCommand{group, std::move(settings)});
}

void Worker::Broadcast(LinkChange change) { mailbox_.PushUrgent(BroadcastCommand{change}); }

void Worker::DrainAll() { mailbox_.PushUrgent(DrainCommand{}); }

void Worker::OnCommitted(uint64_t ticket) {
  mailbox_.PushUrgent(Committed{ticket, clock_->Mono()}, Wake::kNo);
}

void Worker::OnRead(storage::ReadResult result) { mailbox_.PushUrgent(std::move(result)); }

void Worker::OnFetched(GroupId group, Fetched fetched) { PostUrgent({group, std::move(fetched)}); }

std::vector<GroupView> Worker::Views() const {
  std::vector<GroupView> views;
  absl::MutexLock lock(&views_mutex_);
  views.reserve(views_.size());
  for (const auto& [id, view] : views_) views.push_back(view);
  return views;
}

// ---- The loop ---------------------------------------------------------------------------

void Worker::Start() {
  CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
}

void Worker::Stop() {
  mailbox_.Close();
  if (thread_.joinable()) {
    thread_.join();
    return;
  }
  (void)mailbox_.AcquireInto(items_, absl::ZeroDuration());
  Turns();
  ShutdownGroups();
}

void Worker::Run() {
  while (true) {
    const int64_t wait_us = std::max<int64_t>(0, next_tick_ - clock_->Mono());
    const bool open = mailbox_.AcquireInto(items_, absl::Microseconds(wait_us));
    Turns();
    if (!open) break;  // The turn is kept for good.
    while (mailbox_.ReleaseOrMore(items_, /*may_go_on=*/true)) Turns();
  }
  ShutdownGroups();
}

void Worker::Lend(bool in_a_hurry) {
  if (!mailbox_.TryAcquireInto(items_)) return;
  in_a_hurry_ = in_a_hurry;
  const int most = in_a_hurry ? 1 : kBorrowedTurns;
  int turns = 0;
  do {
    Turns();
    ++turns;
    if (turns == most) in_a_hurry_ = false;  // For the next holder.
  } while (mailbox_.ReleaseOrMore(items_, turns < most));
}

bool Worker::RunOnce() {
  CHECK(!thread_.joinable());
  (void)mailbox_.AcquireInto(items_, absl::ZeroDuration());
  const bool busy = !items_.empty() || TickIsDue();
  if (busy) Turns();
  (void)mailbox_.ReleaseOrMore(items_, /*may_go_on=*/false);
  return busy;
}

const Group* Worker::Find(GroupId group) const {
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : it->second.group.get();
}

void Worker::Turns() {
  size_t begin = 0;
  do {
    now_ = {.mono = clock_->Mono(), .wall = clock_->Wall()};
    room_ = ports_->FreeRoom();
    const size_t end = std::min(items_.size(), begin + kEventsPerTurn);
    for (size_t i = begin; i < end; ++i) Dispatch(std::move(items_[i]));
    begin = end;
    // After the events: a heartbeat that waited in the mailbox must count before the tick
    // that would start an election.
    TickIfDue();
    FinishTouched();
    CarryOut();
  } while (begin < items_.size());
  items_.clear();
}

bool Worker::TickIsDue() const { return clock_->Mono() >= next_tick_; }

void Worker::TickIfDue() {
  if (now_.mono < next_tick_) return;
  // After a pause (a stopped process, a long turn) the missed ticks are not made up for:
  // messages that could have arrived meanwhile must get their chance first.
  next_tick_ = std::max(next_tick_.load() + options_.tick_us, now_.mono + options_.tick_us / 2);
  for (const GroupId id : schedule_.Due(now_.mono)) Deliver(id, groups_.at(id), Tick{});
  ports_->Count(std::exchange(effects_.tally, {}));
  ports_->OnTicked(options_.number);
  views_stale_ = true;
}

// ---- Events -------------------------------------------------------------------------------

void Worker::Dispatch(Item item) {
  std::visit([this](auto& inner) { Handle(std::move(inner)); }, item);
}

void Worker::Deliver(GroupId id, Slot& slot, Event event) {
  if (slot.group == nullptr) {
    Refuse(std::move(event), NotHere(id, slot.broken));
    return;
  }
  Touch(id, slot);
  slot.group->Handle(std::move(event), now_, room_, effects_);
}

void Worker::Touch(GroupId id, Slot& slot) {
  if (slot.touched) return;
  slot.touched = true;
  touched_.emplace_back(id, &slot);
  NoteChange(id, slot);
}

void Worker::NoteChange(GroupId id, Slot& slot) {
  if (!std::exchange(slot.changed, true)) changed_.push_back(id);
}

void Worker::Handle(GroupEvent event) {
  const auto it = groups_.find(event.group);
  const bool is_answer = std::holds_alternative<Fetched>(event.event);
  if (it == groups_.end()) {
    Refuse(std::move(event.event), NotHere(event.group, ""));
  } else {
    Deliver(it->first, it->second, std::move(event.event));
  }
  if (is_answer) OnAnswered(event.group);
}

void Worker::Refuse(Event event, const Rejection& why) {
  if (const auto* request = std::get_if<Request>(&event)) {
    effects_.replies.push_back({request->reply_to, why});
  } else if (const auto* open = std::get_if<TailOpen>(&event)) {
    effects_.ends.push_back({open->sink, open->token, {why}});
  }
  // Everything else needs no answer: peers send again, and what was opened has ended.
}

void Worker::Handle(Committed committed) {
  CHECK(!in_flight_.empty());
  CHECK_EQ(in_flight_.front().ticket, committed.ticket);
  const InFlight done = std::move(in_flight_.front());
  in_flight_.pop_front();
  disk_is_free_ = true;
  for (const auto& [group, write_id] : done.notices) {
    const auto it = groups_.find(group);
    if (it != groups_.end()) Deliver(it->first, it->second, Persisted{write_id, committed.at});
  }
}

void Worker::Handle(storage::ReadResult result) {
  const GroupId id = result.group;
  const auto it = groups_.find(id);
  if (it != groups_.end()) Deliver(it->first, it->second, Loaded{std::move(result)});
  OnAnswered(id);
}

void Worker::OnAnswered(GroupId id) {
  const auto asked = asked_.find(id);
  CHECK(asked != asked_.end());
  if (--asked->second > 0) return;
  asked_.erase(asked);
  if (auto back = coming_back_.extract(id); !back.empty()) Handle(std::move(back.mapped()));
}

void Worker::Handle(AddGroupCommand command) {
  const GroupId id = command.start.group;
  // A replica that comes back may still be here: LeaveGroup has kept it.
  if (command.start.placement != 0 && groups_.contains(id)) return;
  CHECK(!groups_.contains(id));
  if (asked_.contains(id)) {
    coming_back_.insert_or_assign(id, std::move(command));
    return;
  }
  const std::string name = command.start.name;
  auto group = Group::Create(std::move(command.config), std::move(command.start), &budget_,
                             &random_, command.catalog, now_);
  Slot& slot = groups_[id];
  views_stale_ = true;
  NoteChange(id, slot);
  if (!group.ok()) {
    slot.broken = fmt::format("log {} ({}) cannot be opened on this node: {}", id, name,
                              std::string(group.status().message()));
    effects_.alarms.push_back(slot.broken);
    return;
  }
  slot.group = std::move(group).value();
  schedule_.Set(id, 0);
  Touch(id, slot);
}

void Worker::Handle(RemoveGroupCommand command) {
  Drop(command.group, Because(cairn::v1::REASON_LOG_NOT_FOUND, "the log was deleted"));
}

void Worker::Handle(LeaveGroupCommand command) {
  coming_back_.erase(command.group);
  const auto it = groups_.find(command.group);
  if (it == groups_.end() || it->second.group == nullptr) return;
  if (it->second.group->core().membership().version > command.placement) return;
  Rejection moved = Because(cairn::v1::REASON_NOT_LEADER, "the replica here was moved");
  moved.info.set_actual(command.successor.value());
  Drop(command.group, moved);
}

void Worker::ForgetRequests(GroupId id) {
  const auto of_group = [id](const auto& notice) { return notice.first == id; };
  for (InFlight& batch : in_flight_) std::erase_if(batch.notices, of_group);
  std::erase_if(held_notices_, of_group);
  for (size_t i = 0; i < effects_.writes.size(); ++i) {
    if (effects_.writes[i].group == id) effects_.write_ids[i] = 0;
  }
  std::erase_if(effects_.reads, [id](const auto& read) { return read.group == id; });
  std::erase_if(effects_.fetches, [id](const auto& fetch) { return fetch.group == id; });
}

void Worker::Drop(GroupId id, const Rejection& why) {
  coming_back_.erase(id);
  const auto it = groups_.find(id);
  if (it != groups_.end()) {
    if (it->second.group != nullptr) it->second.group->Shutdown(why, effects_);
    std::erase_if(touched_, [&](const auto& entry) { return entry.first == id; });
    schedule_.Remove(id);
    groups_.erase(it);
    ForgetRequests(id);
    changed_.push_back(id);
    views_stale_ = true;
  }
  // Behind all earlier writes of the group, also those of this turn.
  storage::GroupWrite write;
  write.group = id;
  write.remove = true;
  effects_.writes.push_back(std::move(write));
  effects_.write_ids.push_back(0);
}

void Worker::Handle(UpdateGroupCommand command) {
  if (const auto back = coming_back_.find(command.group); back != coming_back_.end()) {
    back->second.start.settings = std::move(command.settings);
    return;
  }
  const auto it = groups_.find(command.group);
  if (it == groups_.end() || it->second.group == nullptr) return;
  it->second.group->SetSettings(command.settings);
  Touch(it->first, it->second);
}

void Worker::Handle(BroadcastCommand command) {
  for (auto& [id, slot] : groups_) Deliver(id, slot, command.change);
}

void Worker::Handle(DrainCommand) {
  for (auto& [id, slot] : groups_) Deliver(id, slot, Drain{});
}

void Worker::Handle(DeliverCommand command) {
  std::move(command.replies.begin(), command.replies.end(), std::back_inserter(effects_.replies));
}

// ---- Effects --------------------------------------------------------------------------------

void Worker::FinishTouched() {
  const bool gather = Gathers();
  if (!gather) {
    for (const GroupId id : std::exchange(gathering_, {})) {
      const auto it = groups_.find(id);
      if (it == groups_.end() || it->second.group == nullptr) continue;
      it->second.gathers = false;
      Touch(id, it->second);
    }
  }
  for (auto& [id, slot] : touched_) {
    const bool waits = slot->group->Finish(now_, gather, effects_);
    if (waits && !std::exchange(slot->gathers, true)) gathering_.push_back(id);
    slot->touched = false;
    schedule_.Set(id, slot->group->NextTick());
    const consensus::RaftCore& core = slot->group->core();
    const Standing standing{core.role(), core.term(), core.leader(), core.membership().joint(),
                            core.MembershipCommitted()};
    if (standing == slot->seen) continue;
    slot->seen = standing;
    views_stale_ = true;
  }
  if (!effects_.writes.empty()) {
    const MonoMicros when = clock_->Mono();
    for (auto& [id, slot] : touched_) slot->group->OnHandedOut(when);
  }
  touched_.clear();
  disk_is_free_ = false;
}

void Worker::CarryOut() {
  if (!effects_.messages.empty()) ports_->Send(std::move(effects_.messages));
  SubmitWrites();
  for (storage::ReadRequest& read : effects_.reads) {
    ++asked_[read.group];
    ports_->Read(std::move(read), this);
  }
  for (RunRequest& fetch : effects_.fetches) {
    ++asked_[fetch.group];
    ports_->Fetch(std::move(fetch), this);
  }
  for (const CatalogChange& change : effects_.catalog) ports_->OnCatalogChange(change);
  // Before the replies, so that a caller who asks for the status next sees what it was told.
  if (views_stale_) RefreshViews();
  DeliverReplies();
  for (Effects::OutChunk& out : effects_.chunks) {
    out.sink->OnChunk(out.token, std::move(out.chunk));
  }
  for (Effects::OutEnd& out : effects_.ends) out.sink->OnEnd(out.token, std::move(out.end));
  for (const std::string& line : effects_.alarms) ports_->Alarm(line);
  Clear(effects_);
}

void Worker::DeliverReplies() {
  if (in_a_hurry_ && effects_.replies.size() > kHurriedReplies) {
    mailbox_.PushUrgent(DeliverCommand{std::exchange(effects_.replies, {})});
    return;
  }
  const MonoMicros now = effects_.replies.empty() ? 0 : clock_->Mono();
  for (Effects::OutReply& out : effects_.replies) {
    if (auto* done = std::get_if<AppendDone>(&out.reply)) {
      done->times.answered = now;
      CountAnswered(done->times, effects_.tally);
    }
    if (out.to.sink != nullptr) out.to.sink->OnReply(out.to.token, std::move(out.reply));
  }
}

void Worker::SubmitWrites() {
  CHECK_EQ(effects_.writes.size(), effects_.write_ids.size());
  for (size_t i = 0; i < effects_.writes.size(); ++i) {
    const GroupId group = effects_.writes[i].group;
    if (effects_.write_ids[i] != 0) held_notices_.emplace_back(group, effects_.write_ids[i]);
    held_.groups.push_back(std::move(effects_.writes[i]));
  }
  if (held_.groups.empty() || in_flight_.size() >= kMaxInFlight) return;
  const uint64_t ticket = next_ticket_++;
  in_flight_.push_back({ticket, std::exchange(held_notices_, {})});
  ports_->Commit(std::exchange(held_, {}), this, ticket);
}

void Worker::RefreshViews() {
  views_stale_ = false;
  std::vector<GroupView> fresh;
  std::vector<GroupId> gone;
  for (const GroupId id : changed_) {
    const auto it = groups_.find(id);
    if (it == groups_.end()) {
      gone.push_back(id);
      continue;
    }
    if (!std::exchange(it->second.changed, false)) continue;
    const auto& group = it->second.group;
    fresh.push_back(group != nullptr ? group->View() : BrokenView(id));
  }
  changed_.clear();
  absl::MutexLock lock(&views_mutex_);
  for (const GroupId id : gone) views_.erase(id);
  for (GroupView& view : fresh) views_.insert_or_assign(view.group, std::move(view));
}

void Worker::ShutdownGroups() {
  now_ = {.mono = clock_->Mono(), .wall = clock_->Wall()};
  const Rejection why = Because(cairn::v1::REASON_SHUTTING_DOWN, "the node is stopping");
  for (auto& [id, slot] : groups_) {
    if (slot.group != nullptr) slot.group->Shutdown(why, effects_);
  }
  CarryOut();
  // What still waits for earlier batches goes too: nobody reads the notices any more, and
  // the commit queue outlives the workers.
  if (!held_.groups.empty()) {
    in_flight_.push_back({next_ticket_, std::exchange(held_notices_, {})});
    ports_->Commit(std::exchange(held_, {}), this, next_ticket_++);
  }
}

}  // namespace cairn::server
