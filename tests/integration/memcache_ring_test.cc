// A cache of several logs: every agent of every log tells clients the same ring.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

struct Ring {
  uint64_t version = 0;
  std::string nodes;  // As they stand in the answer.
  bool operator==(const Ring&) const = default;
};

std::string NodeOf(const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  return fmt::format("{}|{}|{}", host, host, address.substr(colon + 1));
}

class MemcacheRingTest : public ::testing::Test {
 protected:
  // Agents 0 and 2 serve the first log, 1 and 3 the second.
  void SetUp() override {
    for (size_t agent = 0; agent < world_.size(); ++agent) {
      world_.StartAgent(agent);
      ASSERT_TRUE(world_.AwaitServes(agent)) << world_.Output(agent);
    }
  }

  Ring Ask(size_t agent) {
    std::istringstream answer(
        AskMemcache(world_.Address(agent), "config get cluster\r\n", "END\r\n"));
    std::string word;
    Ring ring;
    std::getline(answer, word);  // CONFIG cluster 0 <bytes>
    std::getline(answer, word);
    ring.version = std::strtoull(word.c_str(), nullptr, 10);
    std::getline(answer, ring.nodes);
    return ring;
  }

  // All that run tell these nodes, and the same version.
  bool AllTell(const std::string& nodes) {
    return Eventually([&] {
      std::optional<Ring> first;
      for (size_t agent = 0; agent < world_.size(); ++agent) {
        if (!world_.IsRunning(agent)) continue;
        const Ring ring = Ask(agent);
        if (ring.nodes != nodes || (first && ring != *first)) return false;
        first = ring;
      }
      return true;
    });
  }

  MemcacheWorld world_{{.agents = 4, .logs = 2}};
};

TEST_F(MemcacheRingTest, AllAgentsTellOneNodeForEachLogAndAHigherVersionAfterAFailover) {
  ASSERT_TRUE(AllTell(NodeOf(world_.Address(0)) + " " + NodeOf(world_.Address(1)))) << Ask(3).nodes;
  const Ring before = Ask(3);
  world_.KillAgent(0);
  ASSERT_TRUE(AllTell(NodeOf(world_.Address(2)) + " " + NodeOf(world_.Address(1)))) << Ask(3).nodes;
  EXPECT_GT(Ask(1).version, before.version);
}

}  // namespace
}  // namespace cairn::integration
