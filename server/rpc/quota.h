// Quotas: how much may be appended per second, to one log and by one tenant.
//
//   append -> Quotas::BillFor -> QuotaBill::Claim ─ now ─────────────────> post
//                                                 ├ within kMaxHoldUs ───> wait, then post
//                                                 └ later ───────────────> OVERLOADED{retry after}
//
// An append that has to wait a moment is held back here: a stream is not read meanwhile, so flow
// control slows its sender down without a refusal. Waiting appends keep their order.
//
// Quotas are counted by the node that leads the log. A node that only passes an append on gives
// back what it counted. A log's quota hence holds in the cluster; a tenant's on each node, for the
// logs that it leads.
//
// Bounds: two meters for each log, and each tenant, that has a quota and was appended to. Those
// that are idle, as of deleted logs, are forgotten when there are twice as many as after the last
// time. Threads: any. Lifetime: outlives every call.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/rate_meter.h"
#include "server/group_events.h"

namespace cairn::rpc {

// How long an append is held back at most before it is refused instead: well below the silence
// after which clients take a node for dead.
inline constexpr int64_t kMaxHoldUs = 500 * kMicrosPerMilli;

// An allowance; 0: no limit.
struct QuotaRates {
  uint64_t bytes_per_second = 0;  // Of requests, as they came.
  uint64_t appends_per_second = 0;

  [[nodiscard]] bool unlimited() const { return bytes_per_second == 0 && appends_per_second == 0; }
};

// One log's or one tenant's.
class Quota {
 public:
  // `owner` as refusals name it: "log orders".
  explicit Quota(std::string owner) : owner_(std::move(owner)) {}

  void SetRates(const QuotaRates& rates);
  // From when on the next append may go: `now`, or later.
  [[nodiscard]] MonoMicros Opening(MonoMicros now) const;
  // Counts one append of `bytes`, and says from when on it may go: `now`, or later.
  [[nodiscard]] MonoMicros Claim(uint64_t bytes, MonoMicros now);
  void Return(uint64_t bytes);
  // Whether it is as good as a new one.
  [[nodiscard]] bool IsIdle(MonoMicros now) const {
    return bytes_.IsIdle(now) && appends_.IsIdle(now);
  }
  // Whose it is and which of the two allowances is used up: "log orders may take 5 appends a
  // second".
  [[nodiscard]] std::string Words(MonoMicros now) const;

 private:
  const std::string owner_;
  RateMeter bytes_;
  RateMeter appends_;
};

// What one append counts against. Empty when no quota concerns it.
class QuotaBill {
 public:
  QuotaBill() = default;
  // Either may be null.
  QuotaBill(std::shared_ptr<Quota> log, std::shared_ptr<Quota> tenant)
      : quotas_{std::move(log), std::move(tenant)} {}

  [[nodiscard]] bool empty() const { return quotas_[0] == nullptr && quotas_[1] == nullptr; }
  // Counts an append of `bytes`. How long it has to wait, in microseconds: 0 … kMaxHoldUs. If
  // more, then the append must be refused, and is not counted.
  [[nodiscard]] int64_t Claim(uint64_t bytes, MonoMicros now);
  // Takes back what was counted; the bill is empty then.
  void Return();
  // OVERLOADED, saying which quota is used up and when to come again.
  [[nodiscard]] server::Rejection Refusal(std::string_view log, int64_t wait_us,
                                          MonoMicros now) const;

 private:
  std::array<std::shared_ptr<Quota>, 2> quotas_;
  uint64_t bytes_ = 0;  // That were counted.
};

class Quotas {
 public:
  // The quota of a log or of a tenant; null when it has none. Rates that have changed hold from
  // here on.
  [[nodiscard]] std::shared_ptr<Quota> OfLog(GroupId id, std::string_view name,
                                             const QuotaRates& rates, MonoMicros now);
  [[nodiscard]] std::shared_ptr<Quota> OfTenant(std::string_view name, const QuotaRates& rates,
                                                MonoMicros now);
  // How many are remembered.
  [[nodiscard]] size_t size() const;

 private:
  template <class Key>
  class Table {
   public:
    // The quota of `key`, made when first needed. `kind`: "log", "tenant".
    std::shared_ptr<Quota> Entry(const Key& key, std::string_view kind, std::string_view name,
                                 MonoMicros now);
    [[nodiscard]] size_t size() const { return rows_.size(); }

   private:
    void Sweep(MonoMicros now);

    std::map<Key, std::shared_ptr<Quota>> rows_;
    size_t sweep_at_ = kMinSweep;
  };
  static constexpr size_t kMinSweep = 64;

  mutable absl::Mutex mutex_;
  Table<GroupId> logs_ ABSL_GUARDED_BY(mutex_);
  Table<std::string> tenants_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::rpc
