#include "consensus/progress.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::consensus {
namespace {

// Answered heartbeats without any acknowledgement after which a send counts as lost. The
// first may have crossed the acknowledgement; the second was asked for after it.
constexpr uint32_t kQuietHeartbeats = 2;

// Refusals of one entry in a row that count. Damage on the way does not come three times.
constexpr uint32_t kContradictions = 3;

}  // namespace

bool Progress::WindowFull() const {
  return inflight_bytes_ >= window_.bytes || inflight_.size() >= window_.messages;
}

bool Progress::CanSendEntries() const {
  if (filling_ || deferred_) return false;
  switch (state_) {
    case State::kProbe:
      return !probe_sent_;
    case State::kReplicate:
      return !WindowFull();
    case State::kSnapshot:
    case State::kFetching:
      return false;
  }
  CHECK_UNREACHABLE();
}

bool Progress::MayOfferRun() const {
  return takes_runs_ && filling_ && state_ == State::kReplicate && inflight_.empty() &&
         next_ == match_ + 1 && match_ >= no_run_before_;
}

void Progress::OnSent(Index last, uint64_t bytes) {
  if (!filling_) return;  // The state was reset since it was handed out.
  filling_ = false;
  quiet_heartbeats_ = 0;
  if (state_ == State::kProbe) probe_sent_ = true;
  if (state_ != State::kReplicate || last < next_) return;
  next_ = last + 1;
  inflight_.push_back({last, bytes});
  inflight_bytes_ += bytes;
}

void Progress::OnDeferred() {
  if (!filling_) return;
  filling_ = false;
  deferred_ = true;
}

void Progress::OnReady() { deferred_ = false; }

void Progress::TellCommit(Index commit) { told_commit_ = std::max(told_commit_, commit); }

void Progress::OnTick() { ++silent_ticks_; }

bool Progress::OnAccepted(Index match) {
  quiet_heartbeats_ = 0;
  const bool grew = match > match_;
  if (grew) {
    match_ = match;
    if (match_ >= contradicted_.index) contradictions_ = 0;
    next_ = std::max(next_, match + 1);
    while (!inflight_.empty() && inflight_.front().last <= match) {
      inflight_bytes_ -= inflight_.front().bytes;
      inflight_.pop_front();
    }
  }
  switch (state_) {
    case State::kProbe:
      // An old answer repeated says nothing about the probe, but what it says is true.
      if (match == match_) BecomeReplicate();
      break;
    case State::kReplicate:
      break;
    case State::kSnapshot:
      if (match_ >= snapshot_position_) BecomeReplicate();
      break;
    case State::kFetching:
      if (match_ >= run_through_) BecomeReplicate();
      break;
  }
  return grew;
}

bool Progress::RejectionIsNews(Index prev) const {
  switch (state_) {
    case State::kProbe:
      return prev + 1 == next_;
    case State::kReplicate:
      return (prev > match_ || unsound()) && prev < next_;
    case State::kSnapshot:
      return false;
    case State::kFetching:
      return prev == match_;
  }
  CHECK_UNREACHABLE();
}

void Progress::OnRejected() {
  if (state_ == State::kFetching) GiveUpRun();
}

void Progress::OnContradiction(Position at) {
  CHECK_GT(at.index, match_);
  if (at != contradicted_) contradictions_ = 0;
  contradicted_ = at;
  ++contradictions_;
  BecomeProbe(at.index);
  probe_sent_ = true;
}

std::optional<Position> Progress::contradicts() const {
  if (contradictions_ < kContradictions) return std::nullopt;
  return contradicted_;
}

bool Progress::OnHeartbeatAnswered(uint64_t round, bool fetching) {
  round_ = std::max(round_, round);
  if (state_ == State::kFetching) {
    quiet_heartbeats_ = fetching ? 0 : quiet_heartbeats_ + 1;
    if (quiet_heartbeats_ >= kQuietHeartbeats) GiveUpRun();
    return false;
  }
  const bool waiting = state_ == State::kProbe      ? probe_sent_
                       : state_ == State::kSnapshot ? snapshot_sent_
                                                    : !inflight_.empty();
  if (!waiting) {
    quiet_heartbeats_ = 0;
    return false;
  }
  if (++quiet_heartbeats_ < kQuietHeartbeats) return false;
  quiet_heartbeats_ = 0;
  snapshot_sent_ = false;
  return state_ != State::kSnapshot;
}

void Progress::OnUnreachable() {
  filling_ = false;
  if (state_ == State::kSnapshot) return;
  // What was in flight is most likely lost. The probe waits until heartbeats are answered.
  if (state_ != State::kProbe) BecomeProbe(match_ + 1);
  probe_sent_ = true;
}

void Progress::OnReachable() {
  probe_sent_ = false;
  snapshot_sent_ = false;
}

void Progress::ForgetInflight() {
  inflight_.clear();
  inflight_bytes_ = 0;
  filling_ = false;
  probe_sent_ = false;
  snapshot_sent_ = false;
  quiet_heartbeats_ = 0;
}

void Progress::BecomeProbe(Index next) {
  CHECK_GT(next, match_);
  ForgetInflight();
  state_ = State::kProbe;
  next_ = next;
}

void Progress::BecomeReplicate() {
  ForgetInflight();
  state_ = State::kReplicate;
  next_ = match_ + 1;
}

void Progress::BecomeSnapshot(Index position) {
  ForgetInflight();
  state_ = State::kSnapshot;
  snapshot_position_ = position;
}

void Progress::BecomeFetching(Index through) {
  CHECK(MayOfferRun());
  CHECK_GT(through, match_);
  ForgetInflight();
  state_ = State::kFetching;
  run_through_ = through;
}

void Progress::GiveUpRun() {
  no_run_before_ = run_through_;
  BecomeProbe(match_ + 1);
}

void Progress::BecomeUnsound(uint64_t doubt, uint64_t round, Index target) {
  CHECK_NE(doubt, 0u);
  doubt_ = doubt;
  absolve_round_ = round;
  absolve_target_ = target;
  match_ = Index();
  told_commit_ = Index();
  contradictions_ = 0;
  BecomeProbe(target + 1);
}

void Progress::ForgetMatch() {
  CHECK(unsound());
  match_ = Index();
}

void Progress::CheckInvariants(Index last) const {
  CHECK_LT(match_, next_);
  CHECK_LE(next_, last + 1);
  CHECK_LE(inflight_.size(), window_.messages);
  CHECK(state_ == State::kReplicate || inflight_.empty());
  uint64_t bytes = 0;
  Index previous = match_;
  for (const Sent& sent : inflight_) {
    CHECK_GT(sent.last, previous);
    CHECK_LT(sent.last, next_);
    previous = sent.last;
    bytes += sent.bytes;
  }
  CHECK_EQ(bytes, inflight_bytes_);
}

}  // namespace cairn::consensus
