// RepairTurn: one node at a time stops to be repaired, and only while no other needs it.
//
// A node whose database is damaged has it rebuilt by starting again (storage/rocks_rebuild.cc).
// The logs that were cut then count no more until the others have filled them. If another
// replica were in doubt at that moment, a log could be left with one sound replica of three,
// which nobody can elect. So it asks each member first:
//
//   all of them are up, have their replicas whole, and none is about to do the same ──► stop
//   one is about to do the same                         ──► the one with the smaller id goes on
//
// The intention is told before anybody is asked: of two that decide at the same time, one at
// least learns of the other. A node that cannot be asked says no by that.
//
// Threads: Decide from one; intends from any.
// Lifetime: peers outlives it.
#pragma once

#include <atomic>

#include "base/ids.h"
#include "cairn/v1/peer.pb.h"
#include "server/runtime/formation.h"

namespace cairn::server {

class RepairTurn {
 public:
  explicit RepairTurn(FormationPeers* peers) : peers_(peers) {}
  RepairTurn(const RepairTurn&) = delete;
  RepairTurn& operator=(const RepairTurn&) = delete;

  // Whether node `self` of `cluster`, whose own replicas are whole, may stop now. Blocks up to a
  // second for each member. Once true, it intends to for good.
  bool Decide(const cairn::v1::FormRequest& cluster, NodeId self);
  // For the answers to others that ask.
  [[nodiscard]] bool intends() const { return intends_; }

 private:
  FormationPeers* const peers_;
  std::atomic<bool> intends_{false};
};

}  // namespace cairn::server
