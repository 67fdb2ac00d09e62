#include "tests/sim/chaos.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::sim {

Chaos::Chaos(Context context) : context_(std::move(context)) {
  const Faults& f = *context_.faults;
  const bool silence = f.crashes || f.partitions;
  choices_ = {
      {f.partitions, 4, &Chaos::CutSomething},
      {f.clogs, 2, &Chaos::Clog},
      {f.partitions || f.clogs, 4, &Chaos::HealNetwork},
      {f.client_cuts, 1, &Chaos::CutClients},
      {f.lulls, 3, &Chaos::BeginLull},
      {f.damage, 6, &Chaos::DamageSomething},
      {f.crashes, 2, &Chaos::CrashSomebody},
      {f.crashes, 1, &Chaos::CrashLeader},
      {f.crashes, 1, &Chaos::FlapSomebody},
      {f.power_cuts, 1, &Chaos::PowerCutAll},
      {f.pauses, 2, &Chaos::PauseSomebody},
      {f.stalled_disks, 2, &Chaos::StallDisk},
      {f.disk_full, 1, &Chaos::FillDisk},
      {f.wall_jumps || f.drift > 0, 1, &Chaos::MoveClock},
      {f.transfers, 2, &Chaos::MoveLeadership},
      {f.trims, 2, &Chaos::Trim},
      {f.trims, 12, &Chaos::LeaveBehind},
      {f.membership, 10, &Chaos::ChangeSomeMembers},
      {f.leader_hunts && silence, 4, &Chaos::HuntLeaders},
      {f.old_sleepers, 6, &Chaos::AskAnOldSleeper},
      {f.lease_races && f.pauses, 6, &Chaos::StopALeader},
      {f.lease_races && f.crashes, 6, &Chaos::RestartAPromiser},
      {f.change_overs && f.crashes, 4, &Chaos::ChangeOver},
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

// A cluster that never works shows nothing either: where it does not, it mostly gets time.
void Chaos::Act() {
  if (context_.events->now() < quiet_ends_) return;
  if (random().Chance(0.8) && !Works()) {
    if (random().Chance(0.3)) HealNetwork();
    return;
  }
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
    node->SetRoom(storage::Room::kEnough);
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

bool Chaos::InLull() const { return !over_ && context_.events->now() < lull_ends_; }

bool Chaos::Loses() { return InLull() || (!over_ && random().Chance(context_.faults->drop)); }

// Trouble on the way comes in spells: a packet that is late says that the next may be, too.
SimTime Chaos::Late(int client) {
  if (over_) return 0;
  SimTime& slow_until = slow_until_[client];
  if (context_.events->now() >= slow_until) {
    if (!random().Chance(context_.faults->late)) return 0;
    slow_until = context_.events->now() + random().Between(0, 3'000'000);
  }
  return random().Chance(0.5) ? random().Between(0, 700'000) : 0;
}

void Chaos::Later(SimTime delay, std::function<void()> action) {
  context_.events->After(delay, [this, action = std::move(action)] {
    if (!over_) action();
  });
}

SimTime Chaos::UpTo(SimTime most) {
  for (uint64_t i = random().Below(5); i > 0; --i) most /= 10;
  return random().Between(0, most);
}

// ---- Who ----------------------------------------------------------------------------------

SimNode& Chaos::AnyNode() const {
  return *(*context_.nodes)[random().Below(context_.nodes->size())];
}

SimNode& Chaos::AnyLeader() const {
  SimNode* leader = LeaderOf(AnyLog().id);
  return leader != nullptr ? *leader : AnyNode();
}

const SimLog& Chaos::AnyLog() const {
  return (*context_.logs)[random().Below(context_.logs->size())];
}

LogWatch& Chaos::AnyWatch() const {
  return *(*context_.watches)[random().Below(context_.watches->size())];
}

LogWatch& Chaos::WatchOf(GroupId log) const {
  const auto watch = std::find_if(context_.watches->begin(), context_.watches->end(),
                                  [&](const auto& one) { return one->log() == log; });
  CHECK(watch != context_.watches->end());
  return **watch;
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

bool Chaos::Works(size_t spare) const {
  return std::all_of(context_.logs->begin(), context_.logs->end(), [&](const SimLog& log) {
    const SimNode* leader = LeaderOf(log.id);
    if (leader == nullptr) return false;
    size_t reached = 0;
    for (const auto& node : *context_.nodes) {
      const bool both_ways = context_.network->Connected(leader->id(), node->id()) &&
                             context_.network->Connected(node->id(), leader->id());
      if (node->up() && both_ways) ++reached;
    }
    return reached > context_.nodes->size() / 2 + spare;
  });
}

bool Chaos::IsSound(const SimNode& node) const {
  return std::all_of(context_.logs->begin(), context_.logs->end(), [&](const SimLog& log) {
    // None while it is down, and before its first turn.
    const server::Group* group = node.group(log.id);
    return group != nullptr && group->core().standing() == consensus::Standing::kSound;
  });
}

bool Chaos::IsLost(const SimNode& node) const {
  return std::any_of(context_.logs->begin(), context_.logs->end(), [&](const SimLog& log) {
    const server::Group* group = node.group(log.id);
    return group != nullptr && group->core().standing() == consensus::Standing::kLost;
  });
}

bool Chaos::SomebodyIsHurt() {
  if (hurt_ && IsSound(NodeOf(hurt_))) hurt_ = NodeId();
  return hurt_ || std::any_of(context_.nodes->begin(), context_.nodes->end(),
                              [&](const auto& node) { return IsLost(*node); });
}

bool Chaos::AllAreSound() const {
  return std::all_of(context_.nodes->begin(), context_.nodes->end(),
                     [&](const auto& node) { return IsSound(*node); });
}

}  // namespace cairn::sim
