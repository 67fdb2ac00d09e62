// KeyOrder against a plain model: an op may run when nobody who entered before it, and has not
// left, stands in its way.
#include "adapter/memcache/key_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"

namespace cairn::adapter::memcache {
namespace {

using Manner = KeyOrder::Manner;
using OpId = KeyOrder::OpId;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<OpId> Enter(KeyOrder& order, OpId op, std::vector<KeyHash> keys, Manner manner) {
  std::vector<OpId> ready;
  order.Enter(op, keys, manner, &ready);
  return ready;
}

std::vector<OpId> EnterBarrier(KeyOrder& order, OpId op) {
  std::vector<OpId> ready;
  order.EnterBarrier(op, &ready);
  return ready;
}

std::vector<OpId> Leave(KeyOrder& order, OpId op) {
  std::vector<OpId> ready;
  order.Leave(op, &ready);
  return ready;
}

TEST(KeyOrderTest, BlindOnesRunTogetherAndOneThatLooksRunsAlone) {
  KeyOrder order;
  EXPECT_THAT(Enter(order, 1, {7}, Manner::kBlind), ElementsAre(1));
  EXPECT_THAT(Enter(order, 2, {7}, Manner::kBlind), ElementsAre(2));
  EXPECT_THAT(Enter(order, 3, {7}, Manner::kLooks), IsEmpty());
  EXPECT_THAT(Enter(order, 4, {7}, Manner::kBlind), IsEmpty()) << "nobody is overtaken";
  EXPECT_THAT(Enter(order, 5, {7}, Manner::kBlind), IsEmpty());
  EXPECT_THAT(Enter(order, 6, {8}, Manner::kLooks), ElementsAre(6)) << "another key";
  EXPECT_THAT(Leave(order, 2), IsEmpty());
  EXPECT_THAT(Leave(order, 1), ElementsAre(3));
  EXPECT_THAT(Leave(order, 3), ElementsAre(4, 5)) << "in the order in which they came";
}

TEST(KeyOrderTest, SeveralKeysAreHeldTogetherAndAKeyNamedTwiceIsOne) {
  KeyOrder order;
  EXPECT_THAT(Enter(order, 1, {1, 1}, Manner::kLooks), ElementsAre(1));
  EXPECT_THAT(Enter(order, 2, {2, 1}, Manner::kLooks), IsEmpty());
  EXPECT_THAT(Enter(order, 3, {2}, Manner::kLooks), IsEmpty());
  EXPECT_THAT(Leave(order, 1), ElementsAre(2));
  EXPECT_THAT(Leave(order, 2), ElementsAre(3));
}

TEST(KeyOrderTest, ABarrierRunsAloneAndIsNotOvertaken) {
  KeyOrder order;
  EXPECT_THAT(Enter(order, 1, {1}, Manner::kBlind), ElementsAre(1));
  EXPECT_THAT(EnterBarrier(order, 2), IsEmpty());
  EXPECT_THAT(Enter(order, 3, {9}, Manner::kBlind), IsEmpty());
  EXPECT_THAT(EnterBarrier(order, 4), IsEmpty());
  EXPECT_THAT(Leave(order, 1), ElementsAre(2));
  EXPECT_THAT(Leave(order, 2), ElementsAre(3));
  EXPECT_THAT(Leave(order, 3), ElementsAre(4));
  EXPECT_THAT(Leave(order, 4), IsEmpty());
  EXPECT_EQ(order.size(), 0u);
}

TEST(KeyOrderTest, WhoNeverRanMayLeaveAndMakesWay) {
  KeyOrder order;
  EXPECT_THAT(Enter(order, 1, {1}, Manner::kBlind), ElementsAre(1));
  EXPECT_THAT(Enter(order, 2, {1}, Manner::kLooks), IsEmpty());
  EXPECT_THAT(Enter(order, 3, {1}, Manner::kBlind), IsEmpty());
  EXPECT_THAT(Leave(order, 2), ElementsAre(3));
  EXPECT_THAT(EnterBarrier(order, 4), IsEmpty());
  EXPECT_THAT(Enter(order, 5, {2}, Manner::kLooks), IsEmpty());
  EXPECT_THAT(Leave(order, 4), ElementsAre(5));
}

// ---- By chance ----------------------------------------------------------------------------------

struct ModelOp {
  std::set<KeyHash> keys;  // Empty: a barrier.
  Manner manner = Manner::kLooks;
  bool ready = false;
};

bool StandsInTheWay(const ModelOp& earlier, const ModelOp& later) {
  if (earlier.keys.empty() || later.keys.empty()) return true;
  const bool meet = std::any_of(earlier.keys.begin(), earlier.keys.end(),
                                [&](KeyHash key) { return later.keys.contains(key); });
  return meet && (earlier.manner == Manner::kLooks || later.manner == Manner::kLooks);
}

class Model {
 public:
  void Enter(OpId op, ModelOp entered) { ops_.emplace(op, std::move(entered)); }
  void Leave(OpId op) { ops_.erase(op); }

  // Those that may run now and could not before.
  std::vector<OpId> TakeReady() {
    std::vector<OpId> ready;
    for (auto& [id, op] : ops_) {
      if (op.ready || !MayRun(id)) continue;
      op.ready = true;
      ready.push_back(id);
    }
    return ready;
  }

  [[nodiscard]] std::vector<OpId> All() const {
    std::vector<OpId> all;
    for (const auto& [id, op] : ops_) all.push_back(id);
    return all;
  }
  [[nodiscard]] std::vector<OpId> Running() const {
    std::vector<OpId> running;
    for (const auto& [id, op] : ops_) {
      if (op.ready) running.push_back(id);
    }
    return running;
  }
  [[nodiscard]] const ModelOp& at(OpId op) const { return ops_.at(op); }

 private:
  [[nodiscard]] bool MayRun(OpId op) const {
    return std::none_of(ops_.begin(), ops_.find(op), [&](const auto& earlier) {
      return StandsInTheWay(earlier.second, ops_.at(op));
    });
  }

  std::map<OpId, ModelOp> ops_;  // Ids grow: in the order in which they entered.
};

ModelOp ByChance(Random& random) {
  constexpr uint64_t kKeys = 4;
  ModelOp op;
  if (random.Chance(0.05)) return op;
  if (random.Chance(0.5)) op.manner = Manner::kBlind;
  // What is blind changes one key.
  const uint64_t keys = op.manner == Manner::kBlind ? 1 : random.Between(1, 3);
  for (uint64_t i = 0; i < keys; ++i) op.keys.insert(random.Below(kKeys));
  return op;
}

// Those who share a key begin in the order in which they entered.
void ExpectInOrder(const Model& model, const std::vector<OpId>& ready) {
  for (size_t later = 1; later < ready.size(); ++later) {
    for (size_t earlier = 0; earlier < later; ++earlier) {
      const std::set<KeyHash>& keys = model.at(ready[later]).keys;
      const bool meet = std::any_of(keys.begin(), keys.end(), [&](KeyHash key) {
        return model.at(ready[earlier]).keys.contains(key);
      });
      EXPECT_TRUE(!meet || ready[earlier] < ready[later]);
    }
  }
}

void ExpectSame(Model& model, std::vector<OpId> ready) {
  const std::vector<OpId> want = model.TakeReady();
  ExpectInOrder(model, ready);
  std::sort(ready.begin(), ready.end());
  ASSERT_EQ(ready, want);
}

class KeyOrderRandomTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(KeyOrderRandomTest, AsThePlainModelSaysAndNobodyStarves) {
  constexpr int kSteps = 2'000;
  Random random(GetParam());
  KeyOrder order;
  Model model;
  OpId next = 1;
  for (int step = 0; step < kSteps || order.size() > 0; ++step) {
    std::vector<OpId> ready;
    if (step < kSteps && random.Chance(0.5)) {
      const ModelOp entered = ByChance(random);
      model.Enter(next, entered);
      const std::vector<KeyHash> keys(entered.keys.begin(), entered.keys.end());
      if (keys.empty()) {
        order.EnterBarrier(next, &ready);
      } else {
        order.Enter(next, keys, entered.manner, &ready);
      }
      ++next;
    } else {
      // Most leave when they have run; now and then one does that never did.
      const std::vector<OpId> able = random.Chance(0.1) ? model.All() : model.Running();
      ASSERT_EQ(able.empty(), order.size() == 0) << "nobody runs, and nobody ever will";
      if (able.empty()) continue;
      const OpId leaves = able[random.Below(able.size())];
      model.Leave(leaves);
      order.Leave(leaves, &ready);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSame(model, ready)) << "step " << step;
    ASSERT_EQ(order.size(), model.All().size());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeyOrderRandomTest, ::testing::Range<uint64_t>(1, 21));

}  // namespace
}  // namespace cairn::adapter::memcache
