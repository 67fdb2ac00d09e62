#include "storage/read_queue.h"

#include <algorithm>
#include <utility>

namespace cairn::storage {
namespace {

// Turns the request's starting point into an index. Sets `result.seq` for a read by time.
// nullopt without an error: all records are older than the time asked for.
absl::StatusOr<std::optional<Index>> FindStart(const LogStore& store, const ReadRequest& request,
                                               ReadResult& result) {
  if (request.first) return std::optional<Index>(request.first);
  Seq seq = request.seq;
  if (!seq) {
    absl::StatusOr<std::optional<Seq>> found = store.SeekTime(request.group, request.timestamp_us);
    if (!found.ok()) return found.status();
    result.seq = *found;
    if (!*found) return std::optional<Index>();
    seq = **found;
  }
  absl::StatusOr<Index> index = store.SeekSeq(request.group, seq);
  if (!index.ok()) return index.status();
  return std::optional<Index>(*index);
}

}  // namespace

ReadResult PerformRead(const LogStore& store, const ReadRequest& request) {
  ReadResult result;
  result.group = request.group;
  result.ticket = request.ticket;
  const absl::StatusOr<std::optional<Index>> start = FindStart(store, request, result);
  if (!start.ok()) {
    result.status = start.status();
    return result;
  }
  // Nothing at or after that time, or only what lies behind the end of the request (not yet
  // committed, say): an empty answer, not an error.
  if (!*start || **start > request.last) return result;
  absl::StatusOr<EntryRange> range =
      store.ReadEntries(request.group, **start, request.last, request.max_bytes);
  if (range.ok()) {
    result.entries = std::move(range->entries);
  } else {
    result.status = range.status();
  }
  return result;
}

ReadQueue::ReadQueue(const LogStore* store, RateMeter* filling)
    : store_(store), filling_(filling), thread_([this] { Run(); }) {}

ReadQueue::~ReadQueue() { Stop(); }

void ReadQueue::Submit(ReadRequest request, ReadSink* sink) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopping_) {
      const bool waits = request.paced && filling_ != nullptr;
      (waits ? paced_ : pending_).push_back({request, sink});
      return;
    }
  }
  Cancel({request, sink});
}

void ReadQueue::Stop() {
  std::deque<Pending> left;
  std::deque<Pending> left_paced;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    left.swap(pending_);
    left_paced.swap(paced_);
  }
  if (thread_.joinable()) thread_.join();
  for (const Pending& pending : left) Cancel(pending);
  for (const Pending& pending : left_paced) Cancel(pending);
}

void ReadQueue::Cancel(const Pending& pending) {
  ReadResult result;
  result.group = pending.request.group;
  result.ticket = pending.request.ticket;
  result.status = absl::CancelledError("the node is stopping");
  pending.sink->OnRead(std::move(result));
}

absl::Duration ReadQueue::PacedDelay() const {
  if (paced_.empty()) return absl::InfiniteDuration();
  const MonoMicros now = SystemClock().Mono();
  return absl::Microseconds(filling_->Opening(now) - now);
}

// A paced read first, once its time has come: it is never long until the next one's, so neither
// kind keeps the other waiting for good.
std::optional<ReadQueue::Pending> ReadQueue::TakeNext() {
  const bool paced = PacedDelay() <= absl::ZeroDuration();
  std::deque<Pending>& from = paced ? paced_ : pending_;
  if (from.empty()) return std::nullopt;
  const Pending next = from.front();
  from.pop_front();
  return next;
}

std::optional<ReadQueue::Pending> ReadQueue::AwaitNext() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    if (std::optional<Pending> next = TakeNext()) return next;
    const size_t paced = paced_.size();
    const auto more = [this, paced]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || !pending_.empty() || paced_.size() != paced;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&more), PacedDelay());
  }
  return std::nullopt;
}

void ReadQueue::Run() {
  while (const std::optional<Pending> next = AwaitNext()) {
    Perform(*next);
  }
}

void ReadQueue::Perform(const Pending& pending) {
  ReadResult result = PerformRead(*store_, pending.request);
  if (pending.request.paced && filling_ != nullptr) {
    uint64_t bytes = 0;
    for (const StoredEntry& entry : result.entries) bytes += entry.payload.size();
    const uint64_t charged = bytes - std::min(bytes, pending.request.free_bytes);
    (void)filling_->Claim(charged, SystemClock().Mono());
  }
  pending.sink->OnRead(std::move(result));
}

}  // namespace cairn::storage
