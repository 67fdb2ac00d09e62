// SimNetwork: links between nodes that lose, delay, duplicate and reorder messages, and can be
// cut in one direction or both.
#pragma once

#include <functional>
#include <set>
#include <utility>

#include "base/random.h"
#include "server/group_events.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"

namespace cairn::sim {

class SimNetwork {
 public:
  using Deliver = std::function<void(NodeId to, const server::OutMessage& message)>;

  SimNetwork(const Faults* faults, EventQueue* events, Random* random, Deliver deliver)
      : faults_(faults), events_(events), random_(random), deliver_(std::move(deliver)) {}

  void Send(const server::OutMessage& message) {
    const NodeId from = message.message.from;
    const NodeId to = message.message.to;
    if (!Connected(from, to)) return;
    if (lossy_ && random_->Chance(faults_->drop)) return;
    const int copies = lossy_ && random_->Chance(faults_->duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      events_->After(Delay(), [this, from, to, message] {
        // A link that was cut meanwhile loses what was under way.
        if (Connected(from, to)) deliver_(to, message);
      });
    }
  }

  // A delay between a client and a node, or between two nodes.
  SimTime Delay() {
    SimTime delay = random_->Between(faults_->delay_min_us, faults_->delay_max_us);
    if (lossy_ && random_->Chance(faults_->reorder)) delay += random_->Between(0, 50'000);
    return delay;
  }

  void Cut(NodeId from, NodeId to) { cut_.insert({from, to}); }
  void Heal() { cut_.clear(); }
  // No loss, duplication or reordering from now on.
  void Calm() { lossy_ = false; }
  [[nodiscard]] bool Connected(NodeId from, NodeId to) const { return !cut_.contains({from, to}); }

 private:
  const Faults* faults_;
  EventQueue* events_;
  Random* random_;
  Deliver deliver_;
  bool lossy_ = true;
  std::set<std::pair<NodeId, NodeId>> cut_;
};

}  // namespace cairn::sim
