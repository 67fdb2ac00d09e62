// Thundering herds of stock clients: exactly one of many that miss an item, or find it stale or
// near its end, is told to fetch it anew; whether they ask the primary, a standby or both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

constexpr char kPython[] = "/usr/bin/python3";

class MemcacheHerdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Run({kPython, "-c", "import pymemcache"}) != 0) GTEST_SKIP() << "there is no pymemcache";
    world_.StartAllAgents();
    ASSERT_TRUE(world_.AwaitAllServe()) << world_.Output(0);
    primary_ = *world_.AwaitPrimary();
  }

  std::optional<int> Run(std::vector<std::string> argv) {
    Process process;
    process.Start({.argv = std::move(argv), .environment = {}, .output = output_});
    return process.AwaitExit();
  }

  // Keys begin with `prefix`.
  void ExpectOneWinnerOfEach(const std::string& prefix, const std::string& addresses) {
    EXPECT_EQ(Run({kPython, CAIRN_CLIENTS_DIR "/memcache_herd.py", prefix, addresses}), 0);
    EXPECT_THAT(ReadWholeFile(output_), ::testing::HasSubstr("herds 36")) << prefix;
    std::filesystem::remove(output_);
  }

  MemcacheWorld world_{{.agents = 2}};
  const std::string output_ = world_.File("herd.log");
  size_t primary_ = 0;
};

TEST_F(MemcacheHerdTest, OneOfEachHerdFetchesTheItemWhereverItAsks) {
  const std::string primary = world_.Address(primary_);
  const std::string standby = world_.Address(1 - primary_);
  ExpectOneWinnerOfEach("primary", primary);
  ExpectOneWinnerOfEach("standby", standby);
  ExpectOneWinnerOfEach("both", primary + "," + standby);
  // Tokens are the primary's own: the next one gives new ones.
  world_.KillAgent(primary_);
  ExpectOneWinnerOfEach("next", standby);
}

}  // namespace
}  // namespace cairn::integration
