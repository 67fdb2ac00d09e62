#include "tests/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/sim/null_sink.h"

namespace cairn::sim {
namespace {

constexpr size_t kStoryLines = 60;
constexpr SimTime kConvergeUs = 60 * kMicrosPerSecond;
// Requests that the world itself sends wait this long.
constexpr SimTime kCommandDeadlineUs = kMicrosPerSecond;
constexpr uint64_t kFirstLog = 7;

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdu;
}

}  // namespace

World::World(uint64_t seed, Faults faults)
    : seed_(seed), faults_(std::move(faults)), random_(seed) {
  result_.seed = seed;
  result_.faults = faults_.ToString();
  network_ = std::make_unique<SimNetwork>(
      &faults_, &events_, &random_,
      [this](NodeId to, const server::OutMessage& message) { Deliver(to, message); });
  AddLogs();
  AddNodes();
  service_ = std::make_unique<SimService>(&logs_, &nodes_);
  AddChaos();
  AddClients();
}

World::~World() = default;

void World::AddLogs() {
  for (int i = 0; i < faults_.logs; ++i) {
    const GroupId id(kFirstLog + static_cast<uint64_t>(i));
    const bool fenced = faults_.fenced && i + 1 == faults_.logs;
    logs_.push_back({.id = id, .name = fmt::format("log-{}", id), .fenced = fenced});
    watches_.push_back(std::make_unique<LogWatch>(
        id, fenced, [this](std::string line) { Violation(std::move(line)); },
        [this](std::string line) { Note(std::move(line)); },
        [this, id](Moment moment, NodeId leader) { chaos_->OnMoment(moment, leader, id); }));
  }
}

void World::AddNodes() {
  for (int i = 1; i <= faults_.nodes; ++i) {
    nodes_.push_back(std::make_unique<SimNode>(
        NodeId(i),
        SimNode::Context{
            .faults = &faults_,
            .logs = &logs_,
            .events = &events_,
            .network = network_.get(),
            .random = &random_,
            .after_turn = [this](SimNode& node) { AfterTurn(node); },
            .doomed = [this](SimNode& node) { chaos_->OnDoomed(node); },
            .note = [this](std::string line) { Note(std::move(line)); },
            .violation = [this](std::string line) { Violation(std::move(line)); },
            .store_of = [this](NodeId from, NodeId to) { return NodeOf(to).StoreFor(from); },
            .pulse = [this](SimNode& node) { Pulse(node); }}));
    SimClock& clock = nodes_.back()->clock();
    clock.set_rate(1 + (random_.Fraction() * 2 - 1) * faults_.drift);
    clock.set_origin(random_.Between(0, 1'000'000'000));
    if (faults_.wall_jumps && random_.Chance(0.3)) {
      clock.JumpWall(random_.Between(-100, 100) * kMicrosPerSecond);
    }
    nodes_.back()->Start();
  }
}

void World::AddChaos() {
  chaos_ = std::make_unique<Chaos>(Chaos::Context{
      .faults = &faults_,
      .logs = &logs_,
      .events = &events_,
      .random = &random_,
      .network = network_.get(),
      .service = service_.get(),
      .nodes = &nodes_,
      .users = &users_,
      .watches = &watches_,
      .send =
          [this](NodeId to, GroupId log, server::RequestBody body) {
            SendRequest(to, log, std::move(body), kCommandDeadlineUs, {&null_sink, 0});
          },
      .ask =
          [this](GroupId log, NodeId reads_at, NodeId appends_at) {
            for (const Asked& asked : asked_) {
              if (asked.log == log) asked.client->TurnTo(asked.reads ? reads_at : appends_at);
            }
          },
      .note = [this](std::string line) { Note(std::move(line)); }});
}

void World::AddClients() {
  int number = 0;
  for (size_t log = 0; log < logs_.size(); ++log) {
    AddClients(log, &number);
    AddUsers(log, &number);
  }
}

void World::AddClients(size_t log, int* number) {
  using Way = SimClient::Way;
  std::vector<Way> ways{Way::kPlain, Way::kHolder, Way::kHolder, Way::kReader};
  if (!logs_[log].fenced) ways.insert(ways.end(), {Way::kRacer, Way::kRacer});
  for (const Way way : ways) {
    const double rate = 1 + (random_.Fraction() * 2 - 1) * faults_.drift;
    clients_.push_back(std::make_unique<SimClient>(
        ++*number, way, rate,
        SimClient::Context{
            .events = &events_,
            .random = &random_,
            .watch = watches_[log].get(),
            .send =
                [this, id = logs_[log].id](NodeId to, server::RequestBody body, SimTime deadline_us,
                                           server::ReplyTo reply_to) {
                  SendRequest(to, id, std::move(body), deadline_us, reply_to);
                },
            .delay = [this] { return network_->Delay(); },
            .think_us = faults_.think_us,
            .nodes = faults_.nodes}));
    asked_.push_back({logs_[log].id, way == Way::kReader, clients_.back().get()});
    clients_.back()->Start();
  }
}

void World::AddUsers(size_t log, int* number) {
  using Make = std::unique_ptr<SimUser> (*)(int, SimUser::Context);
  std::vector<Make> makes{MakeKeeperUser, MakeKeeperUser, MakeTailerUser, MakeTailerUser};
  if (!logs_[log].fenced) {
    makes.insert(makes.end(), {MakeProducerUser, MakeProducerUser, MakeWriterUser});
  }
  for (const Make make : makes) {
    SimUser::Context context{
        .events = &events_,
        .random = &random_,
        .service = service_.get(),
        .watch = watches_[log].get(),
        .log = &logs_[log],
        .delay = [this, client = *number + 1] { return network_->Delay() + chaos_->Late(client); },
        .reaches = [this](NodeId node) { return chaos_->ClientsReach(node); },
        .loses = [this] { return chaos_->Loses(); },
        .violation = [this](std::string line) { Violation(std::move(line)); },
        .nodes = faults_.nodes};
    users_.push_back(make(++*number, std::move(context)));
    users_.back()->clock().set_rate(1 + (random_.Fraction() * 2 - 1) * faults_.drift);
    users_.back()->Start();
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
  SimNode& node = NodeOf(to);
  if (node.up()) node.Receive(message);
}

void World::Pulse(const SimNode& from) {
  for (const auto& to : nodes_) {
    if (to->id() == from.id()) continue;
    network_->SendPulse(from.id(), to->id(), [from = from.id(), to = to.get()] {
      if (to->up()) to->HearPulse(from);
    });
  }
}

void World::SendRequest(NodeId to, GroupId log, server::RequestBody body, SimTime deadline_us,
                        server::ReplyTo reply_to) {
  if (chaos_->Loses()) return;
  events_.After(network_->Delay(), [this, to, log, body = std::move(body), deadline_us, reply_to] {
    SimNode& node = NodeOf(to);
    if (!node.up() || !chaos_->ClientsReach(to)) return;
    node.Post(log, server::Request{.reply_to = reply_to,
                                   .body = body,
                                   .deadline = node.clock().Mono() + deadline_us});
  });
}

void World::AfterTurn(SimNode& node) {
  ++result_.turns;
  result_.trace_hash = Mix(result_.trace_hash, static_cast<uint64_t>(events_.now()));
  for (const auto& watch : watches_) {
    const server::Group* group = node.group(watch->log());
    if (group == nullptr) continue;
    group->CheckInvariants();
    watch->AfterTurn(node, *group);
    const consensus::RaftCore& core = group->core();
    for (const uint64_t value :
         {node.id().value(), core.applied().value(), core.last().index.value(), core.term().value(),
          group->state().applied().chain}) {
      result_.trace_hash = Mix(result_.trace_hash, value);
    }
  }
}

Result World::Run(SimTime chaos_us) {
  chaos_->Start();
  while (events_.now() < chaos_us && result_.violations.empty()) events_.Step();
  chaos_->Heal();
  for (const auto& client : clients_) client->Stop();
  for (const auto& user : users_) user->Stop();
  const SimTime limit = events_.now() + kConvergeUs;
  while (!Converged() && events_.now() < limit && result_.violations.empty()) events_.Step();
  if (result_.violations.empty()) CheckEnd();
  Count();
  return std::move(result_);
}

void World::Count() {
  for (const auto& watch : watches_) {
    result_.operations += watch->done();
    result_.logs.leader_changes += watch->counts().leader_changes;
    result_.logs.refills += watch->counts().refills;
    result_.logs.suspects += watch->counts().suspects;
  }
  result_.chaos = chaos_->counts();
  result_.simulated_us = events_.now();
  result_.story.assign(story_.begin(), story_.end());
}

// Whether more than half of the voters' clocks differ from this node's in the same direction, by
// more than a leader may be off (design 5.7).
bool World::ClockIsOff(NodeId id, const std::vector<NodeId>& voters) const {
  const WallMicros wall = NodeOf(id).clock().Wall();
  size_t ahead = 0;
  size_t behind = 0;
  for (const NodeId voter : voters) {
    const int64_t offset_us = NodeOf(voter).clock().Wall() - wall;
    // The margin: what a clock that drifts moves between two looks.
    if (offset_us > 61 * kMicrosPerSecond) ++ahead;
    if (offset_us < -61 * kMicrosPerSecond) ++behind;
  }
  return std::max(ahead, behind) > voters.size() / 2;
}

bool World::Converged() const {
  const auto client_is_idle = [](const auto& client) { return client->idle(); };
  if (!std::all_of(clients_.begin(), clients_.end(), client_is_idle)) return false;
  if (!std::all_of(users_.begin(), users_.end(), client_is_idle)) return false;
  return std::all_of(logs_.begin(), logs_.end(),
                     [&](const SimLog& log) { return HasConverged(log.id); });
}

// All members hold and have applied what the leader has, which may go on leading.
bool World::HasConverged(GroupId log) const {
  const server::Group* leader = nullptr;
  for (const auto& node : nodes_) {
    const server::Group* group = node->group(log);
    if (group == nullptr) return false;
    if (group->state().leading()) leader = group;
  }
  if (leader == nullptr) return false;
  const consensus::Membership& members = leader->core().membership();
  if (members.joint() || ClockIsOff(leader->core().self(), members.voters)) return false;
  const consensus::RaftCore& want = leader->core();
  const std::vector<NodeId> all = members.All();
  return std::all_of(all.begin(), all.end(), [&](NodeId id) {
    const SimNode& node = NodeOf(id);
    const consensus::RaftCore& core = node.group(log)->core();
    return node.synced() && core.applied() == want.last().index && core.last() == want.last() &&
           core.term() == want.term();
  });
}

// What a cluster that does not converge looks like.
void World::NoteStates() {
  for (const SimLog& log : logs_) {
    for (const auto& node : nodes_) {
      if (node->group(log.id) != nullptr) Note(node->Describe(log.id));
    }
  }
}

void World::CheckEnd() {
  if (!Converged()) {
    NoteStates();
    Violation(fmt::format("not converged {} s after everything was healed",
                          kConvergeUs / kMicrosPerSecond));
    return;
  }
  for (const auto& watch : watches_) {
    const SimNode* leader = nullptr;
    for (const auto& node : nodes_) {
      if (node->group(watch->log())->state().leading()) leader = node.get();
    }
    watch->CheckEnd(*leader);
    if (!result_.violations.empty()) return;
    for (const NodeId id : leader->group(watch->log())->core().membership().All()) {
      watch->CheckReplica(*nodes_[id.value() - 1]);
    }
  }
}

}  // namespace cairn::sim
