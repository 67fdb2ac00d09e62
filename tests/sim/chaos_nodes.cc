// Chaos at the nodes: their processes, disks and clocks.

#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/chaos.h"

namespace cairn::sim {

storage::CrashFault Chaos::AnyFault() {
  if (!context_.faults->power_cuts) return storage::CrashFault::kProcess;
  constexpr storage::CrashFault kFaults[] = {
      storage::CrashFault::kProcess, storage::CrashFault::kLoseAll, storage::CrashFault::kTear};
  // Where one has lost what it had said to hold, a torn end at a second one is more than the rest
  // can mend: nobody but an operator can tell whether the two of them held the same (design 8).
  return kFaults[random().Below(SomebodyIsHurt() ? 2 : 3)];
}

void Chaos::Crash(SimNode& node, storage::CrashFault fault) {
  ++counts_.crashes;
  if (!node.recovered()) ++counts_.recovery_crashes;
  if (IsLost(node)) hurt_ = node.id();
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

void Chaos::FlapSomebody() { Flap(AnyNode().id(), static_cast<int>(random().Between(2, 8))); }

// What a supervisor does that starts a process again at once.
void Chaos::Flap(NodeId id, int times) {
  SimNode& node = NodeOf(id);
  if (node.up()) {
    Crash(node, AnyFault());
    Restart(id, UpTo(5'000));
  }
  if (times > 1) Later(UpTo(50'000), [this, id, times] { Flap(id, times - 1); });
}

void Chaos::CrashAndHarm(SimNode& node, std::optional<GroupId> log) {
  const bool repairable = AllAreSound();
  Crash(node, AnyFault());
  if (repairable) MaybeDamageDisk(node, log);
}

void Chaos::MaybeDamageDisk(SimNode& node, std::optional<GroupId> log) {
  if (context_.network->damages()) return;
  const bool loses = context_.faults->lost_turns;
  const double surely = log.has_value() ? 1 : 0.6;
  if (context_.faults->bit_flips && random().Chance(loses ? 0.6 : surely)) {
    if (!node.FlipBit(log.value_or(AnyLog().id))) return;
    ++counts_.bit_flips;
    hurt_ = node.id();
  } else if (loses && random().Chance(surely)) {
    hurt_ = node.id();
    if (random().Chance(0.5)) {
      node.LoseTurns(1, storage::RecoveryVerdict::kAmbiguous);
    } else {
      node.LoseTurns(1 + random().Below(storage::MemLogStore::kHistory),
                     storage::RecoveryVerdict::kLost);
    }
  }
}

SimTime Chaos::ShortOrLong() { return UpTo(1'500'000); }

void Chaos::OnDoomed(SimNode& node) {
  Crash(node, AnyFault());
  Restart(node.id(), ShortOrLong());
}

// Power goes everywhere at once: the cluster must come back unaided, whoever is first.
void Chaos::PowerCutAll() {
  ++counts_.power_cuts;
  const bool slowly = random().Chance(0.5);
  const bool tears = !SomebodyIsHurt();
  for (const auto& node : *context_.nodes) {
    if (!node->up()) continue;
    Crash(*node, tears && random().Chance(0.5) ? storage::CrashFault::kTear
                                               : storage::CrashFault::kLoseAll);
    Restart(node->id(), slowly ? ShortOrLong() : random().Between(0, 500'000));
  }
}

void Chaos::Restart(NodeId id, SimTime delay) {
  context_.events->After(delay, [this, id] {
    SimNode& node = NodeOf(id);
    if (node.up()) return;
    node.Start();
    if (over_ || !context_.faults->recovery_crashes || !random().Chance(0.4)) return;
    // Again before it is back: in the middle of loading, of an election, of being refilled.
    Later(random().Between(0, 60'000), [this, id, life = node.life()] {
      SimNode& again = NodeOf(id);
      if (!again.up() || again.life() != life) return;
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
  SimNode& node = random().Chance(0.5) ? AnyLeader() : AnyNode();
  node.Pause(until);
  Note(fmt::format("node {} is stopped until {}", node.id(), until));
}

// Now and then its machine is switched off meanwhile, or all are.
void Chaos::StallDisk() {
  SimNode& node = random().Chance(0.5) ? AnyLeader() : AnyNode();
  const SimTime stalls = random().Between(100'000, 3'000'000);
  node.StallDisk(context_.events->now() + stalls);
  Note(fmt::format("the disk of node {} stalls for {} us", node.id(), stalls));
  if (!context_.faults->power_cuts || random().Chance(0.3)) return;
  Later(UpTo(stalls), [this, id = node.id()] {
    if (random().Chance(0.5)) return PowerCutAll();
    if (NodeOf(id).up()) CrashAndRestart(NodeOf(id));
  });
}

void Chaos::FillDisk() {
  SimNode& node = AnyNode();
  using storage::Room;
  const Room room = random().Chance(0.5)   ? Room::kEnough
                    : random().Chance(0.5) ? Room::kLow
                                           : Room::kNone;
  node.SetRoom(room);
  Note(fmt::format("the disk of node {} {}", node.id(),
                   room == Room::kEnough ? "has room"
                   : room == Room::kLow  ? "is below its watermark"
                                         : "is full"));
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

}  // namespace cairn::sim
