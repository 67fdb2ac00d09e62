#include "adapter/memcache/keys_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace cairn::adapter::memcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class KeysAheadTest : public ::testing::Test {
 protected:
  void Add(std::vector<KeyHash> keys, uint64_t end) { ahead_.Add(keys, StreamOffset(end)); }
  bool Await(std::vector<KeyHash> keys, KeysAhead::OpId op) { return ahead_.Await(keys, op); }
  std::vector<KeysAhead::OpId> Commit(uint64_t end) {
    std::vector<KeysAhead::OpId> ready;
    ahead_.Commit(StreamOffset(end), &ready);
    return ready;
  }

  KeysAhead ahead_;
};

TEST_F(KeysAheadTest, WhoAsksForAKeyThatIsAheadWaitsForItsNewestEffect) {
  Add({1}, 5);
  Add({1, 2}, 6);
  EXPECT_FALSE(Await({3}, 10));
  EXPECT_TRUE(Await({3, 1}, 11));
  EXPECT_TRUE(Await({2}, 12));
  EXPECT_THAT(Commit(5), IsEmpty());
  EXPECT_TRUE(Await({1}, 13));
  EXPECT_THAT(Commit(6), ElementsAre(11, 12, 13));
  EXPECT_FALSE(Await({1, 2}, 14));
}

TEST_F(KeysAheadTest, AFlushIsAheadOnAllKeys) {
  Add({}, 3);
  EXPECT_TRUE(Await({1}, 10));
  EXPECT_THAT(Commit(3), ElementsAre(10));
  EXPECT_FALSE(Await({1}, 11));
}

}  // namespace
}  // namespace cairn::adapter::memcache
