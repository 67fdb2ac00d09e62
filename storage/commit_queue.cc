#include "storage/commit_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::storage {
namespace {

// All of `pending` as one batch: the store applies group writes in order, so the same group
// may appear more than once.
template <class PendingBatches>
StoreBatch Merge(PendingBatches& pending) {
  StoreBatch merged = std::move(pending.front().batch);
  for (size_t i = 1; i < pending.size(); ++i) {
    std::vector<GroupWrite>& groups = pending[i].batch.groups;
    merged.groups.insert(merged.groups.end(), std::make_move_iterator(groups.begin()),
                         std::make_move_iterator(groups.end()));
  }
  return merged;
}

template <class PendingBatches>
void Notify(const PendingBatches& done) {
  std::vector<CommitSink*> sinks;
  for (const auto& batch : done) {
    batch.sink->OnCommitted(batch.ticket);
    if (std::find(sinks.begin(), sinks.end(), batch.sink) == sinks.end()) {
      sinks.push_back(batch.sink);
    }
  }
  for (CommitSink* sink : sinks) sink->AfterCommits();
}

// After a failed write or sync nobody knows what the disk holds, and trying again could
// report success for bytes that are gone. The node stops and recovers from its peers.
[[noreturn]] void StopProcess(const absl::Status& status) {
  fmt::print(stderr, "storage: write failed, stopping: {}\n", ToStd(status.message()));
  std::fflush(stderr);
  std::abort();
}

}  // namespace

CommitQueue::CommitQueue(LogStore* store) : store_(store), thread_([this] { Run(); }) {}

CommitQueue::~CommitQueue() { Stop(); }

void CommitQueue::Submit(StoreBatch batch, CommitSink* sink, uint64_t ticket) {
  absl::MutexLock lock(&mutex_);
  CHECK(!stopping_);
  pending_.push_back({std::move(batch), sink, ticket});
}

void CommitQueue::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool CommitQueue::HasWork() const { return stopping_ || !pending_.empty(); }

void CommitQueue::Run() {
  std::vector<Pending> turn;
  while (true) {
    turn.clear();
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &CommitQueue::HasWork));
      turn.swap(pending_);
    }
    if (turn.empty()) return;  // Stopping, and everything is written.
    if (const absl::Status status = store_->Write(Merge(turn)); !status.ok()) StopProcess(status);
    Notify(turn);
  }
}

}  // namespace cairn::storage
