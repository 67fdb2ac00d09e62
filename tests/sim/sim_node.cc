#include "tests/sim/sim_node.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "server/group_load.h"

namespace cairn::sim {
namespace {

constexpr int64_t kTickUs = 20 * kMicrosPerMilli;

}  // namespace

SimNode::SimNode(NodeId id, std::vector<GroupId> groups, Context context)
    : id_(id),
      groups_(std::move(groups)),
      context_(std::move(context)),
      clock_(context_.events->now_address()),
      store_(id.value() * 1000 + 1) {}

SimNode::~SimNode() = default;

void SimNode::Start() {
  CHECK(!up());
  const Faults& faults = *context_.faults;
  ++life_;
  worker_ = std::make_unique<server::Worker>(
      server::Worker::Options{.number = 0,
                              .mailbox_capacity = 65536,
                              .cache_bytes = faults.cache_bytes,
                              .tick_us = kTickUs,
                              .random_seed = context_.random->Next()},
      &clock_, this);
  auto stored = store_.LoadGroups();
  CHECK(stored.ok());
  for (const GroupId group : groups_) {
    server::GroupConfig config;
    config.raft.self = id_;
    config.tick_us = kTickUs;
    config.segment_bytes = faults.segment_bytes;
    config.limits.entry_bytes = faults.entry_bytes;
    config.append_message_bytes = faults.append_message_bytes;
    server::GroupStart start;
    start.group = group;
    start.name = fmt::format("log-{}", group);
    for (int i = 1; i <= faults.nodes; ++i) start.initial_voters.push_back(NodeId(i));
    // A group of which nothing is left is as doubtful as the disk.
    start.verdict = store_.Verdict();
    for (storage::StoredGroup& found : *stored) {
      if (found.group != group) continue;
      std::string damage;
      const absl::Status status = server::LoadGroup(store_, std::move(found), &start, &damage);
      CHECK(status.ok());
      break;
    }
    worker_->AddGroup(config, std::move(start), nullptr);
  }
  context_.note(fmt::format("node {} starts, disk: {}", id_, store_.VerdictDetail()));
  ScheduleTurn(0);
  ScheduleTick();
}

void SimNode::Crash(storage::CrashFault fault) {
  CHECK(up());
  ++life_;
  worker_.reset();
  unsynced_.clear();
  syncing_ = false;
  turn_scheduled_ = false;
  store_.Crash(fault, *context_.random);
  context_.note(fmt::format("node {} crashes, fault {}", id_, static_cast<int>(fault)));
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
    context_.note(fmt::format("node {}: a bit of entry {} is flipped", id_, index));
    return true;
  }
  return false;
}

const server::Group* SimNode::group(GroupId group) const {
  return up() ? worker_->Find(group) : nullptr;
}

void SimNode::Receive(const server::OutMessage& message) {
  Post(message.group, server::PeerMessage{message.message});
}

void SimNode::Post(GroupId group, server::Event event) {
  worker_->PostUrgent({group, std::move(event)});
  ScheduleTurn(context_.random->Between(0, 50));
}

void SimNode::ScheduleTurn(SimTime delay) {
  if (turn_scheduled_) return;
  turn_scheduled_ = true;
  context_.events->After(delay, [this, life = life_] {
    if (life != life_) return;
    turn_scheduled_ = false;
    while (worker_->RunOnce()) {
    }
    ResolveVerdict();
    context_.after_turn(*this);
  });
}

// Once every group has been made whole by its leader, the disk is trusted again.
void SimNode::ResolveVerdict() {
  if (store_.Verdict() == storage::RecoveryVerdict::kSound) return;
  for (const GroupId group : groups_) {
    if (worker_->Find(group)->View().standing != consensus::Standing::kSound) return;
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

void SimNode::Send(std::vector<server::OutMessage> messages) {
  for (const server::OutMessage& message : messages) context_.network->Send(message);
}

void SimNode::Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) {
  store_.WriteUnsynced(batch);
  unsynced_.push_back({sink, ticket});
  if (!syncing_) BeginSync();
}

// Like the storage thread: one sync serves everything that was written before it began.
void SimNode::BeginSync() {
  syncing_ = true;
  const Faults& faults = *context_.faults;
  SimTime delay = context_.random->Between(faults.sync_min_us, faults.sync_max_us);
  if (context_.random->Chance(faults.slow_sync)) delay *= 100;
  const size_t batches = unsynced_.size();
  context_.events->After(delay, [this, batches, life = life_] {
    if (life != life_) return;
    store_.SyncFirst(batches);
    for (size_t i = 0; i < batches; ++i) {
      unsynced_.front().sink->OnCommitted(unsynced_.front().ticket);
      unsynced_.pop_front();
    }
    syncing_ = false;
    if (!unsynced_.empty()) BeginSync();
    ScheduleTurn(0);
  });
}

void SimNode::Read(storage::ReadRequest request, storage::ReadSink* sink) {
  context_.events->After(context_.random->Between(50, 2000), [this, request, sink, life = life_] {
    if (life != life_) return;
    sink->OnRead(storage::PerformRead(store_, request));
    ScheduleTurn(0);
  });
}

void SimNode::OnCatalogChange(const server::CatalogChange&) {}

void SimNode::Alarm(const std::string& line) {
  context_.note(fmt::format("node {} alarm: {}", id_, line));
  // Only a network that damages entries gives a replica reason to doubt its leader.
  if (!context_.faults->damage && line.find("refused entries") != std::string::npos)
    context_.violation(line);
}

}  // namespace cairn::sim
