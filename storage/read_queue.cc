#include "storage/read_queue.h"

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

ReadQueue::ReadQueue(const LogStore* store) : store_(store), thread_([this] { Run(); }) {}

ReadQueue::~ReadQueue() { Stop(); }

void ReadQueue::Submit(ReadRequest request, ReadSink* sink) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopping_) {
      pending_.push_back({request, sink});
      return;
    }
  }
  Cancel({request, sink});
}

void ReadQueue::Stop() {
  std::deque<Pending> left;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    left.swap(pending_);
  }
  if (thread_.joinable()) thread_.join();
  for (const Pending& pending : left) Cancel(pending);
}

void ReadQueue::Cancel(const Pending& pending) {
  ReadResult result;
  result.group = pending.request.group;
  result.ticket = pending.request.ticket;
  result.status = absl::CancelledError("the node is stopping");
  pending.sink->OnRead(std::move(result));
}

bool ReadQueue::HasWork() const { return stopping_ || !pending_.empty(); }

void ReadQueue::Run() {
  while (true) {
    Pending next;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ReadQueue::HasWork));
      if (stopping_) return;
      next = pending_.front();
      pending_.pop_front();
    }
    next.sink->OnRead(PerformRead(*store_, next.request));
  }
}

}  // namespace cairn::storage
