#include "server/runtime/group_calls.h"

#include <utility>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

constexpr MonoMicros kTimeoutUs = 10 * kMicrosPerSecond;

absl::Status Stopping() { return absl::CancelledError("the node is stopping"); }

}  // namespace

absl::Status GroupCalls::StatusOf(const Rejection& rejection) {
  switch (rejection.info.reason()) {
    case cairn::v1::REASON_NOT_LEADER:
    case cairn::v1::REASON_SHUTTING_DOWN:
    case cairn::v1::REASON_OUTCOME_UNKNOWN:
    case cairn::v1::REASON_OVERLOADED:
    case cairn::v1::REASON_LOG_NOT_FOUND:
      return absl::UnavailableError(ToAbsl(rejection.message));
    default:
      return absl::FailedPreconditionError(ToAbsl(rejection.message));
  }
}

absl::StatusOr<Reply> GroupCalls::Ask(GroupId group, RequestBody body) {
  {
    absl::MutexLock lock(&mutex_);
    if (abandoned_) return Stopping();
    reply_.reset();
  }
  port_->PostUrgent(group, Request{.reply_to = {this, ++token_},
                                   .body = std::move(body),
                                   .deadline = clock_->Mono() + kTimeoutUs});
  absl::MutexLock lock(&mutex_);
  threads_->Await(&mutex_, absl::Condition(this, &GroupCalls::HasReply), absl::InfiniteDuration());
  if (!reply_) return Stopping();
  if (const auto* rejection = std::get_if<Rejection>(&*reply_)) return StatusOf(*rejection);
  return *std::exchange(reply_, std::nullopt);
}

absl::Status GroupCalls::Collect(GroupId group, uint64_t bytes, archive::RunBuilder& run) {
  {
    absl::MutexLock lock(&mutex_);
    if (abandoned_) return Stopping();
    chunks_.clear();
    end_.reset();
  }
  port_->PostUrgent(group, TailOpen{.sink = this,
                                    .token = ++token_,
                                    .start = {.kind = TailStart::Kind::kSeq, .seq = run.next_seq()},
                                    .bounded = true,
                                    .credit_bytes = bytes});
  absl::Status status;
  uint64_t received = 0;
  bool closed = false;
  while (true) {
    std::vector<TailChunk> chunks;
    std::optional<TailEnd> end;
    RETURN_IF_ERROR(Await(chunks, end));
    for (const TailChunk& chunk : chunks) {
      received += chunk.bytes();
      for (const TailBatch& batch : chunk.batches) {
        if (status.ok()) status = run.Add(batch.timestamp_us, batch.records);
      }
    }
    if (end) {
      if (status.ok() && end->rejection) status = StatusOf(*end->rejection);
      return status;
    }
    // The group sends nothing beyond its credit.
    if (received >= bytes && !std::exchange(closed, true)) {
      port_->PostUrgent(group, TailClose{.sink = this, .token = token_});
    }
  }
}

absl::Status GroupCalls::Await(std::vector<TailChunk>& chunks, std::optional<TailEnd>& end) {
  absl::MutexLock lock(&mutex_);
  threads_->Await(&mutex_, absl::Condition(this, &GroupCalls::HasNews), absl::InfiniteDuration());
  chunks = std::exchange(chunks_, {});
  end = std::exchange(end_, std::nullopt);
  return chunks.empty() && !end ? Stopping() : absl::OkStatus();
}

void GroupCalls::Abandon() {
  absl::MutexLock lock(&mutex_);
  abandoned_ = true;
}

void GroupCalls::OnReply(uint64_t /*token*/, Reply reply) {
  absl::MutexLock lock(&mutex_);
  reply_ = std::move(reply);
}

void GroupCalls::OnChunk(uint64_t /*token*/, TailChunk chunk) {
  absl::MutexLock lock(&mutex_);
  chunks_.push_back(std::move(chunk));
}

void GroupCalls::OnEnd(uint64_t /*token*/, TailEnd end) {
  absl::MutexLock lock(&mutex_);
  end_ = std::move(end);
}

}  // namespace cairn::server
