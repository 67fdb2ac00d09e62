// FrontThread's part with offsets: which batch of replies has reached which offset of the engine's
// stream, what of that is committed, and who waits for it.

#include <algorithm>
#include <asio/post.hpp>
#include <bit>
#include <utility>

#include "adapter/redis/front/front_thread.h"

namespace cairn::adapter::redis {

BatchId FrontThread::NewBatch() {
  Schedule();
  return reign_->marks.Begin();
}

BatchId FrontThread::AskOffset(const Identity& identity) {
  if (Backend* const backend = pool_->Shared(identity)) return backend->Batch();
  unknown_.push_back(NewBatch());
  return unknown_.back();
}

void FrontThread::AwaitBatch(BatchId batch, Session* session) {
  std::vector<uint64_t>& waiting = batch_waiters_[batch];
  if (waiting.empty() || waiting.back() != session->id()) waiting.push_back(session->id());
}

void FrontThread::AwaitThrough(BatchId through, Session* session) {
  through_waiters_.emplace_back(through, session->id());
  reign_->SetWaits(index_, true);
  look_for_known_ = true;  // It may have become known since the verdict.
  Schedule();
}

void FrontThread::UnblockLater(std::unique_ptr<KeyBlock> block) {
  // On a replica nothing blocks what matters; without an engine no reign goes on.
  if (mode_ == FrontMode::kReplica || pool_ == nullptr) return;
  unblocking_.push_back({AskOffset(Identity()), StreamOffset(), std::move(block)});
}

void FrontThread::OnOffset(BatchId batch, StreamOffset offset) {
  reign_->marks.Known(batch, offset);
  reign_->lag.Reached(offset, now_us());
  if (const auto it = batch_waiters_.find(batch); it != batch_waiters_.end()) {
    const std::vector<uint64_t> waiting = std::move(it->second);
    batch_waiters_.erase(it);
    for (const uint64_t id : waiting) {
      if (Session* session = Find(id)) {
        session->OnKnown(batch, offset);
        Touch(session);
      }
    }
  }
  for (Unblocking& one : unblocking_) {
    if (one.batch == batch) one = {BatchId(), offset, std::move(one.block)};
  }
  if (const auto it = covered_by_.find(batch); it != covered_by_.end()) {
    const std::vector<BatchId> covered = std::move(it->second);
    covered_by_.erase(it);
    for (const BatchId one : covered) OnOffset(one, offset);
  }
  TakeKnown();
  WakeOthers();
}

// Reads on other io threads may wait for what has become known here.
void FrontThread::WakeOthers() {
  uint64_t waiting = reign_->waiting() & ~(uint64_t{1} << index_);
  for (; waiting != 0; waiting &= waiting - 1) {
    (*crew_)[static_cast<size_t>(std::countr_zero(waiting))]->NoteKnown();
  }
}

void FrontThread::NoteKnown() {
  if (known_posted_.exchange(true)) return;
  asio::post(io_, [this] {
    known_posted_ = false;
    TakeKnown();
  });
}

void FrontThread::OnOffsetUnknown(BatchId batch) {
  unknown_.push_back(batch);
  // What this one was to cover is as unknown as before.
  if (const auto it = covered_by_.find(batch); it != covered_by_.end()) {
    unknown_.insert(unknown_.end(), it->second.begin(), it->second.end());
    covered_by_.erase(it);
  }
}

// On the agent's own connection, which no rule of a user forbids to ask.
void FrontThread::AskElsewhere() {
  if (pool_ == nullptr) return;
  const Identity own = OwnIdentity();
  Backend* const backend = pool_->Shared(own);
  if (backend == nullptr) {
    // Each failure is tried again by the next tick.
    if (!std::exchange(opening_own_, true)) {
      pool_->Open(own, [this](const absl::StatusOr<Backend*>&) {
        opening_own_ = false;
        Schedule();
      });
    }
    return;
  }
  std::vector<BatchId>& covered = covered_by_[backend->Batch()];
  covered.insert(covered.end(), unknown_.begin(), unknown_.end());
  unknown_.clear();
}

void FrontThread::TakeCommit() {
  committed_ = std::max(committed_, reign_->committed());
  std::erase_if(unblocking_,
                [this](const Unblocking& one) { return !one.batch && one.offset <= committed_; });
  for (const uint64_t id : waits_.Commit(committed_)) {
    if (Session* session = Find(id)) {
      session->Release();
      Touch(session);
    }
  }
  TakeKnown();
  ResumeThoseAwaitingCommit();
}

void FrontThread::TakeKnown() {
  if (through_waiters_.empty()) return;
  std::vector<std::pair<BatchId, uint64_t>> waiting;
  waiting.swap(through_waiters_);
  for (const auto& [through, id] : waiting) {
    Session* const session = Find(id);
    if (session == nullptr) continue;
    if (const auto covering = reign_->marks.Covering(through)) {
      session->OnKnownThrough(through, *covering);
      Touch(session);
    } else {
      through_waiters_.emplace_back(through, id);
    }
  }
  if (through_waiters_.empty()) reign_->SetWaits(index_, false);
}

}  // namespace cairn::adapter::redis
