// EffectLog: a made-up log of a memcached cache, the same for the same seed, and what it comes to.
//
// It has what a real one has: effects that share records, runs, reigns that open and end, runs that
// are cut short by the end of a reign, leases that are none of the cache's, and time that passes.
// Like a primary it touches only items that live.
//
// Threads: none of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/memcache/effect.h"
#include "adapter/memcache/record_builder.h"
#include "adapter/memcache/record_reader.h"
#include "adapter/memcache/view.h"
#include "base/random.h"
#include "cairn/types.h"

namespace cairn::adapter::memcache {

// What a view must hold, in the plainest way.
class ItemModel {
 public:
  void Apply(const Effect& effect, EffectId id);

  [[nodiscard]] std::map<std::string, ViewItem> LiveAt(UnixSeconds now) const;
  [[nodiscard]] UnixSeconds flush_due_at() const { return flush_due_at_; }

 private:
  std::map<std::string, ViewItem> items_;
  UnixSeconds flush_due_at_ = 0;
};

struct MadeBatch {
  RecordBatch batch;
  std::vector<std::pair<EffectId, Effect>> effects;  // Those that count.

  void ApplyTo(ItemModel* model, Seq through = Seq(UINT64_MAX)) const;
};

// The record that grants the cache's lease.
Record GrantRecord(Seq seq, std::string lease_name = "primary");
Record DataRecord(Seq seq, EffectRecord record);

class EffectLog {
 public:
  static constexpr int64_t kFirstSecond = 1'700'000'000;

  explicit EffectLog(uint64_t seed) : random_(seed) {}

  // 1 to 40 effects, more or less, in a few records.
  MadeBatch Next();
  // The time of the last batch.
  [[nodiscard]] UnixSeconds now() const { return now_; }

 private:
  void BeginReign();
  void Emit(std::vector<EffectRecord> records);
  void EmitCutRun();
  Effect Draw();
  std::string DrawKey();
  StoreEffect DrawStore();

  Random random_;
  Seq last_seq_;
  UnixSeconds now_ = kFirstSecond;
  uint64_t reigns_ = 0;
  std::optional<RecordBuilder> builder_;
  ItemModel model_;
  MadeBatch made_;
  std::deque<Effect> waiting_;  // Added to the builder, and in no record yet.
};

// All of a view's items that live at `now`, by a scan in small slices.
std::map<std::string, ViewItem> ItemsOf(const View& view, UnixSeconds now);

}  // namespace cairn::adapter::memcache
