#include "storage/steady_bursts.h"

#include "base/check.h"

namespace cairn::storage {
namespace {

constexpr int64_t kRefillMicros = 5000;
constexpr int32_t kFairness = 10;  // RocksDB's default.

class SteadyBursts : public rocksdb::RateLimiter {
 public:
  SteadyBursts(int64_t bytes_per_second, int64_t least_bytes_per_second)
      : RateLimiter(Mode::kWritesOnly),
        least_bytes_per_second_(least_bytes_per_second),
        inner_(rocksdb::NewGenericRateLimiter(least_bytes_per_second, kRefillMicros, kFairness,
                                              Mode::kWritesOnly)),
        burst_bytes_(inner_->GetSingleBurstBytes()) {
    SetBytesPerSecond(bytes_per_second);
  }

  void SetBytesPerSecond(int64_t bytes_per_second) override {
    CHECK_GE(bytes_per_second, least_bytes_per_second_);
    inner_->SetBytesPerSecond(bytes_per_second);
  }
  using RateLimiter::Request;
  void Request(int64_t bytes, rocksdb::Env::IOPriority priority,
               rocksdb::Statistics* statistics) override {
    inner_->Request(bytes, priority, statistics);
  }
  [[nodiscard]] int64_t GetSingleBurstBytes() const override { return burst_bytes_; }
  [[nodiscard]] int64_t GetTotalBytesThrough(rocksdb::Env::IOPriority priority) const override {
    return inner_->GetTotalBytesThrough(priority);
  }
  [[nodiscard]] int64_t GetTotalRequests(rocksdb::Env::IOPriority priority) const override {
    return inner_->GetTotalRequests(priority);
  }
  [[nodiscard]] int64_t GetBytesPerSecond() const override { return inner_->GetBytesPerSecond(); }

 private:
  const int64_t least_bytes_per_second_;
  const std::unique_ptr<rocksdb::RateLimiter> inner_;
  const int64_t burst_bytes_;
};

}  // namespace

std::shared_ptr<rocksdb::RateLimiter> MakeSteadyBursts(int64_t bytes_per_second,
                                                       int64_t least_bytes_per_second) {
  return std::make_shared<SteadyBursts>(bytes_per_second, least_bytes_per_second);
}

}  // namespace cairn::storage
