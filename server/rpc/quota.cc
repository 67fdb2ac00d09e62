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

namespace {

// `quotas`' entry for `key`, made when first needed.
template <class Map, class Key>
std::shared_ptr<Quota> Entry(Map& quotas, const Key& key, std::string_view owner,
                             std::string_view name) {
  const auto found = quotas.find(key);
  if (found != quotas.end()) return found->second;
  auto made = std::make_shared<Quota>(fmt::format("{} {}", owner, name));
  quotas.emplace(typename Map::key_type(key), made);
  return made;
}

}  // namespace

std::shared_ptr<Quota> Quotas::OfLog(GroupId id, std::string_view name, const QuotaRates& rates) {
  if (rates.unlimited()) return nullptr;
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Quota> quota = Entry(logs_, id, "log", name);
  quota->SetRates(rates);
  return quota;
}

std::shared_ptr<Quota> Quotas::OfTenant(std::string_view name, const QuotaRates& rates) {
  if (rates.unlimited()) return nullptr;
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Quota> quota = Entry(tenants_, name, "tenant", name);
  quota->SetRates(rates);
  return quota;
}

}  // namespace cairn::rpc
