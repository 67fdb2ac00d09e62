#include "tests/sim/chaos.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::sim {

Chaos::Chaos(Context context) : context_(std::move(context)) {
  const Faults& f = *context_.faults;
  choices_ = {
      {f.partitions, 4, &Chaos::CutSomething},
      {f.clogs, 2, &Chaos::Clog},
      {f.partitions || f.clogs, 4, &Chaos::HealNetwork},
      {f.client_cuts, 1, &Chaos::CutClients},
      {f.damage, 6, &Chaos::DamageSomething},
      {f.crashes, 2, &Chaos::CrashSomebody},
      {f.crashes, 1, &Chaos::CrashLeader},
      {f.power_cuts, 1, &Chaos::PowerCutAll},
      {f.pauses, 2, &Chaos::PauseSomebody},
      {f.stalled_disks, 1, &Chaos::StallDisk},
      {f.disk_full, 1, &Chaos::FillDisk},
      {f.wall_jumps || f.drift > 0, 1, &Chaos::MoveClock},
      {f.transfers, 2, &Chaos::MoveLeadership},
      {f.trims, 2, &Chaos::Trim},
      {f.trims, 12, &Chaos::LeaveBehind},
      {f.membership, 10, &Chaos::ChangeMembers},
  };
  std::erase_if(choices_, [](const Choice& choice) { return !choice.on; });
  for (const Choice& choice : choices_) weights_ += choice.weight;
}

void Chaos::Start() {
  for (const auto& node : *context_.nodes) node->set_crash_points(context_.faults->crash_points);
  if (!choices_.empty()) ScheduleNext();
}

void Chaos::ScheduleNext() {
  context_.events->After(random().Between(10'000, 400'000), [this] {
    if (over_) return;
    Act();
    ScheduleNext();
  });
}

void Chaos::Act() {
  auto dice = static_cast<int>(random().Below(static_cast<uint64_t>(weights_)));
  for (const Choice& choice : choices_) {
    dice -= choice.weight;
    if (dice < 0) return (this->*choice.action)();
  }
}

void Chaos::Heal() {
  over_ = true;
  unreachable_ = NodeId();
  context_.network->Heal();
  context_.network->Calm();
  context_.network->Repair();
  for (const auto& user : *context_.users) user->Pause(0);
  for (const auto& node : *context_.nodes) {
    node->set_crash_points(false);
    node->SetSpace(true);
    node->Pause(0);
    node->StallDisk(0);
    // The operator's part: a suspect leads again when it was restarted.
    const bool suspect =
        std::any_of(context_.logs->begin(), context_.logs->end(), [&](const SimLog& log) {
          const server::Group* group = node->group(log.id);
          return group != nullptr && group->View().suspect;
        });
    if (suspect) Crash(*node, storage::CrashFault::kProcess);
    if (!node->up()) node->Start();
  }
  Note("healed");
}

bool Chaos::Loses() { return !over_ && random().Chance(context_.faults->drop); }

// ---- Who ----------------------------------------------------------------------------------

SimNode& Chaos::AnyNode() const {
  return *(*context_.nodes)[random().Below(context_.nodes->size())];
}

const SimLog& Chaos::AnyLog() const {
  return (*context_.logs)[random().Below(context_.logs->size())];
}

LogWatch& Chaos::AnyWatch() const {
  return *(*context_.watches)[random().Below(context_.watches->size())];
}

SimNode* Chaos::LeaderOf(GroupId log) const {
  SimNode* leader = nullptr;
  Term term;
  for (const auto& node : *context_.nodes) {
    const server::Group* group = node->group(log);
    if (group == nullptr || group->core().role() != consensus::Role::kLeader) continue;
    if (leader != nullptr && group->core().term() < term) continue;
    leader = node.get();
    term = group->core().term();
  }
  return leader;
}

bool Chaos::IsSound(const SimNode& node) const {
  return std::all_of(context_.logs->begin(), context_.logs->end(), [&](const SimLog& log) {
    // None while it is down, and before its first turn.
    const server::Group* group = node.group(log.id);
    return group != nullptr && group->core().standing() == consensus::Standing::kSound;
  });
}

bool Chaos::AllAreSound() const {
  return std::all_of(context_.nodes->begin(), context_.nodes->end(),
                     [&](const auto& node) { return IsSound(*node); });
}

// ---- The network --------------------------------------------------------------------------

void Chaos::CutSomething() {
  const double dice = random().Fraction();
  if (dice < 0.2) return CutHalves();
  if (dice < 0.3) return CutBridge();
  if (dice < 0.7) {
    SimNode* leader = LeaderOf(AnyLog().id);
    const NodeId node = leader != nullptr && random().Chance(0.5) ? leader->id() : AnyNode().id();
    const bool both = random().Chance(0.6);
    const bool outgoing = both || random().Chance(0.5);
    return CutNode(node, outgoing, both || !outgoing);
  }
  const NodeId a = AnyNode().id();
  const NodeId b = AnyNode().id();
  const bool both_ways = random().Chance(0.7);
  context_.network->Cut(a, b);
  if (both_ways) context_.network->Cut(b, a);
  Note(fmt::format("link {} -> {} is cut{}", a, b, both_ways ? ", and back" : ""));
}

void Chaos::CutNode(NodeId cut, bool outgoing, bool incoming) {
  for (const auto& node : *context_.nodes) {
    if (outgoing) context_.network->Cut(cut, node->id());
    if (incoming) context_.network->Cut(node->id(), cut);
  }
  Note(fmt::format("node {} is cut off{}{}", cut, outgoing ? ", outgoing" : "",
                   incoming ? ", incoming" : ""));
}

void Chaos::JoinNode(NodeId joined) {
  for (const auto& node : *context_.nodes) {
    context_.network->Restore(joined, node->id());
    context_.network->Restore(node->id(), joined);
  }
}

// Each node on one of two sides.
void Chaos::CutHalves() {
  std::vector<NodeId> sides[2];
  for (const auto& node : *context_.nodes) sides[random().Below(2)].push_back(node->id());
  for (const NodeId a : sides[0]) {
    for (const NodeId b : sides[1]) {
      context_.network->Cut(a, b);
      context_.network->Cut(b, a);
    }
  }
  Note(fmt::format("the cluster is split: {} | {}", fmt::join(sides[0], " "),
                   fmt::join(sides[1], " ")));
}

// One node sees everybody, the others see only it.
void Chaos::CutBridge() {
  const NodeId bridge = AnyNode().id();
  for (const auto& a : *context_.nodes) {
    for (const auto& b : *context_.nodes) {
      if (a->id() != bridge && b->id() != bridge) context_.network->Cut(a->id(), b->id());
    }
  }
  Note(fmt::format("only node {} sees the others", bridge));
}

// Many links stop at once and come back one by one, in any order: what found most in other
// simulators (fault exam, "swizzle-clog").
void Chaos::Clog() {
  Note("links clog");
  for (const auto& a : *context_.nodes) {
    for (const auto& b : *context_.nodes) {
      if (a == b || random().Chance(0.4)) continue;
      const std::pair<NodeId, NodeId> link{a->id(), b->id()};
      context_.network->Cut(link.first, link.second);
      context_.events->After(random().Between(50'000, 1'500'000),
                             [this, link] { context_.network->Restore(link.first, link.second); });
    }
  }
}

void Chaos::HealNetwork() {
  context_.network->Heal();
  unreachable_ = NodeId();
}

void Chaos::CutClients() {
  unreachable_ = random().Chance(0.5) ? AnyNode().id() : NodeId();
  Note(fmt::format("clients do not reach node {}", unreachable_));
}

// Bad memory in one node shows to all others; in one link's hardware, to one. Mostly in a node
// that leads, since nobody else sends entries.
void Chaos::DamageSomething() {
  if (context_.network->damages()) {
    context_.network->Repair();
    Note("entries arrive whole again");
    return;
  }
  SimNode* leader = LeaderOf(AnyLog().id);
  const NodeId from = leader != nullptr && random().Chance(0.8) ? leader->id() : AnyNode().id();
  const NodeId to = random().Chance(0.5) ? AnyNode().id() : NodeId();
  context_.network->Damage(from, to);
  Note(fmt::format("entries of node {} arrive damaged at {}", from,
                   to ? fmt::format("node {}", to) : std::string("all")));
}

// ---- Processes and disks ------------------------------------------------------------------

storage::CrashFault Chaos::AnyFault() {
  if (!context_.faults->power_cuts) return storage::CrashFault::kProcess;
  constexpr storage::CrashFault kFaults[] = {
      storage::CrashFault::kProcess, storage::CrashFault::kTear, storage::CrashFault::kLoseAll};
  return kFaults[random().Below(3)];
}

void Chaos::Crash(SimNode& node, storage::CrashFault fault) {
  ++counts_.crashes;
  if (!node.recovered()) ++counts_.recovery_crashes;
  node.Crash(fault);
  context_.service->OnCrash(node.id());
}

void Chaos::CrashSomebody() {
  SimNode& node = AnyNode();
  if (node.up()) CrashAndRestart(node);
}

void Chaos::CrashLeader() {
  SimNode* leader = LeaderOf(AnyLog().id);
  if (leader != nullptr) CrashAndRestart(*leader);
}

void Chaos::CrashAndRestart(SimNode& node) {
  const bool repairable = AllAreSound();
  Crash(node, AnyFault());
  if (repairable) MaybeDamageDisk(node);
  Restart(node.id(), ShortOrLong());
}

void Chaos::MaybeDamageDisk(SimNode& node) {
  if (context_.faults->bit_flips && random().Chance(0.4)) {
    if (node.FlipBit(AnyLog().id)) ++counts_.bit_flips;
  } else if (context_.faults->lost_turns && random().Chance(0.5)) {
    if (random().Chance(0.5)) {
      node.LoseTurns(1, storage::RecoveryVerdict::kAmbiguous);
    } else {
      node.LoseTurns(1 + random().Below(storage::MemLogStore::kHistory),
                     storage::RecoveryVerdict::kLost);
    }
  }
}

SimTime Chaos::ShortOrLong() {
  SimTime most = 300;
  for (uint64_t i = random().Below(5); i > 0; --i) most *= 10;
  return random().Between(0, most);
}

void Chaos::OnDoomed(SimNode& node) {
  Crash(node, AnyFault());
  Restart(node.id(), ShortOrLong());
}

// Power goes everywhere at once: the cluster must come back unaided.
void Chaos::PowerCutAll() {
  ++counts_.power_cuts;
  for (const auto& node : *context_.nodes) {
    if (!node->up()) continue;
    Crash(*node, random().Chance(0.5) ? storage::CrashFault::kTear : storage::CrashFault::kLoseAll);
    Restart(node->id(), random().Between(0, 500'000));
  }
}

void Chaos::Restart(NodeId id, SimTime delay) {
  context_.events->After(delay, [this, id] {
    SimNode& node = *(*context_.nodes)[id.value() - 1];
    if (node.up()) return;
    node.Start();
    if (over_ || !context_.faults->recovery_crashes || !random().Chance(0.4)) return;
    // Again before it is back: in the middle of loading, of an election, of being refilled.
    context_.events->After(random().Between(0, 60'000), [this, id, life = node.life()] {
      SimNode& again = *(*context_.nodes)[id.value() - 1];
      if (over_ || !again.up() || again.life() != life) return;
      Crash(again, AnyFault());
      Restart(id, ShortOrLong());
    });
  });
}

// Longer than an election, and than a lease; clients too.
void Chaos::PauseSomebody() {
  const SimTime until = context_.events->now() + random().Between(10'000, 2'500'000);
  if (!context_.users->empty() && random().Chance(0.4)) {
    SimUser& user = *(*context_.users)[random().Below(context_.users->size())];
    user.Pause(until);
    Note(fmt::format("client {} is stopped until {}", user.number(), until));
    return;
  }
  SimNode* leader = LeaderOf(AnyLog().id);
  SimNode& node = leader != nullptr && random().Chance(0.5) ? *leader : AnyNode();
  node.Pause(until);
  Note(fmt::format("node {} is stopped until {}", node.id(), until));
}

void Chaos::StallDisk() {
  SimNode& node = AnyNode();
  const SimTime until = context_.events->now() + random().Between(100'000, 3'000'000);
  node.StallDisk(until);
  Note(fmt::format("the disk of node {} stalls until {}", node.id(), until));
}

void Chaos::FillDisk() {
  SimNode& node = AnyNode();
  const bool has_space = random().Chance(0.5);
  node.SetSpace(has_space);
  Note(fmt::format("the disk of node {} {}", node.id(), has_space ? "has space" : "is full"));
}

void Chaos::MoveClock() {
  const Faults& faults = *context_.faults;
  if (faults.wall_jumps) {
    AnyNode().clock().JumpWall(random().Between(-100, 100) * kMicrosPerSecond);
  }
  const double rate = 1 + (random().Fraction() * 2 - 1) * faults.drift;
  if (context_.users->empty() || random().Chance(0.5)) {
    AnyNode().clock().set_rate(rate);
  } else {
    (*context_.users)[random().Below(context_.users->size())]->clock().set_rate(rate);
  }
}

// ---- Commands -----------------------------------------------------------------------------

void Chaos::MoveLeadership() {
  server::TransferLeadershipOp op;
  const SimLog& log = AnyLog();
  if (random().Chance(0.5)) op.to = AnyNode().id();
  SimNode* leader = LeaderOf(log.id);
  context_.send(leader != nullptr ? leader->id() : AnyNode().id(), log.id, op);
}

void Chaos::Trim() {
  LogWatch& watch = AnyWatch();
  SimNode* leader = LeaderOf(watch.log());
  if (leader == nullptr) return;
  if (random().Chance(0.5)) return TrimAll(watch, *leader);
  // What nobody has read is not trimmed, so that the history can be checked.
  watch.Collect(*leader);
  server::TrimOp op;
  op.first_seq = Seq(random().Below(watch.collected_seq().value() + 1) + 1);
  context_.send(leader->id(), watch.log(), op);
}

void Chaos::TrimAll(LogWatch& watch, SimNode& leader) {
  watch.Collect(leader);
  server::TrimOp op;
  op.first_seq = watch.collected_seq() + 1;
  context_.send(leader.id(), watch.log(), op);
}

// A node misses what is then trimmed, so that it needs a snapshot when it is back: one that was
// down, or one that still believes to lead.
void Chaos::LeaveBehind() {
  LogWatch& watch = AnyWatch();
  SimNode* leader = LeaderOf(watch.log());
  SimNode& left = leader != nullptr && random().Chance(0.4) ? *leader : AnyNode();
  const SimTime away = random().Between(500'000, 2'000'000);
  if (context_.faults->crashes && left.up() && random().Chance(0.4)) {
    Crash(left, AnyFault());
    Restart(left.id(), away);
  } else {
    CutNode(left.id(), true, true);
    context_.events->After(away, [this, id = left.id()] { JoinNode(id); });
  }
  context_.events->After(away - random().Between(0, 100'000), [this, &watch] {
    SimNode* now_leads = LeaderOf(watch.log());
    if (!over_ && now_leads != nullptr) TrimAll(watch, *now_leads);
  });
}

// Learners come, learners get a vote, voters go (back to listening or at all), the leader too; one
// at a time, or several in one joint change.
void Chaos::ChangeMembers() {
  const SimLog& log = AnyLog();
  SimNode* leader = LeaderOf(log.id);
  if (leader == nullptr) return;
  const consensus::Membership& now = leader->group(log.id)->core().membership();
  server::ChangeMembersOp op{now.voters, now.learners};
  const auto move = [](std::vector<NodeId>& from, std::vector<NodeId>& to, NodeId id) {
    std::erase(from, id);
    to.push_back(id);
  };
  for (const auto& node : *context_.nodes) {
    const NodeId id = node->id();
    if (!random().Chance(0.4)) continue;
    if (!now.Contains(id)) {
      op.learners.push_back(id);
    } else if (now.IsLearner(id)) {
      if (random().Chance(0.8)) {
        move(op.learners, op.voters, id);
      } else {
        std::erase(op.learners, id);
      }
    } else if (op.voters.size() > 1 && random().Chance(0.5)) {
      if (random().Chance(0.5)) {
        move(op.voters, op.learners, id);
      } else {
        std::erase(op.voters, id);
      }
    }
  }
  Note(fmt::format("log {}: members shall be voters {} learners {}", log.id,
                   fmt::join(op.voters, " "), fmt::join(op.learners, " ")));
  context_.send(leader->id(), log.id, op);
}

}  // namespace cairn::sim
