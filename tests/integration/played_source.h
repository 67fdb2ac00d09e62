// PlayedSource: a test that is the source's primary in a move of slots, as far as the slot log and
// the source's own log tell: it holds the lease, says what a source says, and decides when.
//
//   PlayedSource source(shards);     // The source's agents are dead.
//   source.Confirm(); … source.PrepareAhead(); …
//
// Threads: one. It fails the test when something does not come.
#pragma once

#include <functional>
#include <optional>

#include "adapter/redis/resharding/move_rules.h"
#include "cairn/log.h"
#include "tests/integration/shard_world.h"

namespace cairn::integration {

class PlayedSource {
 public:
  // Of the log cache/1. Waits for the end of its last primary's lease.
  explicit PlayedSource(ShardWorld* shards);

  void Confirm();
  // Slots are held back; the source's log has all writes of them with the *next* record, so that
  // the target cannot be done before LetItCome.
  void PrepareAhead();
  void LetItCome();
  void Withdraw();
  // The target has announced that little is left.
  bool AwaitReady();

 private:
  using Rule = std::function<std::optional<adapter::redis::SlotState>(
      const adapter::redis::SlotState&, const adapter::redis::SlotReign&)>;
  void Say(const Rule& rule);
  void Acquire();

  ShardWorld* const shards_;
  std::optional<Log> log_;
  Epoch epoch_;  // Of the reign that is told.
  Epoch lease_;  // In force, since something had to be written.
};

}  // namespace cairn::integration
