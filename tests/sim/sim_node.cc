#include "tests/sim/sim_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "server/group_load.h"
#include "server/run_check.h"
#include "storage/recovery.h"

namespace cairn::sim {
namespace {

constexpr int64_t kTickUs = 20 * kMicrosPerMilli;
constexpr uint32_t kElectionTicks = 10;
constexpr int64_t kSlowTickUs = 100 * kMicrosPerMilli;
// Of one step of one write, while crash points are on.
constexpr double kCrashPointChance = 0.001;
// What fetches a run gets it in pieces; the connection may end behind each.
constexpr uint64_t kRunPieceBytes = 64 << 10;
constexpr double kRunCutChance = 0.05;

const char* NameOf(CrashPoint point) {
  switch (point) {
    case CrashPoint::kBeforeSend:
      return "before it sends";
    case CrashPoint::kBeforeWrite:
      return "before it writes";
    case CrashPoint::kAfterWrite:
      return "behind a write";
    case CrashPoint::kBeforeSync:
      return "in a sync";
    case CrashPoint::kAfterSync:
      return "behind a sync";
  }
  CHECK_UNREACHABLE();
}

}  // namespace

SimNode::SimNode(NodeId id, Context context)
    : id_(id),
      context_(std::move(context)),
      clock_(context_.events->now_address()),
      store_(id.value() * 1000 + 1) {}

SimNode::~SimNode() {
  if (host_ != nullptr) host_->Stop();
  worker_.reset();
  if (host_ != nullptr) host_->Join();
}

void SimNode::Start() {
  CHECK(!up());
  ++life_;
  recovered_ = false;
  doomed_ = false;
  pulse_.emplace(/*workers=*/1, kTickUs, kElectionTicks * kTickUs);
  worker_ = std::make_unique<server::Worker>(
      server::Worker::Options{.number = 0,
                              .mailbox_capacity = 65536,
                              .cache_bytes = context_.faults->cache_bytes,
                              .tick_us = kTickUs,
                              .random_seed = context_.random->Next()},
      &clock_, this);
  if (context_.formed != nullptr) {
    MakeHost();
  } else {
    const auto stored = store_.LoadGroups();
    CHECK(stored.ok());
    for (const SimLog& log : *context_.logs) AddGroup(log, *stored);
  }
  context_.note(fmt::format("node {} starts, disk: {}", id_, store_.VerdictDetail()));
  ScheduleTurn(0);
  ScheduleTick();
}

void SimNode::MakeHost() {
  host_ = std::make_unique<SimHost>(
      SimHost::Parts{.self = id_,
                     .faults = context_.faults,
                     .formed = context_.formed,
                     .store = &store_,
                     .worker = worker_.get(),
                     .clock = &clock_,
                     .post =
                         [this](GroupId group, server::Event event) {
                           if (up())
                             Post(group, std::move(event));  // Threads may outlive the worker.
                         },
                     .settle = context_.settle,
                     .note = context_.note,
                     .objects = context_.objects});
  host_->Open();
  ScheduleWork();
}

void SimNode::ScheduleWork() {
  context_.events->After(clock_.Real(kTickUs), [this, life = life_] {
    if (life != life_) return;
    // A process that is stopped does nothing, and does it late.
    if (context_.events->now() >= paused_until_) {
      host_->Work();
      ScheduleTurn(0);
    }
    ScheduleWork();
  });
}

void SimNode::AddGroup(const SimLog& log, const std::vector<storage::StoredGroup>& stored) {
  const Faults& faults = *context_.faults;
  server::GroupConfig config;
  config.raft.self = id_;
  config.raft.election_ticks = kElectionTicks;
  config.raft.hibernate_ticks = faults.hibernate_ticks;
  config.raft.lease_reads = id_.value() <= static_cast<uint64_t>(faults.lease_nodes);
  config.tick_us = kTickUs;
  config.slow_tick_us = kSlowTickUs;
  config.segment_bytes = faults.segment_bytes;
  config.limits.entry_bytes = faults.entry_bytes;
  config.append_message_bytes = faults.append_message_bytes;
  config.fill_message_bytes = faults.fill_message_bytes;
  config.run_bytes = 1;
  server::GroupStart start;
  start.group = log.id;
  start.name = log.name;
  start.settings.set_fenced(log.fenced);
  for (int i = 1; i <= faults.voters; ++i) start.initial_voters.push_back(NodeId(i));
  // A group of which nothing is left is as doubtful as the disk.
  start.verdict = store_.Verdict();
  const auto found = std::find_if(stored.begin(), stored.end(),
                                  [&](const auto& group) { return group.group == log.id; });
  if (found != stored.end()) {
    std::string damage;
    CHECK(server::LoadGroup(store_, *found, &start, &damage).ok());
  }
  worker_->AddGroup(std::move(config), std::move(start), nullptr);
}

void SimNode::Crash(storage::CrashFault fault) {
  CHECK(up());
  ++life_;
  if (host_ != nullptr) host_->Stop();
  worker_.reset();
  if (host_ != nullptr) host_->Join();
  host_.reset();
  unsynced_.clear();
  ahead_.Drop();
  syncing_ = false;
  turn_scheduled_ = false;
  paused_until_ = 0;
  store_.Crash(fault, *context_.random);
  context_.note(fmt::format("node {} crashes, fault {}", id_, static_cast<int>(fault)));
}

void SimNode::LoseTurns(size_t turns, storage::RecoveryVerdict verdict) {
  CHECK(!up());
  const size_t taken = store_.LoseTurns(turns, verdict);
  context_.note(fmt::format("node {}: its disk loses {} turns that were synced, {}", id_, taken,
                            storage::ToString(verdict)));
}

bool SimNode::FlipBit(GroupId group) {
  CHECK(!up());
  const auto stored = store_.LoadGroups();
  CHECK(stored.ok());
  for (const storage::StoredGroup& found : *stored) {
    if (found.group != group || found.segments.empty()) continue;
    const uint64_t before = found.segments.back().before_index.value();
    const uint64_t entries = found.last_index.value() - before;
    if (entries == 0) return false;
    const Index index(before + 1 + context_.random->Below(entries));
    if (!store_.FlipBit(group, index, *context_.random)) return false;
    context_.note(
        fmt::format("node {}: a bit of entry {} of log {} is flipped", id_, index, group));
    return true;
  }
  return false;
}

const server::Group* SimNode::group(GroupId group) const {
  return up() ? worker_->Find(group) : nullptr;
}

namespace {

// What a leader knows of its followers.
std::string DescribeFollowers(const consensus::RaftCore& core) {
  static constexpr const char* kStates[] = {"probed", "sent entries", "sent a snapshot",
                                            "fetching"};
  std::string out;
  if (core.role() != consensus::Role::kLeader) return out;
  for (const auto& [id, progress] : core.progress()) {
    out += fmt::format("; node {} is {} from {}, holds {}{}", id,
                       kStates[static_cast<size_t>(progress.state())], progress.next(),
                       progress.match(), progress.unsound() ? ", in doubt" : "");
  }
  return out;
}

}  // namespace

std::string SimNode::Describe(GroupId id) const {
  const consensus::RaftCore& core = group(id)->core();
  const server::GroupView view = group(id)->View();
  return fmt::format(
      "log {}, node {}: {}, term {}, leader {}, standing {}, {}..{}, commit {}, applied {}, "
      "{}{}{}{}",
      id, id_, view.role == consensus::Role::kLeader ? "leads" : "does not lead", view.term,
      view.leader, static_cast<int>(view.standing), core.terms().Before().index + 1, view.last,
      view.commit, view.applied, consensus::ToString(core.membership()),
      view.halted ? ", halted" : "", view.suspect ? ", suspect" : "", DescribeFollowers(core));
}

const storage::MemLogStore* SimNode::StoreFor(NodeId from) const {
  const SimNetwork& network = *context_.network;
  const bool reached = network.Connected(from, id_) && network.Connected(id_, from);
  return up() && reached ? &store_ : nullptr;
}

void SimNode::Receive(const server::OutMessage& message) {
  Post(message.group, server::PeerMessage{message.message});
}

void SimNode::HearPulse(NodeId from) { pulse_->OnPulse(from, clock_.Mono()); }

void SimNode::Post(GroupId group, server::Event event) {
  worker_->PostUrgent({group, std::move(event)});
  ScheduleTurn(context_.random->Between(0, 50));
}

// ---- Turns ------------------------------------------------------------------------------

void SimNode::ScheduleTurn(SimTime delay) {
  if (turn_scheduled_) return;
  turn_scheduled_ = true;
  delay = std::max(delay, paused_until_ - context_.events->now());
  context_.events->After(delay, [this, life = life_] {
    if (life == life_) RunTurn();
  });
}

void SimNode::RunTurn() {
  turn_scheduled_ = false;
  if (context_.events->now() < paused_until_) return ScheduleTurn(0);  // It was stopped meanwhile.
  while (!doomed_ && worker_->RunOnce()) {
  }
  if (doomed_) return context_.doomed(*this);
  if (!AllAreOpen()) return;
  if (host_ != nullptr) host_->RunThreads();
  ResolveVerdict();
  NoteRecovery();
  context_.after_turn(*this);
}

// A log whose stored state does not decode or contradicts itself is not opened.
bool SimNode::AllAreOpen() {
  if (host_ != nullptr) return true;
  for (const SimLog& log : *context_.logs) {
    if (worker_->Find(log.id) != nullptr) continue;
    context_.violation(fmt::format("node {} cannot open log {}", id_, log.id));
    return false;
  }
  return true;
}

void SimNode::NoteRecovery() {
  if (recovered_ || host_ != nullptr || store_.Verdict() != storage::RecoveryVerdict::kSound)
    return;
  recovered_ = std::all_of(context_.logs->begin(), context_.logs->end(), [&](const SimLog& log) {
    return worker_->Find(log.id)->View().leader != NodeId();
  });
}

// Once every group has been made whole by its leader, the disk is trusted again.
void SimNode::ResolveVerdict() {
  if (host_ != nullptr || store_.Verdict() == storage::RecoveryVerdict::kSound) return;
  for (const SimLog& log : *context_.logs) {
    if (worker_->Find(log.id)->View().standing != consensus::Standing::kSound) return;
  }
  CHECK(store_.ResolveVerdict().ok());
  context_.note(fmt::format("node {} trusts its disk again", id_));
}

void SimNode::ScheduleTick() {
  context_.events->After(clock_.Real(kTickUs), [this, life = life_] {
    if (life != life_) return;
    ScheduleTurn(0);
    ScheduleTick();
  });
}

bool SimNode::Reached(CrashPoint point) {
  if (doomed_) return true;
  if (!crash_points_ || !context_.random->Chance(kCrashPointChance)) return false;
  doomed_ = true;
  context_.note(fmt::format("node {} is hit {}", id_, NameOf(point)));
  return true;
}

// ---- WorkerPorts --------------------------------------------------------------------------

void SimNode::Send(std::vector<server::OutMessage> messages) {
  if (Reached(CrashPoint::kBeforeSend)) return;
  for (const server::OutMessage& message : messages) context_.network->Send(message);
}

void SimNode::Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) {
  if (Reached(CrashPoint::kBeforeWrite)) return;
  store_.WriteUnsynced(batch);
  if (Reached(CrashPoint::kAfterWrite)) return;
  unsynced_.push_back({sink, ticket});
  if (!syncing_) BeginSync();
}

// Like the storage thread: one sync serves everything that was written before it began.
void SimNode::BeginSync() {
  syncing_ = true;
  const Faults& faults = *context_.faults;
  SimTime delay = context_.random->Between(faults.sync_min_us, faults.sync_max_us);
  if (context_.random->Chance(faults.slow_sync)) delay *= 100;
  delay = std::max(delay, disk_stalled_until_ - context_.events->now());
  context_.events->After(delay, [this, batches = unsynced_.size(), life = life_] {
    if (life == life_) EndSync(batches);
  });
}

void SimNode::EndSync(size_t batches) {
  if (Reached(CrashPoint::kBeforeSync)) return context_.doomed(*this);
  store_.SyncFirst(batches);
  if (Reached(CrashPoint::kAfterSync)) return context_.doomed(*this);
  for (size_t i = 0; i < batches; ++i) {
    unsynced_.front().sink->OnCommitted(unsynced_.front().ticket);
    unsynced_.pop_front();
  }
  syncing_ = false;
  if (!unsynced_.empty()) BeginSync();
  ScheduleTurn(0);
}

void SimNode::OnTicked(uint32_t worker) {
  if (doomed_) return;
  const server::NodePulse::Due due = pulse_->OnTick(worker, clock_.Mono());
  for (const server::LinkChange& change : due.changes) worker_->Broadcast(change);
  if (due.pulse) context_.pulse(*this);
}

void SimNode::Read(storage::ReadRequest request, storage::ReadSink* sink) {
  if (doomed_) return;
  context_.events->After(context_.random->Between(50, 2000), [this, request, sink, life = life_] {
    if (life != life_) return;
    sink->OnRead(storage::PerformRead(store_, request));
    ScheduleTurn(0);
  });
}

// Whoever fetches, or is fetched from, may be gone by the end; then nothing was fetched.
void SimNode::Fetch(server::RunRequest request, server::FetchSink* sink) {
  if (doomed_) return;
  context_.events->After(context_.random->Between(500, 50'000),
                         [this, request, sink, life = life_] {
                           if (life != life_) return;
                           server::Fetched fetched = ahead_.Take(request, store_);
                           if (fetched.run == nullptr) fetched = CopyRun(request, nullptr);
                           const auto behind = server::RunAhead::Behind(request, fetched);
                           if (behind) FetchAhead(*behind, fetched.run);
                           sink->OnFetched(request.group, std::move(fetched));
                           ScheduleTurn(0);
                         });
}

void SimNode::FetchAhead(const server::RunRequest& request,
                         const std::shared_ptr<storage::EntryRun>& behind) {
  context_.events->After(context_.random->Between(500, 5'000),
                         [this, request, behind, life = life_] {
                           if (life != life_) return;
                           ahead_.Keep(request, CopyRun(request, behind.get()));
                         });
}

server::Fetched SimNode::CopyRun(const server::RunRequest& request,
                                 const storage::EntryRun* behind) {
  server::Fetched fetched{.ticket = request.ticket};
  fetched.status = CopyRunInto(request, behind, fetched);
  return fetched;
}

absl::Status SimNode::CopyRunInto(const server::RunRequest& request,
                                  const storage::EntryRun* behind, server::Fetched& fetched) {
  const storage::MemLogStore* const from = context_.store_of(id_, request.from);
  if (from == nullptr) return absl::UnavailableError("it cannot be reached");
  ASSIGN_OR_RETURN(const auto builder, behind != nullptr
                                           ? store_.BeginRunBehind(*behind)
                                           : store_.BeginRun(request.group, request.prev.index));
  server::RunCheck check(request);
  while (check.next() <= request.through.index) {
    if (context_.random->Chance(kRunCutChance)) return absl::UnavailableError("it was cut");
    ASSIGN_OR_RETURN(
        const storage::EntryRange range,
        from->ReadEntries(request.group, check.next(), request.through.index, kRunPieceBytes));
    for (const storage::StoredEntry& entry : range.entries) {
      RETURN_IF_ERROR(check.Take(RefTo(entry)));
      RETURN_IF_ERROR(builder->Add(RefTo(entry)));
    }
  }
  RETURN_IF_ERROR(check.Finish());
  ASSIGN_OR_RETURN(fetched.run, builder->Finish());
  fetched.entries = check.TakeEntries();
  fetched.after = check.position();
  fetched.bytes = check.bytes();
  return absl::OkStatus();
}

void SimNode::OnCatalogChange(const server::CatalogChange& change) {
  if (host_ != nullptr) host_->OnCatalogChange(change);
}

void SimNode::Alarm(const std::string& line) {
  context_.note(fmt::format("node {} alarm: {}", id_, line));
  // Only a network that damages entries gives a replica reason to doubt its leader.
  if (!context_.faults->damage && line.find("refused entries") != std::string::npos)
    context_.violation(line);
}

}  // namespace cairn::sim
