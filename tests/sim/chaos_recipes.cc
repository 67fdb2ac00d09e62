// Chaos by recipe: several faults in an order that has broken systems of this kind, at moments that
// draws alone would seldom hit.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "tests/sim/chaos.h"

namespace cairn::sim {
namespace {

void Rotate(std::vector<NodeId>& ids, uint64_t by) {
  std::rotate(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(by), ids.end());
}

}  // namespace

// A node misses what is then trimmed, so that it needs a snapshot when it is back: one that was
// down, or one that still believes to lead.
void Chaos::LeaveBehind() {
  if (!Works(1)) return;
  const GroupId log = AnyLog().id;
  SimNode* leader = LeaderOf(log);
  SimNode& left = leader != nullptr && random().Chance(0.4) ? *leader : AnyNode();
  if (!left.up()) return;
  if (context_.faults->crashes && random().Chance(0.4)) {
    CrashAndHarm(left);
  } else {
    CutNode(left.id(), true, true);
  }
  constexpr int kPatience = 4;
  Later(random().Between(200'000, 1'000'000),
        [this, log, id = left.id()] { TrimAndRejoin(log, id, kPatience); });
}

void Chaos::TrimAndRejoin(GroupId log, NodeId left, int patience) {
  SimNode* leader = LeaderOf(log);
  const bool others_lead = leader != nullptr && leader->id() != left;
  if (!others_lead && patience > 0) {
    return Later(200'000, [=, this] { TrimAndRejoin(log, left, patience - 1); });
  }
  if (others_lead) TrimAll(WatchOf(log), *leader);
  const SimTime delay = random().Between(0, 100'000);
  Later(delay, [this, left] { JoinNode(left); });
  if (!NodeOf(left).up()) Restart(left, delay);
}

// ---- Leaders that do not last -------------------------------------------------------------

// Whoever leads the log falls silent soon, one after the other. So terms leave entries on few
// disks, and who takes them up goes before they are settled (figure 8 of the Raft paper).
void Chaos::HuntLeaders() {
  hunted_ = AnyLog().id;
  hunt_ends_ = context_.events->now() + random().Between(500'000, 4'000'000);
  Note(fmt::format("leaders of log {} are hunted until {}", hunted_, hunt_ends_));
  if (SimNode* leader = LeaderOf(hunted_)) Strike(leader->id());
}

void Chaos::OnMoment(Moment moment, NodeId leader, GroupId log) {
  if (over_) return;
  const bool hunted = log == hunted_ && context_.events->now() < hunt_ends_;
  switch (moment) {
    case Moment::kLeads:
      if (hunted) Strike(leader);
      return OnLeader(log);
    case Moment::kCommits:
      if (hunted) Later(UpTo(5'000), [this, leader] { Silence(leader); });
      return;
    case Moment::kNewVoters:
      return DisturbChange(leader, log);
  }
  CHECK_UNREACHABLE();
}

// The beginning of a term is when most is unsettled.
void Chaos::OnLeader(GroupId log) {
  if (context_.faults->membership && random().Chance(0.2)) {
    Later(UpTo(5'000), [this, log] { ChangeMembers(log); });
  }
  if (context_.faults->trims && random().Chance(0.2)) {
    Later(UpTo(100'000), [this, log] {
      SimNode* now_leads = LeaderOf(log);
      if (now_leads != nullptr) TrimAll(WatchOf(log), *now_leads);
    });
  }
}

// Half of them are mute from the first moment, or heard by one other.
void Chaos::Strike(NodeId leader) {
  if (random().Chance(0.5)) {
    const NodeId hears = random().Chance(0.5) ? AnyNode().id() : NodeId();
    for (const auto& node : *context_.nodes) {
      if (node->id() != hears) context_.network->Cut(leader, node->id());
    }
    Note(fmt::format("node {} is heard by {}", leader,
                     hears ? fmt::format("node {}", hears) : std::string("nobody")));
  }
  Later(UpTo(300'000), [this, leader] { Silence(leader); });
}

bool Chaos::MaySilence() const { return context_.faults->crashes || context_.faults->partitions; }

void Chaos::Silence(NodeId id) {
  const bool cut =
      !context_.faults->crashes || (context_.faults->partitions && random().Chance(0.4));
  if (cut) {
    CutNode(id, true, true);
    context_.events->After(random().Between(50'000, 800'000), [this, id] { JoinNode(id); });
    return;
  }
  // What it has sent last arrives, or is lost with it.
  const bool arrives = random().Chance(0.5);
  if (!arrives) CutNode(id, true, true);
  Later(arrives ? 0 : random().Between(500, 20'000), [this, id] { JoinNode(id); });
  if (!NodeOf(id).up()) return;
  CrashAndHarm(NodeOf(id));
  Restart(id, random().Between(0, 600'000));
  // Those who have just voted, too.
  if (random().Chance(0.3)) FlapSomebody();
}

// ---- Leaders that slept -------------------------------------------------------------------

// A log is left alone until it hibernates; then nobody reaches its leader but clients. The others
// elect another one, and are given something to append. For as long as the old one has not noticed,
// it is asked what the log's end is: its sleep must not count for anything. Nothing else happens
// meanwhile, or the moment would seldom come.
void Chaos::AskAnOldSleeper() {
  if (!Works() || InLull()) return;
  constexpr int kPatience = 30;
  quiet_ends_ = lull_ends_ = context_.events->now() + 4 * kMicrosPerSecond;
  CutWhenAsleep(AnyLog().id, kPatience);
}

void Chaos::CutWhenAsleep(GroupId log, int patience) {
  SimNode* leader = LeaderOf(log);
  const bool asleep = leader != nullptr && leader->group(log)->View().hibernating;
  if (!asleep && patience > 0) {
    return Later(50'000, [=, this] { CutWhenAsleep(log, patience - 1); });
  }
  if (!asleep) {
    quiet_ends_ = lull_ends_ = 0;
    return;
  }
  const NodeId old = leader->id();
  Note(fmt::format("log {}: node {}, which leads and sleeps, is cut off", log, old));
  CutNode(old, true, true);
  AskWhenDeposed(log, old);
  Later(random().Between(600'000, 1'500'000), [this, old] { JoinNode(old); });
}

// Until the old one knows.
void Chaos::AskWhenDeposed(GroupId log, NodeId old) {
  const server::Group* group = NodeOf(old).group(log);
  if (group == nullptr || group->core().role() != consensus::Role::kLeader) {
    quiet_ends_ = lull_ends_ = 0;
    return;
  }
  const SimNode* leader = LeaderOf(log);
  if (leader != nullptr && leader->id() != old) {
    lull_ends_ = 0;
    context_.ask(log, old, leader->id());
  }
  Later(5'000, [=, this] { AskWhenDeposed(log, old); });
}

// ---- Leaders that have a lease --------------------------------------------------------------

// A leader is stopped, and reached by clients only; the others elect another one. When the old one
// goes on it has to know that time went by.
void Chaos::StopALeader() {
  if (!Works()) return;
  const GroupId log = AnyLog().id;
  SimNode& leader = *LeaderOf(log);
  const NodeId old = leader.id();
  const SimTime now = context_.events->now();
  quiet_ends_ = now + 2 * kMicrosPerSecond;
  CutNode(old, true, true);
  leader.Pause(now + random().Between(200'000, 1'000'000));
  Note(fmt::format("log {}: node {}, which leads, is stopped and cut off", log, old));
  AskWhenDeposed(log, old);
  Later(random().Between(1'000'000, 1'500'000), [this, old] { JoinNode(old); });
}

// The leader's majority hangs on one node, which a minority sees too, and does not vote for as long
// as it hears the leader. It restarts, and from then on hears the minority only: it must not elect
// one of those before the lease has ended that it was part of.
void Chaos::RestartAPromiser() {
  if (!Works()) return;
  const GroupId log = AnyLog().id;
  const SimNode& leader = *LeaderOf(log);
  std::vector<NodeId> others;
  for (const NodeId voter : leader.group(log)->core().membership().voters) {
    if (voter != leader.id()) others.push_back(voter);
  }
  if (others.size() < 2) return;
  const size_t minority = others.size() / 2;
  Rotate(others, random().Below(others.size()));
  const NodeId between = others[minority];
  others.resize(minority);
  for (const auto& node : *context_.nodes) {
    const NodeId id = node->id();
    if (id == between || std::find(others.begin(), others.end(), id) != others.end()) continue;
    for (const NodeId other : others) {
      context_.network->Cut(other, id);
      context_.network->Cut(id, other);
    }
  }
  quiet_ends_ = context_.events->now() + 2 * kMicrosPerSecond;
  Note(fmt::format("log {}: only node {} sees both node {} and those who would elect another", log,
                   between, leader.id()));
  Later(random().Between(200'000, 800'000),
        [=, this, old = leader.id()] { RestartBetween(log, old, between); });
  Later(2 * kMicrosPerSecond, [this] { HealNetwork(); });
}

void Chaos::RestartBetween(GroupId log, NodeId old, NodeId between) {
  SimNode& node = NodeOf(between);
  if (!node.up() || LeaderOf(log) != &NodeOf(old)) {
    quiet_ends_ = 0;
    return;
  }
  context_.network->Cut(old, between);
  context_.network->Cut(between, old);
  Crash(node, storage::CrashFault::kProcess);
  Restart(between, UpTo(20'000));
  AskWhenDeposed(log, old);
}

// ---- One crashed machine ------------------------------------------------------------------

// A minority sleeps through writes; then it wakes up, one of those that hold them loses its power
// and perhaps more, and the others fall silent. Those who are left are a majority, and must not
// write another history.
void Chaos::ChangeOver() {
  const GroupId log = AnyLog().id;
  SimNode* leader = LeaderOf(log);
  if (leader == nullptr) return;
  std::vector<NodeId> sleepers;
  for (const NodeId voter : leader->group(log)->core().membership().voters) {
    if (voter != leader->id()) sleepers.push_back(voter);
  }
  Rotate(sleepers, random().Below(sleepers.size() + 1));
  sleepers.resize((sleepers.size() + 1) / 2);
  for (const NodeId sleeper : sleepers) CutNode(sleeper, true, true);
  Later(random().Between(100'000, 1'000'000), [this, log, sleepers] { WakeUp(log, sleepers); });
}

void Chaos::WakeUp(GroupId log, const std::vector<NodeId>& sleepers) {
  SimNode* leader = LeaderOf(log);
  std::vector<NodeId> others;
  for (const auto& node : *context_.nodes) {
    const auto sleeper = std::find(sleepers.begin(), sleepers.end(), node->id());
    if (sleeper == sleepers.end() && node.get() != leader && node->up())
      others.push_back(node->id());
  }
  SimTime wakes = UpTo(100'000);
  NodeId again;
  if (leader != nullptr && !others.empty()) {
    const NodeId loser =
        random().Chance(0.7) ? others[random().Below(others.size())] : leader->id();
    std::erase(others, loser);
    if (loser != leader->id()) others.push_back(leader->id());
    const SimTime back = UpTo(200'000);
    CrashAndHarm(NodeOf(loser), log);
    Restart(loser, back);
    // While it is being made whole it goes once more, and so do those who would.
    if (random().Chance(0.7)) {
      wakes += back;
      again = loser;
    }
  }
  const auto change = [this, sleepers, others, again] {
    for (const NodeId sleeper : sleepers) JoinNode(sleeper);
    for (const NodeId silent : others) CutNode(silent, true, true);
    if (again) Flap(again, 1);
  };
  if (again && random().Chance(0.7)) {
    WhenGivenSomething(log, again, std::nullopt, context_.events->now() + kMicrosPerSecond / 2,
                       change);
  } else {
    Later(wakes, change);
  }
  context_.events->After(random().Between(700'000, 2'000'000), [this, sleepers, others] {
    for (const NodeId id : sleepers) JoinNode(id);
    for (const NodeId id : others) JoinNode(id);
  });
}

void Chaos::WhenGivenSomething(GroupId log, NodeId id, std::optional<Index> had, SimTime latest,
                               const std::function<void()>& action) {
  if (const server::Group* group = NodeOf(id).group(log); group != nullptr) {
    const Index has = group->View().last;
    if (has != had.value_or(has)) return action();
    had = has;
  }
  if (context_.events->now() >= latest) return action();
  Later(200, [=, this] { WhenGivenSomething(log, id, had, latest, action); });
}

}  // namespace cairn::sim
