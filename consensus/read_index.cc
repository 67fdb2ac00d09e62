#include "consensus/read_index.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::consensus {
namespace {

// Rounds remembered for the lease. More are under way only if every member is silent for
// that many; then there is no lease to prolong either.
constexpr size_t kMaxRounds = 1024;

}  // namespace

bool ReadIndexQueue::JoinRound() {
  if (round_open_) return false;
  ++round_;
  round_open_ = true;
  return true;
}

void ReadIndexQueue::Add(const PendingRead& read) {
  CHECK(reads_.empty() || read.round >= reads_.back().round);
  reads_.push_back(read);
}

void ReadIndexQueue::SetIndexes(Index index) {
  for (PendingRead& read : reads_) {
    if (!read.index) read.index = index;
  }
}

std::vector<PendingRead> ReadIndexQueue::Confirm(uint64_t round) {
  std::vector<PendingRead> confirmed;
  while (!reads_.empty() && reads_.front().round <= round && reads_.front().index) {
    confirmed.push_back(reads_.front());
    reads_.pop_front();
  }
  return confirmed;
}

std::vector<PendingRead> ReadIndexQueue::Clear() {
  std::vector<PendingRead> all(reads_.begin(), reads_.end());
  reads_.clear();
  return all;
}

LeaderLease::LeaderLease(int64_t promise_us) : length_us_(promise_us - promise_us / 10) {}

void LeaderLease::OnRoundSent(uint64_t round, MonoMicros now) {
  sent_.push_back({round, now});
  if (sent_.size() > kMaxRounds) sent_.pop_front();
}

void LeaderLease::OnRoundPromised(uint64_t round) {
  while (!sent_.empty() && sent_.front().round <= round) {
    start_ = sent_.front().at;
    sent_.pop_front();
  }
}

bool LeaderLease::Holds(MonoMicros now) const {
  return !spoiled_ && start_ && now - *start_ < length_us_;
}

void LeaderLease::Forget() {
  sent_.clear();
  start_.reset();
}

bool ForwardedReads::Take(uint64_t context) {
  const auto read = std::find_if(reads_.begin(), reads_.end(),
                                 [&](const Read& r) { return r.context == context; });
  if (read == reads_.end()) return false;
  reads_.erase(read);
  return true;
}

std::vector<uint64_t> ForwardedReads::TakeThrough(uint64_t tick) {
  std::vector<uint64_t> contexts;
  while (!reads_.empty() && reads_.front().tick <= tick) {
    contexts.push_back(reads_.front().context);
    reads_.pop_front();
  }
  return contexts;
}

std::vector<uint64_t> ForwardedReads::Clear() {
  std::vector<uint64_t> contexts;
  for (const Read& read : reads_) contexts.push_back(read.context);
  reads_.clear();
  return contexts;
}

}  // namespace cairn::consensus
