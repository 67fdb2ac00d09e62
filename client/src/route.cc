#include "client/src/route.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "cairn/error.h"

namespace cairn::client {
namespace {

constexpr size_t kMaxEndpoints = 64;
constexpr size_t kMaxLeaders = 4096;

// Pauses between rounds: quick while an election is likely to be running (about 3 s), slower
// afterwards, when the log has lost its quorum and only persistence helps.
constexpr int64_t kQuickPauseUs = 10 * kMicrosPerMilli;
constexpr int64_t kSlowPauseUs = 100 * kMicrosPerMilli;
constexpr uint64_t kQuickRounds = 200;

}  // namespace

RouteTable::RouteTable(std::vector<std::string> endpoints, uint64_t seed)
    : random_(seed), endpoints_(std::move(endpoints)) {
  CHECK(!endpoints_.empty());
  absl::MutexLock lock(&mutex_);
  preferred_ = random_.Below(endpoints_.size());
}

std::string RouteTable::Leader(std::string_view log) const {
  absl::MutexLock lock(&mutex_);
  const auto it = leaders_.find(std::string(log));
  return it == leaders_.end() ? std::string() : it->second;
}

void RouteTable::SetLeader(std::string_view log, std::string_view endpoint) {
  absl::MutexLock lock(&mutex_);
  Remember(endpoint);
  std::string& leader = leaders_[std::string(log)];
  if (leader == endpoint) return;
  leader = std::string(endpoint);
  // Forgetting all costs each log one redirect, and needs no bookkeeping per use.
  if (leaders_.size() > kMaxLeaders) leaders_.clear();
}

void RouteTable::ForgetLeader(std::string_view log, std::string_view endpoint) {
  absl::MutexLock lock(&mutex_);
  const auto it = leaders_.find(std::string(log));
  if (it != leaders_.end() && it->second == endpoint) leaders_.erase(it);
}

std::string RouteTable::Preferred() const {
  absl::MutexLock lock(&mutex_);
  return endpoints_[preferred_];
}

void RouteTable::Prefer(std::string_view endpoint) {
  absl::MutexLock lock(&mutex_);
  if (endpoints_[preferred_] == endpoint) return;
  if (const size_t i = Find(endpoint); i < endpoints_.size()) preferred_ = i;
}

std::string RouteTable::After(std::string_view endpoint) const {
  absl::MutexLock lock(&mutex_);
  const size_t i = Find(endpoint);
  return i < endpoints_.size() ? endpoints_[(i + 1) % endpoints_.size()] : endpoints_[preferred_];
}

size_t RouteTable::size() const {
  absl::MutexLock lock(&mutex_);
  return endpoints_.size();
}

int64_t RouteTable::Jitter(int64_t low_us, int64_t high_us) {
  absl::MutexLock lock(&mutex_);
  return random_.Between(low_us, high_us);
}

size_t RouteTable::Find(std::string_view endpoint) const {
  return static_cast<size_t>(std::find(endpoints_.begin(), endpoints_.end(), endpoint) -
                             endpoints_.begin());
}

void RouteTable::Remember(std::string_view endpoint) {
  if (endpoints_.size() < kMaxEndpoints && Find(endpoint) == endpoints_.size()) {
    endpoints_.emplace_back(endpoint);
  }
}

Route::Route(RouteTable& table, std::string log, Goal goal, std::string first)
    : table_(table), log_(std::move(log)), goal_(goal), current_(std::move(first)) {
  CHECK(goal_ != Goal::kPinned || !current_.empty());
  if (current_.empty() && goal_ == Goal::kLeader) current_ = table_.Leader(log_);
  if (current_.empty()) current_ = table_.Preferred();
}

int64_t Route::OnFailure(const absl::Status& status, Verdict verdict) {
  CHECK(verdict != Verdict::kGiveUp);
  ++misses_;
  if (verdict == Verdict::kHere) {
    const int64_t pause_us = AskedPauseUs(status);
    return table_.Jitter(pause_us, pause_us * 3 / 2);
  }
  if (goal_ == Goal::kPinned) {
    ++rounds_;
    return RoundPauseUs();
  }
  table_.ForgetLeader(log_, current_);
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  suspects_.push_back(current_);
  if (goal_ == Goal::kLeader && info && info->reason == Reason::kNotLeader &&
      !info->leader_address.empty() && !IsSuspect(info->leader_address)) {
    return FollowHint(info->leader_address);
  }
  return NextInCircle();
}

void Route::OnSuccess() {
  table_.Prefer(current_);
  if (goal_ == Goal::kLeader) table_.SetLeader(log_, current_);
  suspects_.clear();
  misses_ = 0;
  rounds_ = 0;
}

int64_t Route::FollowHint(const std::string& leader) {
  table_.SetLeader(log_, leader);
  current_ = leader;
  return 0;
}

int64_t Route::NextInCircle() {
  // One step per known endpoint finds a node that has not failed in this round, if there is one.
  for (size_t i = table_.size(); i > 0; --i) {
    current_ = table_.After(current_);
    if (!IsSuspect(current_)) return 0;
  }
  // The next round does not begin with the node that ended this one.
  current_ = table_.After(current_);
  suspects_.clear();
  ++rounds_;
  return RoundPauseUs();
}

int64_t Route::RoundPauseUs() {
  const int64_t base_us = rounds_ <= kQuickRounds ? kQuickPauseUs : kSlowPauseUs;
  return table_.Jitter(base_us, 2 * base_us);
}

bool Route::IsSuspect(const std::string& endpoint) const {
  return std::find(suspects_.begin(), suspects_.end(), endpoint) != suspects_.end();
}

}  // namespace cairn::client
