// Who could be elected: tables of replicas, and whether the check speaks up.
#include "tests/sim/electable.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::sim {
namespace {

constexpr consensus::Position kShort{Term(1), Index(5)};
constexpr consensus::Position kLong{Term(2), Index(9)};

Elector Holder(uint64_t id) {
  return {.id = NodeId(id), .last = kLong, .stands_in = std::nullopt, .holds = true};
}
Elector Voter(uint64_t id, consensus::Position last) { return {.id = NodeId(id), .last = last}; }
Elector Stale(uint64_t id, consensus::Membership members) {
  return {.id = NodeId(id), .last = kShort, .stands_in = std::move(members)};
}

consensus::Membership Of(std::vector<NodeId> voters, std::vector<NodeId> outgoing = {}) {
  return {.voters = std::move(voters), .outgoing = std::move(outgoing), .learners = {}};
}

TEST(ElectableTest, OnlyByAQuorumThatLacksItToo) {
  const std::vector<NodeId> three{NodeId(1), NodeId(2), NodeId(3)};
  struct Case {
    const char* name;
    std::vector<Elector> electors;
    uint64_t wrong;
  };
  const Case cases[] = {
      {"the others hold it", {Stale(1, Of(three)), Holder(2), Holder(3)}, 0},
      {"one came back with nothing", {Stale(1, Of(three)), Holder(2), Voter(3, {})}, 1},
      {"... and is in doubt, or has no replica", {Stale(1, Of(three)), Holder(2)}, 0},
      {"one is as far behind", {Stale(1, Of(three)), Holder(2), Voter(3, kShort)}, 1},
      {"a configuration of its own", {Stale(1, Of({NodeId(1)})), Holder(2), Holder(3)}, 1},
      {"joint: the old half holds it", {Stale(1, Of({NodeId(1)}, three)), Holder(2), Holder(3)}, 0},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ElectableWithout(c.electors), NodeId(c.wrong)) << c.name;
  }
}

}  // namespace
}  // namespace cairn::sim
