#include "tests/integration/played_source.h"

#include <gtest/gtest.h>

#include "adapter/redis/resharding/slot_log.h"

namespace cairn::integration {
namespace {

using adapter::redis::MovePhase;
using adapter::redis::SlotReign;
using adapter::redis::SlotState;

constexpr char kLog[] = "cache/1";
constexpr absl::Duration kTtl = absl::Seconds(300);

}  // namespace

PlayedSource::PlayedSource(ShardWorld* shards) : shards_(shards) {
  const auto log = shards->client()->OpenLog(kLog);
  EXPECT_TRUE(log.ok()) << log.status();
  if (log.ok()) log_ = *log;
  Acquire();
  epoch_ = lease_;
}

void PlayedSource::Acquire() {
  EXPECT_TRUE(Eventually([&] {
    const auto epoch = log_->AcquireLease("primary", "the test", kTtl);
    if (epoch.ok()) lease_ = *epoch;
    return epoch.ok();
  }));
}

void PlayedSource::Say(const Rule& rule) {
  const auto slots = shards_->OpenSlots();
  ASSERT_TRUE(Eventually([&] {
    const auto last = slots->Read({});
    if (!last.ok() || !*last) return false;
    const auto next = rule((*last)->state, SlotReign{kLog, epoch_});
    return next && slots->Append((*last)->seq, *next, {}).ok();
  }));
}

void PlayedSource::Confirm() {
  Say([](const SlotState& state, const SlotReign& me) {
    return adapter::redis::Confirm(state, me, me.epoch);
  });
}

void PlayedSource::PrepareAhead() {
  const auto described = log_->Describe();
  ASSERT_TRUE(described.ok()) << described.status();
  Say([&](const SlotState& state, const SlotReign& me) {
    return adapter::redis::Prepare(state, me, described->last_seq + 1);
  });
}

// Any record will do.
void PlayedSource::LetItCome() {
  EXPECT_TRUE(log_->ReleaseLease("primary", lease_).ok());
  Acquire();
}

void PlayedSource::Withdraw() {
  Say([](const SlotState& state, const SlotReign& me) {
    return adapter::redis::Withdraw(state, me);
  });
}

bool PlayedSource::AwaitReady() {
  return Eventually([&] {
    const SlotState state = shards_->Slots();
    return state.move && state.move->phase == MovePhase::kReady;
  });
}

}  // namespace cairn::integration
