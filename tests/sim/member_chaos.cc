// What happens to the members of a MemberWorld.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tests/sim/member_world.h"

namespace cairn::sim {

void MemberWorld::AddChoices() {
  choices_ = {
      {8, &MemberWorld::AddMember},     {6, &MemberWorld::ChangeState},
      {12, &MemberWorld::MoveLog},      {4, &MemberWorld::ReplaceMember},
      {4, &MemberWorld::Trim},          {2, &MemberWorld::Wipe},
      {8, &MemberWorld::CrashSomebody}, {6, &MemberWorld::CrashMover},
      {1, &MemberWorld::CrashAll},      {8, &MemberWorld::CutOff},
      {3, &MemberWorld::Split},         {2, &MemberWorld::BringBackRemoved},
  };
  if (archives()) choices_.push_back({8, &MemberWorld::Trim});
  if (faults_.lulls) choices_.push_back({6, &MemberWorld::BeginLull});
  if (faults_.old_sleepers) choices_.push_back({6, &MemberWorld::CutASleeper});
}

void MemberWorld::Act() {
  if (over_) return;
  events_.After(random_.Between(20'000, 400'000), [this] { Act(); });
  if (events_.now() < quiet_ends_) return;
  int weights = 0;
  for (const Choice& choice : choices_) weights += choice.weight;
  auto dice = static_cast<int>(random_.Below(static_cast<uint64_t>(weights)));
  for (const Choice& choice : choices_) {
    dice -= choice.weight;
    if (dice < 0) return (this->*choice.action)();
  }
}

// ---- Disks and processes --------------------------------------------------------------------

bool MemberWorld::HasSpare(GroupId id) const {
  const SimNode* leader = LeaderOf(id);
  if (leader == nullptr) return false;
  const consensus::RaftCore& core = leader->group(id)->core();
  const consensus::Membership& members = core.membership();
  const auto is_whole = [&](NodeId node) {
    const server::Group* group = NodeOf(node).group(id);
    return group != nullptr && group->core().standing() == consensus::Standing::kSound;
  };
  return !members.joint() && members.voters.size() >= 3 && core.MembershipCommitted() &&
         std::all_of(members.voters.begin(), members.voters.end(), is_whole);
}

bool MemberWorld::MaySpareOne() const {
  const server::Catalog* catalog = CatalogNow();
  if (catalog == nullptr || wiped_ || catalog->logs().size() < kLogs) return false;
  return HasSpare(kCatalogGroup) &&
         std::all_of(catalog->logs().begin(), catalog->logs().end(),
                     [&](const auto& row) { return !row.second.moving() && HasSpare(row.first); });
}

// The disk is gone, and with it what it had voted for and acknowledged. Somebody else takes its
// place, at once or when there is one. (Where two serve, the catalog is about to have two voters,
// and two bear no loss.)
void MemberWorld::Wipe() {
  if (!MaySpareOne() || Serving(*CatalogNow()) < 3) return;
  const NodeId id = AnyMember(*CatalogNow());
  if (!NodeOf(id).up()) return;
  Note(fmt::format("node {} loses its disk", id));
  ++counts_.wipes;
  wiped_ = id;
  removed_.insert(id);
  NodeOf(id).Crash(storage::CrashFault::kProcess);
  if (random_.Chance(0.5)) AddMember();
}

// A torn end is cleared up by the answers of all other voters (decision 005), and one whose disk is
// gone never answers: with both among three voters, a log rightly waits for an operator.
storage::CrashFault MemberWorld::AnyFault() {
  if (!faults_.power_cuts || random_.Chance(0.5)) return storage::CrashFault::kProcess;
  return wiped_ || random_.Chance(0.5) ? storage::CrashFault::kLoseAll : storage::CrashFault::kTear;
}

void MemberWorld::Crash(SimNode& node, SimTime longest_us) {
  if (!node.up()) return;
  ++result_.chaos.crashes;
  node.Crash(AnyFault());
  events_.After(random_.Between(0, longest_us), [this, &node] {
    if (!node.up() && !removed_.contains(node.id())) node.Start();
  });
}

void MemberWorld::CrashSomebody() { Crash(AnyNode(), 2'000'000); }

// Who has a part in a log's move: its leader, the catalog's, or one that takes it.
void MemberWorld::CrashMover() {
  const server::Catalog* catalog = CatalogNow();
  if (catalog == nullptr) return;
  for (const auto& [id, log] : catalog->logs()) {
    if (!log.moving()) continue;
    std::vector<NodeId> movers = log.wanted;
    movers.push_back(LeaderOf(kCatalogGroup)->id());
    if (const SimNode* leader = LeaderOf(id)) movers.push_back(leader->id());
    return Crash(NodeOf(movers[random_.Below(movers.size())]), 1'000'000);
  }
}

// Of the power, or of all processes at once.
void MemberWorld::CrashAll() {
  ++result_.chaos.power_cuts;
  for (const auto& node : nodes_) Crash(*node, 700'000);
}

// With the directory that it had: it knows nothing of what has happened since. (A disk that was
// lost may be found again, when nobody waits for it any more.)
void MemberWorld::BringBackRemoved() {
  const server::Catalog* catalog = CatalogNow();
  if (catalog == nullptr) return;
  for (const NodeId id : removed_) {
    if (!catalog->removed().contains(id) || NodeOf(id).up() || !random_.Chance(0.3)) continue;
    Note(fmt::format("node {}, which was removed, comes back", id));
    ++counts_.revenants;
    return NodeOf(id).Start();
  }
}

// ---- Network --------------------------------------------------------------------------------

// From all others, or from one of them, for a while.
void MemberWorld::CutOff() {
  const NodeId id = AnyNode().id();
  const NodeId one = random_.Chance(0.4) ? AnyNode().id() : NodeId();
  for (const auto& other : nodes_) {
    if (one && other->id() != one) continue;
    network_->Cut(id, other->id());
    if (random_.Chance(0.8)) network_->Cut(other->id(), id);
  }
  Note(fmt::format("node {} is cut off", id));
  HealLater();
}

void MemberWorld::Split() {
  std::vector<NodeId> side;
  for (const auto& node : nodes_) {
    if (random_.Chance(0.5)) side.push_back(node->id());
  }
  for (const NodeId a : side) {
    for (const auto& b : nodes_) {
      if (std::find(side.begin(), side.end(), b->id()) != side.end()) continue;
      network_->Cut(a, b->id());
      network_->Cut(b->id(), a);
    }
  }
  Note(fmt::format("nodes {} are split from the others", fmt::join(side, " ")));
  HealLater();
}

void MemberWorld::HealLater() {
  events_.After(random_.Between(50'000, 1'500'000), [this] { network_->Heal(); });
}

void MemberWorld::Heal() {
  over_ = true;
  network_->Heal();
  network_->Calm();
  if (archives()) objects_->Calm();
  for (const auto& node : nodes_) {
    if (!node->up() && started_.contains(node->id()) && !removed_.contains(node->id())) {
      node->Start();
    }
  }
  if (const server::Catalog* catalog = CatalogNow()) counts_.removals = catalog->removed().size();
  Note("healed");
}

}  // namespace cairn::sim
