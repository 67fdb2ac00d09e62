// Chaos by commands: what an operator asks of a cluster under load.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/sim/chaos.h"

namespace cairn::sim {

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
  // So that the next term begins about where the log now does.
  if (MaySilence() && random().Chance(0.1)) {
    Later(UpTo(20'000), [this, id = leader.id()] { Silence(id); });
  }
}

void Chaos::ChangeSomeMembers() { ChangeMembers(AnyLog().id); }

// Learners come, learners get a vote, voters go (back to listening or at all), the leader too: some
// of them, or all members anew.
void Chaos::ChangeMembers(GroupId log) {
  SimNode* leader = LeaderOf(log);
  if (leader == nullptr) return;
  const consensus::Membership& now = leader->group(log)->core().membership();
  const bool anew = random().Chance(0.3);
  // To fewer than half of them: the old voters and the new ones could each decide without the
  // others.
  const bool few = random().Chance(0.2);
  size_t left = (now.voters.size() - 1) / 2;
  server::ChangeMembersOp op;
  for (const auto& node : *context_.nodes) {
    const NodeId id = node->id();
    const bool member = now.Contains(id);
    const bool moves = random().Chance(0.4);
    bool votes = now.IsVoter(id);
    bool listens = now.IsLearner(id);
    if (few && now.IsVoter(leader->id()) && now.voters.size() > 2) {
      votes = id == leader->id() || (now.IsVoter(id) && left > 1 && random().Chance(0.5));
      if (votes && id != leader->id()) --left;
      listens = member && !votes;
    } else if (anew) {
      votes = member && random().Chance(0.5);
      listens = member && !votes;
    } else if (moves && !member) {
      listens = true;
    } else if (moves && listens) {
      votes = random().Chance(0.8);
      listens = false;
    } else if (moves && random().Chance(0.5)) {
      votes = false;
      listens = random().Chance(0.5);
    }
    if (votes) op.voters.push_back(id);
    if (listens) op.learners.push_back(id);
  }
  if (op.voters.empty()) return;
  // Mostly a newer wish, or the same one again; sometimes one that is late.
  op.version = now.version + random().Below(3);
  if (op.version > 0 && random().Chance(0.1)) --op.version;
  Note(fmt::format("log {}: members shall be voters {} learners {}", log, fmt::join(op.voters, " "),
                   fmt::join(op.learners, " ")));
  context_.send(leader->id(), log, op);
}

// While both sets of voters have a say: the old ones without the new ones, or no leader.
void Chaos::DisturbChange(NodeId leader, GroupId log) {
  const double dice = random().Fraction();
  if (dice < 0.6) {
    const auto voters = NodeOf(leader).group(log)->core().membership().voters;
    Later(UpTo(5'000), [this, voters] {
      Split(voters);
      Later(random().Between(300'000, 2'000'000), [this] { HealNetwork(); });
    });
  } else if (dice < 0.8 && MaySilence()) {
    Later(UpTo(5'000), [this, leader] { Silence(leader); });
  }
}

}  // namespace cairn::sim
