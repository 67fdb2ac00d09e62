#include "tests/sim/member_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/sim/null_sink.h"

namespace cairn::sim {
namespace {

constexpr size_t kStoryLines = 120;
constexpr uint64_t kFounders = 3;
// Nodes that clients may know of; ids above are never given (member_chaos.cc).
constexpr int kKnownNodes = 12;
// Of a node that was told that it is no member.
constexpr double kStopsWhenRefused = 0.05;

bool Sleeps(uint64_t seed) { return seed % 2 == 0; }
bool Archives(uint64_t seed) { return seed % 3 == 0; }

Faults ForMembers(uint64_t seed, Faults faults) {
  // Disks that lie are the other world's subject.
  faults.nodes = faults.voters = kFounders;
  if (!Sleeps(seed)) faults.hibernate_ticks = 0;
  if (Sleeps(seed)) faults.lease_nodes = 0;
  faults.lulls = faults.old_sleepers = faults.hibernate_ticks != 0;
  if (Archives(seed)) {
    Random random(seed ^ 0xa2c41feu);
    faults.archive_object_bytes = 1 << random.Between(9, 14);
    faults.archive_age_ms = static_cast<uint64_t>(random.Between(50, 1500));
  }
  faults.membership = faults.damage = faults.lost_turns = faults.bit_flips = false;
  return faults;
}

}  // namespace

MemberWorld::MemberWorld(uint64_t seed, Faults faults)
    : seed_(seed), faults_(ForMembers(seed, std::move(faults))), random_(seed) {
  result_.seed = seed_;
  result_.faults = faults_.ToString();
  if (faults_.archive_object_bytes != 0) objects_ = std::make_unique<SimObjects>(&random_);
  AddChoices();
  network_ = std::make_unique<SimNetwork>(
      &faults_, &events_, &random_,
      [this](NodeId to, const server::OutMessage& message) { Deliver(to, message); });
  formed_.set_cluster_id("simulated");
  for (uint64_t id = 1; id <= kFounders; ++id) {
    cairn::v1::Member& member = *formed_.add_members();
    member.set_node_id(id);
    member.set_name(fmt::format("n{}", ++names_));
    member.set_address(fmt::format("host-{}:1", names_));
    member.set_incarnation(id * 1000 + 1);  // As SimNode's store.
  }
  Watch(kCatalogGroup);
  while (nodes_.size() < kFounders) {
    AddNode();
    nodes_.back()->Start();
    started_.insert(nodes_.back()->id());
  }
  Tend();
}

MemberWorld::~MemberWorld() = default;

void MemberWorld::AddNode() {
  nodes_.push_back(std::make_unique<SimNode>(
      NodeId(nodes_.size() + 1),
      SimNode::Context{
          .faults = &faults_,
          .logs = &no_logs_,
          .events = &events_,
          .network = network_.get(),
          .random = &random_,
          .after_turn = [this](SimNode& node) { AfterTurn(node); },
          .doomed =
              [this](SimNode& node) {
                node.Crash(storage::CrashFault::kProcess);
                ++result_.chaos.crashes;
              },
          .note = [this](std::string line) { Note(std::move(line)); },
          .violation = [this](std::string line) { Violation(std::move(line)); },
          .store_of = [this](NodeId from, NodeId to) { return StoreOf(from, to); },
          .pulse = [this](SimNode& node) { Pulse(node); },
          .formed = &formed_,
          .settle =
              [this](NodeId to, const cairn::v1::SettleRequest& request) {
                server::CatalogOp op;
                op.command.mutable_log_settled()->set_log_id(request.log_id());
                op.command.mutable_log_settled()->set_placement(request.placement());
                Send(to, kCatalogGroup, std::move(op), kMicrosPerSecond, {&null_sink, 0});
              },
          .objects = objects_.get()}));
  nodes_.back()->clock().set_rate(1 + (random_.Fraction() * 2 - 1) * faults_.drift);
}

void MemberWorld::Watch(GroupId id) {
  logs_.push_back({id,
                   std::make_unique<LogWatch>(
                       id, false, [this](std::string line) { Violation(std::move(line)); },
                       [this](std::string line) { Note(std::move(line)); }, [](Moment, NodeId) {}),
                   {}});
}

void MemberWorld::AddClients(Log& log) {
  using Way = SimClient::Way;
  for (const Way way : {Way::kPlain, Way::kRacer, Way::kHolder, Way::kReader}) {
    auto client = std::make_unique<SimClient>(
        static_cast<int>(clients_.size()) + 1, way, /*clock_rate=*/1.0,
        SimClient::Context{.events = &events_,
                           .random = &random_,
                           .watch = log.watch.get(),
                           .send =
                               [this, id = log.id](NodeId to, server::RequestBody body,
                                                   SimTime deadline_us, server::ReplyTo reply_to) {
                                 if (InLull()) return;
                                 Send(to, id, std::move(body), deadline_us, reply_to);
                               },
                           .delay = [this] { return network_->Delay(); },
                           .think_us = faults_.think_us,
                           .nodes = kKnownNodes});
    client->Start();
    clients_.push_back({log.id, way == Way::kReader, std::move(client)});
  }
}

void MemberWorld::Note(std::string line) {
  story_.push_back(fmt::format("{:>12} us  {}", events_.now(), line));
  if (story_.size() > kStoryLines) story_.pop_front();
}

void MemberWorld::Violation(std::string line) {
  Note("VIOLATION: " + line);
  result_.violations.push_back(std::move(line));
}

// ---- Between nodes ------------------------------------------------------------------------

// As PeerBook::Check: whoever knows that the sender was removed does not listen, and says so.
bool MemberWorld::Refuses(const SimNode& node, NodeId from) {
  if (!node.host()->catalog().removed().contains(from)) return false;
  SimNode& sender = NodeOf(from);
  if (sender.up() && random_.Chance(kStopsWhenRefused)) {
    Note(fmt::format("node {} is told that it is no member", from));
    removed_.insert(from);
    // Not from here: it may be in the middle of its turn.
    events_.After(0, [this, from] {
      if (NodeOf(from).up()) NodeOf(from).Crash(storage::CrashFault::kProcess);
    });
  }
  return true;
}

void MemberWorld::Deliver(NodeId to, const server::OutMessage& message) {
  if (!Exists(to) || !NodeOf(to).up() || Refuses(NodeOf(to), message.message.from)) return;
  NodeOf(to).Receive(message);
}

const storage::MemLogStore* MemberWorld::StoreOf(NodeId from, NodeId to) {
  if (!Exists(to) || !NodeOf(to).up() || Refuses(NodeOf(to), from)) return nullptr;
  return NodeOf(to).StoreFor(from);
}

void MemberWorld::Pulse(const SimNode& from) {
  for (const auto& to : nodes_) {
    if (to->id() == from.id()) continue;
    network_->SendPulse(from.id(), to->id(), [this, from = from.id(), to = to.get()] {
      if (to->up() && !Refuses(*to, from)) to->HearPulse(from);
    });
  }
}

void MemberWorld::Send(NodeId to, GroupId group, server::RequestBody body, SimTime deadline_us,
                       server::ReplyTo reply_to) {
  events_.After(network_->Delay(), [this, to, group, body = std::move(body), deadline_us,
                                    reply_to] {
    if (Exists(to) && NodeOf(to).up() && NodeOf(to).group(group) != nullptr) {
      NodeOf(to).Post(group, server::Request{.reply_to = reply_to,
                                             .body = body,
                                             .deadline = NodeOf(to).clock().Mono() + deadline_us});
      return;
    }
    // Nobody listens there, or it has no such log.
    server::Rejection refused;
    refused.info.set_reason(cairn::v1::REASON_NOT_LEADER);
    reply_to.sink->OnReply(reply_to.token, std::move(refused));
  });
}

void MemberWorld::AfterTurn(SimNode& node) {
  ++result_.turns;
  for (Log& log : logs_) {
    const server::Group* group = node.group(log.id);
    if (group == nullptr) continue;
    group->CheckInvariants();
    log.watch->AfterTurn(node, *group);
    NoteMembers(node, log, *group);
    if (archives()) CheckArchive(node, log, *group);
  }
}

// What a leader's configuration comes to is most of this world's story.
void MemberWorld::NoteMembers(const SimNode& node, Log& log, const server::Group& group) {
  const consensus::RaftCore& core = group.core();
  if (core.role() != consensus::Role::kLeader || core.membership() == log.members) return;
  log.members = core.membership();
  Note(fmt::format("log {}: node {} has {}", log.id, node.id(), ToString(log.members)));
}

void MemberWorld::NoteStates() {
  for (const Log& log : logs_) {
    for (const auto& node : nodes_) {
      if (node->group(log.id) != nullptr) Note(node->Describe(log.id));
    }
  }
}

SimNode* MemberWorld::LeaderOf(GroupId id) const {
  SimNode* leader = nullptr;
  Term term;
  for (const auto& node : nodes_) {
    const server::Group* group = node->group(id);
    if (group == nullptr || group->core().role() != consensus::Role::kLeader) continue;
    if (leader != nullptr && group->core().term() < term) continue;
    leader = node.get();
    term = group->core().term();
  }
  return leader;
}

const server::Catalog* MemberWorld::CatalogNow() const {
  const SimNode* leader = LeaderOf(kCatalogGroup);
  return leader == nullptr ? nullptr : &leader->host()->catalog();
}

// ---- The run ------------------------------------------------------------------------------

Result MemberWorld::Run(SimTime chaos_us) {
  events_.After(kMicrosPerSecond, [this] { Act(); });
  while (events_.now() < chaos_us && result_.violations.empty()) events_.Step();
  if (!result_.violations.empty()) NoteStates();
  Heal();
  for (const Asker& asker : clients_) asker.client->Stop();
  const SimTime limit = events_.now() + kConvergeUs;
  while (!WhyNotConverged().empty() && events_.now() < limit && result_.violations.empty()) {
    const SimTime until = events_.now() + kTendUs;
    while (events_.now() < until) events_.Step();
  }
  if (result_.violations.empty()) CheckEnd();
  for (const Log& log : logs_) {
    result_.operations += log.watch->done();
    result_.logs.leader_changes += log.watch->counts().leader_changes;
  }
  result_.simulated_us = events_.now();
  result_.story.assign(story_.begin(), story_.end());
  return std::move(result_);
}

}  // namespace cairn::sim
