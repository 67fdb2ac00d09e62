// Chaos on the network: what is cut, clogged and damaged on the way.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/sim/chaos.h"

namespace cairn::sim {

void Chaos::CutSomething() {
  const double dice = random().Fraction();
  if (dice < 0.2) return CutHalves();
  if (dice < 0.3) return CutBridge();
  if (dice < 0.7) {
    const NodeId node = random().Chance(0.5) ? AnyLeader().id() : AnyNode().id();
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
  std::vector<NodeId> side;
  for (const auto& node : *context_.nodes) {
    if (random().Chance(0.5)) side.push_back(node->id());
  }
  Split(side);
}

void Chaos::Split(const std::vector<NodeId>& side) {
  std::vector<NodeId> others;
  for (const auto& node : *context_.nodes) {
    const NodeId id = node->id();
    if (std::find(side.begin(), side.end(), id) == side.end()) others.push_back(id);
  }
  for (const NodeId a : side) {
    for (const NodeId b : others) {
      context_.network->Cut(a, b);
      context_.network->Cut(b, a);
    }
  }
  Note(fmt::format("the cluster is split: {} | {}", fmt::join(side, " "), fmt::join(others, " ")));
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

void Chaos::BeginLull() {
  lull_ends_ = context_.events->now() + random().Between(100'000, 3'000'000);
  Note("nobody asks for anything");
}

// Bad memory in one node shows to all others; in one link's hardware, to one. Mostly in a node
// that leads, since nobody else sends entries.
void Chaos::DamageSomething() {
  if (context_.network->damages()) {
    context_.network->Repair();
    Note("entries arrive whole again");
    return;
  }
  if (!AllAreSound()) return;
  const NodeId from = random().Chance(0.8) ? AnyLeader().id() : AnyNode().id();
  const NodeId to = random().Chance(0.5) ? AnyNode().id() : NodeId();
  context_.network->Damage(from, to);
  Note(fmt::format("entries of node {} arrive damaged at {}", from,
                   to ? fmt::format("node {}", to) : std::string("all")));
}

}  // namespace cairn::sim
