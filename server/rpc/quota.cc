#include "server/rpc/quota.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/rpc/convert.h"

namespace cairn::rpc {

// ---- Quota --------------------------------------------------------------------------------------

void Quota::SetRates(const QuotaRates& rates) {
  bytes_.SetRate(rates.bytes_per_second);
  appends_.SetRate(rates.appends_per_second);
}

MonoMicros Quota::Opening(MonoMicros now) const {
  return std::max(bytes_.Opening(now), appends_.Opening(now));
}

MonoMicros Quota::Claim(uint64_t bytes, MonoMicros now) {
  return std::max(bytes_.Claim(bytes, now), appends_.Claim(1, now));
}

void Quota::Return(uint64_t bytes) {
  bytes_.Return(bytes);
  appends_.Return(1);
}

std::string Quota::Words(MonoMicros now) const {
  if (bytes_.Opening(now) >= appends_.Opening(now)) {
    return fmt::format("{} may take {} bytes a second", owner_, bytes_.rate());
  }
  return fmt::format("{} may take {} appends a second", owner_, appends_.rate());
}

// ---- QuotaBill ----------------------------------------------------------------------------------

int64_t QuotaBill::Claim(uint64_t bytes, MonoMicros now) {
  bytes_ = bytes;
  MonoMicros opening = now;
  for (const std::shared_ptr<Quota>& quota : quotas_) {
    if (quota != nullptr) opening = std::max(opening, quota->Claim(bytes_, now));
  }
  const int64_t wait_us = opening - now;
  if (wait_us > kMaxHoldUs) {
    for (const std::shared_ptr<Quota>& quota : quotas_) {
      if (quota != nullptr) quota->Return(bytes_);
    }
  }
  return wait_us;
}

void QuotaBill::Return() {
  for (std::shared_ptr<Quota>& quota : quotas_) {
    if (quota != nullptr) std::exchange(quota, nullptr)->Return(bytes_);
  }
}

server::Rejection QuotaBill::Refusal(std::string_view log, int64_t wait_us, MonoMicros now) const {
  CHECK(!empty());
  const bool tenants =
      quotas_[1] != nullptr &&
      (quotas_[0] == nullptr || quotas_[1]->Opening(now) > quotas_[0]->Opening(now));
  const int64_t wait_ms = (wait_us + kMicrosPerMilli - 1) / kMicrosPerMilli;
  server::Rejection rejection =
      Reject(v1::REASON_OVERLOADED, log,
             fmt::format("{}: over its quota: {}; come again in {} ms", log,
                         quotas_[tenants ? 1 : 0]->Words(now), wait_ms));
  rejection.info.set_retry_after_ms(static_cast<uint64_t>(wait_ms));
  return rejection;
}

// ---- Quotas -------------------------------------------------------------------------------------

template <class Key>
std::shared_ptr<Quota> Quotas::Table<Key>::Entry(const Key& key, std::string_view kind,
                                                 std::string_view name, MonoMicros now) {
  const auto found = rows_.find(key);
  if (found != rows_.end()) return found->second;
  if (rows_.size() >= sweep_at_) Sweep(now);
  return rows_.emplace(key, std::make_shared<Quota>(fmt::format("{} {}", kind, name)))
      .first->second;
}

// One that a bill holds may be about to be claimed from, and must not have a second beside it.
template <class Key>
void Quotas::Table<Key>::Sweep(MonoMicros now) {
  std::erase_if(rows_, [now](const auto& row) {
    return row.second.use_count() == 1 && row.second->IsIdle(now);
  });
  sweep_at_ = std::max(kMinSweep, 2 * rows_.size());
}

std::shared_ptr<Quota> Quotas::OfLog(GroupId id, std::string_view name, const QuotaRates& rates,
                                     MonoMicros now) {
  if (rates.unlimited()) return nullptr;
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Quota> quota = logs_.Entry(id, "log", name, now);
  quota->SetRates(rates);
  return quota;
}

std::shared_ptr<Quota> Quotas::OfTenant(std::string_view name, const QuotaRates& rates,
                                        MonoMicros now) {
  if (rates.unlimited()) return nullptr;
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Quota> quota = tenants_.Entry(std::string(name), "tenant", name, now);
  quota->SetRates(rates);
  return quota;
}

size_t Quotas::size() const {
  absl::MutexLock lock(&mutex_);
  return logs_.size() + tenants_.size();
}

}  // namespace cairn::rpc
