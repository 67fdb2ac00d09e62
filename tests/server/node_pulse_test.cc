// Signs of life: when they leave, and when their absence is told.
#include "server/node_pulse.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

constexpr int64_t kInterval = 50;
constexpr int64_t kSilence = 500;
constexpr NodeId kPeer{2};

TEST(NodePulseTest, LeavesOnceEveryWorkerHasTicked) {
  NodePulse pulse(/*workers=*/2, kInterval, kSilence);
  EXPECT_FALSE(pulse.OnTick(0, 1000).pulse);
  EXPECT_TRUE(pulse.OnTick(1, 1010).pulse);
  // The second worker hangs: the node falls silent, however often the first one ticks.
  for (MonoMicros now = 1060; now < 3000; now += 50) EXPECT_FALSE(pulse.OnTick(0, now).pulse);
  EXPECT_TRUE(pulse.OnTick(1, 3000).pulse);
}

TEST(NodePulseTest, LeavesNoMoreOftenThanItsInterval) {
  NodePulse pulse(/*workers=*/1, kInterval, kSilence);
  EXPECT_TRUE(pulse.OnTick(0, 1000).pulse);
  EXPECT_FALSE(pulse.OnTick(0, 1000 + kInterval - 1).pulse);
  EXPECT_TRUE(pulse.OnTick(0, 1000 + kInterval).pulse);
}

TEST(NodePulseTest, SilenceIsToldOnceAndItsEndToo) {
  NodePulse pulse(/*workers=*/1, kInterval, kSilence);
  // Nothing is told of who was never heard.
  EXPECT_TRUE(pulse.OnTick(0, 10'000).changes.empty());
  pulse.OnPulse(kPeer, 10'000);
  EXPECT_TRUE(pulse.OnTick(0, 10'000 + kSilence - 1).changes.empty());
  const auto silent = pulse.OnTick(0, 10'000 + kSilence).changes;
  ASSERT_EQ(silent.size(), 1u);
  EXPECT_EQ(silent[0].peer, kPeer);
  EXPECT_EQ(silent[0].state, LinkChange::State::kSilent);
  EXPECT_TRUE(pulse.OnTick(0, 20'000).changes.empty());
  pulse.OnPulse(kPeer, 20'001);
  const auto heard = pulse.OnTick(0, 20'002).changes;
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].state, LinkChange::State::kHeard);
  EXPECT_TRUE(pulse.OnTick(0, 20'003).changes.empty());
}

}  // namespace
}  // namespace cairn::server
