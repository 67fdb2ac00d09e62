#include "tests/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/entry_codec.h"

namespace cairn::sim {
namespace {

constexpr GroupId kLog{7};
constexpr size_t kStoryLines = 60;
constexpr SimTime kConvergeUs = 60 * kMicrosPerSecond;
// Requests that the world itself sends wait this long.
constexpr SimTime kCommandDeadlineUs = kMicrosPerSecond;

// For answers that nobody waits for.
class NullSink final : public server::ReplySink {
 public:
  void OnReply(uint64_t, server::Reply) override {}
};
NullSink null_sink;

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdu;
}

}  // namespace

World::World(uint64_t seed, Faults faults)
    : seed_(seed), faults_(std::move(faults)), random_(seed) {
  result_.seed = seed;
  network_ = std::make_unique<SimNetwork>(
      &faults_, &events_, &random_,
      [this](NodeId to, const server::OutMessage& message) { Deliver(to, message); });
  for (int i = 1; i <= faults_.nodes; ++i) {
    nodes_.push_back(std::make_unique<SimNode>(
        NodeId(i), std::vector<GroupId>{kLog},
        SimNode::Context{.faults = &faults_,
                         .events = &events_,
                         .network = network_.get(),
                         .random = &random_,
                         .after_turn = [this](SimNode& node) { AfterTurn(node); },
                         .note = [this](std::string line) { Note(std::move(line)); },
                         .violation = [this](std::string line) { Violation(std::move(line)); }}));
    SimClock& clock = nodes_.back()->clock();
    clock.set_rate(1 + (random_.Fraction() * 2 - 1) * faults_.drift);
    clock.set_origin(random_.Between(0, 1'000'000'000));
    nodes_.back()->Start();
  }
  AddClients();
}

World::~World() = default;

void World::AddClients() {
  using Way = SimClient::Way;
  const Way ways[] = {Way::kPlain,    Way::kRacer,  Way::kRacer,  Way::kProducer,
                      Way::kProducer, Way::kHolder, Way::kHolder, Way::kReader};
  int number = 0;
  for (const Way way : ways) {
    const double rate = 1 + (random_.Fraction() * 2 - 1) * faults_.drift;
    clients_.push_back(std::make_unique<SimClient>(
        ++number, way, rate,
        SimClient::Context{.events = &events_,
                           .random = &random_,
                           .history = &history_,
                           .send =
                               [this](NodeId to, server::RequestBody body, SimTime deadline_us,
                                      server::ReplyTo reply_to) {
                                 SendRequest(to, std::move(body), deadline_us, reply_to);
                               },
                           .delay = [this] { return network_->Delay(); },
                           .nodes = faults_.nodes}));
    clients_.back()->Start();
  }
}

void World::Note(std::string line) {
  story_.push_back(fmt::format("{:>12} us  {}", events_.now(), line));
  if (story_.size() > kStoryLines) story_.pop_front();
}

void World::Violation(std::string line) {
  Note("VIOLATION: " + line);
  result_.violations.push_back(std::move(line));
}

void World::Deliver(NodeId to, const server::OutMessage& message) {
  SimNode& node = *nodes_[to.value() - 1];
  if (node.up()) node.Receive(message);
}

void World::SendRequest(NodeId to, server::RequestBody body, SimTime deadline_us,
                        server::ReplyTo reply_to) {
  if (chaos_ && random_.Chance(faults_.drop)) return;
  events_.After(network_->Delay(), [this, to, body = std::move(body), deadline_us, reply_to] {
    SimNode& node = *nodes_[to.value() - 1];
    if (!node.up()) return;
    node.Post(kLog, server::Request{.reply_to = reply_to,
                                    .body = body,
                                    .deadline = node.clock().Mono() + deadline_us});
  });
}

void World::AfterTurn(SimNode& node) {
  const server::Group* group = node.group(kLog);
  if (group == nullptr) return;
  group->CheckInvariants();
  const server::GroupView view = group->View();
  ++result_.turns;
  result_.trace_hash = Mix(result_.trace_hash, static_cast<uint64_t>(events_.now()));
  for (const uint64_t value : {node.id().value(), view.applied.value(), view.last.value(),
                               view.term.value(), view.chain}) {
    result_.trace_hash = Mix(result_.trace_hash, value);
  }

  uint64_t& refills = refills_[node.id()];
  if (view.refills > refills) ++result_.refills;
  refills = view.refills;
  if (view.suspect && suspects_.insert({node.id(), view.term}).second) ++result_.suspects;

  if (view.halted) Violation(fmt::format("node {} halted its log", node.id()));
  // State-machine safety: one chain per seq, whoever applied it.
  const auto [chain, fresh] = chains_.emplace(view.last_seq, view.chain);
  if (!fresh && chain->second != view.chain) {
    Violation(fmt::format("node {} has chain {:016x} at seq {}, another had {:016x}", node.id(),
                          view.chain, view.last_seq, chain->second));
  }
  if (view.role == consensus::Role::kLeader) {
    const auto [leader, first] = leaders_.emplace(view.term, node.id());
    if (first) {
      ++result_.leader_changes;
      Note(fmt::format("node {} leads term {}", node.id(), view.term));
    }
    // Election safety (thesis 3.6.3).
    if (leader->second != node.id()) {
      Violation(
          fmt::format("nodes {} and {} both led term {}", leader->second, node.id(), view.term));
    }
  }
}

Result World::Run(SimTime chaos_us) {
  ScheduleFault();
  while (events_.now() < chaos_us && result_.violations.empty()) events_.Step();
  Heal();
  const SimTime limit = events_.now() + kConvergeUs;
  while (!Converged() && events_.now() < limit && result_.violations.empty()) events_.Step();
  if (result_.violations.empty()) CheckEnd();
  result_.operations = history_.done();
  result_.simulated_us = events_.now();
  result_.story.assign(story_.begin(), story_.end());
  return result_;
}

void World::ScheduleFault() {
  events_.After(random_.Between(50'000, 1'500'000), [this] {
    if (!chaos_) return;
    InjectFault();
    ScheduleFault();
  });
}

void World::InjectFault() {
  switch (random_.Below(10)) {
    case 0:
    case 1:
      if (faults_.partitions) CutSomething();
      break;
    case 2:
      network_->Heal();
      break;
    case 3:
      if (faults_.crashes) CrashSomebody(false);
      break;
    case 4:
      if (faults_.power_cuts && random_.Chance(0.3)) PowerCutAll();
      break;
    case 5:
      if (faults_.wall_jumps) {
        RandomNode().clock().JumpWall(random_.Between(-100, 100) * kMicrosPerSecond);
      }
      break;
    case 6:
      if (faults_.transfers) SendTransfer();
      break;
    case 7:
      if (faults_.trims) SendTrim();
      break;
    case 8:
      if (faults_.disk_full) RandomNode().SetSpace(random_.Chance(0.5));
      break;
    case 9:
      if (faults_.damage) DamageSomething();
      break;
  }
}

void World::CutSomething() {
  const NodeId a = RandomNode().id();
  const bool both_ways = random_.Chance(0.7);
  if (random_.Chance(0.5)) {
    // A whole node loses everybody, or everybody loses it.
    for (const auto& node : nodes_) {
      network_->Cut(a, node->id());
      if (both_ways) network_->Cut(node->id(), a);
    }
    Note(fmt::format("node {} is cut off{}", a, both_ways ? "" : " (outgoing)"));
    return;
  }
  const NodeId b = RandomNode().id();
  network_->Cut(a, b);
  if (both_ways) network_->Cut(b, a);
  Note(fmt::format("link {} -> {} is cut{}", a, b, both_ways ? ", and back" : ""));
}

// Bad memory in one node shows to all others; in one link's hardware, to one. Mostly in a node
// that leads, since nobody else sends entries.
void World::DamageSomething() {
  if (network_->damages()) {
    network_->Repair();
    Note("entries arrive whole again");
    return;
  }
  NodeId from = RandomNode().id();
  for (const auto& node : nodes_) {
    const server::Group* group = node->group(kLog);
    const bool leads = group != nullptr && group->View().role == consensus::Role::kLeader;
    if (leads && random_.Chance(0.8)) from = node->id();
  }
  const NodeId to = random_.Chance(0.5) ? RandomNode().id() : NodeId();
  network_->Damage(from, to);
  Note(fmt::format("entries of node {} arrive damaged at {}", from,
                   to ? fmt::format("node {}", to) : std::string("all")));
}

bool World::IsSound(const SimNode& node) {
  const server::Group* group = node.group(kLog);
  return group != nullptr && group->View().standing == consensus::Standing::kSound;
}

// Whether everybody else is there and can make `id` whole again.
bool World::OthersAreSound(NodeId id) const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [&](const auto& node) { return node->id() == id || IsSound(*node); });
}

void World::CrashSomebody(bool power) {
  SimNode& node = RandomNode();
  if (!node.up()) return;
  ++result_.crashes;
  const auto fault = !power                ? storage::CrashFault::kProcess
                     : random_.Chance(0.5) ? storage::CrashFault::kTear
                                           : storage::CrashFault::kLoseAll;
  const bool repairable = IsSound(node) && OthersAreSound(node.id());
  node.Crash(fault);
  if (faults_.bit_flips && repairable && random_.Chance(0.5) && node.FlipBit(kLog)) {
    ++result_.bit_flips;
  }
  Restart(node.id(), random_.Between(0, 3'000'000));
}

// Power goes everywhere at once: the cluster must come back unaided.
void World::PowerCutAll() {
  for (const auto& node : nodes_) {
    if (!node->up()) continue;
    ++result_.crashes;
    node->Crash(random_.Chance(0.5) ? storage::CrashFault::kTear : storage::CrashFault::kLoseAll);
    Restart(node->id(), random_.Between(0, 500'000));
  }
}

void World::Restart(NodeId id, SimTime delay) {
  events_.After(delay, [this, id] {
    SimNode& node = *nodes_[id.value() - 1];
    if (!node.up()) node.Start();
  });
}

void World::SendTransfer() {
  server::TransferLeadershipOp op;
  if (random_.Chance(0.5)) op.to = RandomNode().id();
  SendRequest(RandomNode().id(), op, kCommandDeadlineUs, {&null_sink, 0});
}

void World::SendTrim() {
  const SimNode& node = RandomNode();
  const server::Group* group = node.group(kLog);
  if (group == nullptr) return;
  const uint64_t last = group->state().applied().last_seq.value();
  server::TrimOp op;
  op.first_seq = Seq(random_.Below(last + 1) + 1);
  SendRequest(RandomNode().id(), op, kCommandDeadlineUs, {&null_sink, 0});
}

void World::Heal() {
  chaos_ = false;
  network_->Heal();
  network_->Calm();
  network_->Repair();
  for (const auto& node : nodes_) {
    node->SetSpace(true);
    // The operator's part: a suspect leads again when it was restarted.
    const server::Group* group = node->group(kLog);
    if (group != nullptr && group->View().suspect) node->Crash(storage::CrashFault::kProcess);
    if (!node->up()) node->Start();
  }
  for (const auto& client : clients_) client->Stop();
  Note("healed");
}

// Whether more than half of all clocks differ from this node's in the same direction, by more
// than a leader may be off (design 5.7).
bool World::ClockIsOff(NodeId id) const {
  const WallMicros wall = nodes_[id.value() - 1]->clock().Wall();
  size_t ahead = 0;
  size_t behind = 0;
  for (const auto& node : nodes_) {
    const int64_t offset_us = node->clock().Wall() - wall;
    // The margin: what a clock that drifts moves between two looks.
    if (offset_us > 61 * kMicrosPerSecond) ++ahead;
    if (offset_us < -61 * kMicrosPerSecond) ++behind;
  }
  return std::max(ahead, behind) > nodes_.size() / 2;
}

bool World::Converged() const {
  for (const auto& client : clients_) {
    if (!client->idle()) return false;
  }
  const server::Group* leader = nullptr;
  for (const auto& node : nodes_) {
    const server::Group* group = node->group(kLog);
    if (group == nullptr) return false;
    if (group->state().leading()) leader = group;
  }
  if (leader == nullptr || ClockIsOff(leader->View().leader)) return false;
  const server::GroupView want = leader->View();
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    const server::GroupView view = node->group(kLog)->View();
    return node->synced() && view.applied == want.last && view.last == want.last &&
           view.term == want.term;
  });
}

void World::CheckEnd() {
  if (!Converged()) {
    Violation(fmt::format("not converged {} s after everything was healed",
                          kConvergeUs / kMicrosPerSecond));
    return;
  }
  const auto fullest = std::max_element(nodes_.begin(), nodes_.end(), [](auto& a, auto& b) {
    return a->group(kLog)->View().first_seq > b->group(kLog)->View().first_seq;
  });
  for (std::string& line : history_.Check(ReadLog(**fullest))) Violation(std::move(line));
}

std::vector<FinalRecord> World::ReadLog(const SimNode& node) {
  std::vector<FinalRecord> log;
  const auto groups = node.store().LoadGroups();
  CHECK(groups.ok());
  const storage::StoredGroup& group = groups->front();
  uint64_t chain = group.segments.front().chain_before;
  for (Index index = group.before_index + 1; index <= group.last_index; ++index) {
    const auto range = node.store().ReadEntries(kLog, index, index, 1);
    CHECK(range.ok());
    const storage::StoredEntry& entry = range->entries.front();
    if (static_cast<consensus::EntryKind>(entry.kind) != consensus::EntryKind::kData) continue;
    const auto view = storage::EntryView::Parse(entry.payload.view());
    CHECK(view.ok());
    view->ForEachRecord([&](uint32_t offset, std::string_view serialized) {
      chain = storage::ChainNext(chain, serialized);
      FinalRecord record{.seq = view->header().first_seq + offset, .chain = chain, .record = {}};
      CHECK(record.record.ParseFromArray(serialized.data(), static_cast<int>(serialized.size())));
      log.push_back(std::move(record));
    });
    if (chain != view->header().chain) {
      Violation(fmt::format("entry {} has chain {:016x}, its records give {:016x}", index,
                            view->header().chain, chain));
    }
  }
  return log;
}

}  // namespace cairn::sim
