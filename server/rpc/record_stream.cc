#include "server/rpc/record_stream.h"

#include <atomic>
#include <utility>

#include "base/check.h"
#include "server/rpc/convert.h"
#include "server/rpc/request_id.h"
#include "server/rpc/wire.h"

namespace cairn::rpc {
namespace {

// Bytes of one call that may wait between the group and gRPC.
constexpr uint64_t kCreditBytes = 4 << 20;
// Chunks are put together up to this size; a single one may pass it.
constexpr uint64_t kMessageBytes = 1 << 20;

uint64_t NextToken() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

RecordStream::RecordStream(Environment* environment, grpc::CallbackServerContext* context,
                           Form form, std::string log)
    : environment_(environment),
      context_(context),
      form_(form),
      log_(std::move(log)),
      access_(&environment->authority, context, form == Form::kRead ? Rpc::kRead : Rpc::kTail),
      token_(NextToken()) {
  (void)RequestIdOf(*context);  // Decided while the call may still be told (request_id.h).
  if (form_ == Form::kTail) environment_->node->metrics().open_tails.Increment();
}

RecordStream* RecordStream::Refuse(const server::Rejection& rejection) {
  End(ToStatus(rejection));
  return this;
}

RecordStream* RecordStream::Start(GroupId group, server::TailOpen open, bool sync_first) {
  if (!environment_->streams.Add(this)) return Refuse(ShuttingDown(log_));
  group_ = group;
  open_ = open;
  open_.sink = this;
  open_.token = token_;
  open_.credit_bytes = kCreditBytes;
  if (sync_first) {
    PostSync();
  } else {
    PostOpen();
  }
  return this;
}

void RecordStream::PostSync() {
  server::Event event = server::Request{.reply_to = {this, token_},
                                        .body = server::SyncOp{},
                                        .deadline = DeadlineOf(*context_, *environment_->node)};
  if (!environment_->node->Post(group_, event)) Refuse(Overloaded(log_, "the worker's mailbox"));
}

void RecordStream::OnReply(uint64_t /*token*/, server::Reply reply) {
  if (auto* rejection = std::get_if<server::Rejection>(&reply)) {
    NameLeader(*rejection, *environment_->node);
    Refuse(*rejection);
    return;
  }
  CHECK(std::holds_alternative<server::Done>(reply));
  PostOpen();
}

void RecordStream::PostOpen() {
  std::optional<grpc::Status> end;
  {
    // The post is made with the lock held, so that a TailClose cannot overtake it.
    absl::MutexLock lock(&mutex_);
    server::Event event = open_;
    if (stopped_) {
      state_ = State::kEnded;
    } else if (environment_->node->Post(group_, event)) {
      state_ = State::kOpen;
    } else {
      state_ = State::kEnded;
      status_ = ToStatus(Overloaded(log_, "the worker's mailbox"));
    }
    end = TakeEnd();
  }
  if (end) Finish(*end);
}

void RecordStream::OnChunk(uint64_t /*token*/, server::TailChunk chunk) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  pending_.push_back(std::move(chunk));
  if (writing_bytes_ == 0) WriteNext();
}

void RecordStream::OnEnd(uint64_t /*token*/, server::TailEnd tail_end) {
  if (tail_end.rejection) NameLeader(*tail_end.rejection, *environment_->node);
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    state_ = State::kEnded;
    if (tail_end.rejection && !stopped_) status_ = ToStatus(*tail_end.rejection);
    end = TakeEnd();
  }
  if (end) Finish(*end);
}

void RecordStream::OnWriteDone(bool ok) {
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t bytes = std::exchange(writing_bytes_, 0);
    if (!ok) {
      Stop(grpc::Status::CANCELLED);
    } else if (state_ == State::kOpen) {
      environment_->node->PostUrgent(
          group_, server::TailCredit{.sink = this, .token = token_, .bytes = bytes});
    }
    WriteNext();
    end = TakeEnd();
  }
  if (end) Finish(*end);
}

void RecordStream::OnCancel() { StopAndFinish(grpc::Status::CANCELLED); }

void RecordStream::Close() { StopAndFinish(ToStatus(ShuttingDown(log_))); }

void RecordStream::Review() {
  if (Refusal refusal = CheckAccess()) StopAndFinish(ToStatus(*refusal));
}

void RecordStream::OnDone() {
  environment_->streams.Remove(this);
  if (form_ == Form::kTail) environment_->node->metrics().open_tails.Decrement();
  delete this;
}

void RecordStream::End(grpc::Status status) {
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    state_ = State::kEnded;
    if (!stopped_) status_ = std::move(status);
    end = TakeEnd();
  }
  if (end) Finish(*end);
}

void RecordStream::StopAndFinish(const grpc::Status& status) {
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    Stop(status);
    end = TakeEnd();
  }
  if (end) Finish(*end);
}

void RecordStream::Stop(const grpc::Status& status) {
  if (stopped_) return;
  stopped_ = true;
  status_ = status;
  pending_.clear();
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  environment_->node->PostUrgent(group_, server::TailClose{.sink = this, .token = token_});
}

void RecordStream::WriteNext() {
  if (pending_.empty()) return;
  std::vector<server::TailChunk> chunks;
  uint64_t bytes = 0;
  size_t taken = 0;
  for (; taken < pending_.size(); ++taken) {
    server::TailChunk& next = pending_[taken];
    if (taken > 0 && (bytes + next.bytes() > kMessageBytes || !MayShareMessage(chunks, next))) {
      break;
    }
    bytes += next.bytes();
    chunks.push_back(std::move(next));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(taken));
  const uint64_t log_id = std::exchange(first_message_, false) ? group_.value() : 0;
  message_ = form_ == Form::kRead ? EncodeReadResponse(chunks) : EncodeTailResponse(chunks, log_id);
  environment_->node->metrics().tail_bytes_total.Increment(static_cast<double>(message_.Length()));
  writing_bytes_ = bytes;
  StartWrite(&message_);
}

std::optional<grpc::Status> RecordStream::TakeEnd() {
  const bool done = state_ == State::kEnded && writing_bytes_ == 0 && pending_.empty();
  if (!done || finished_) return std::nullopt;
  finished_ = true;
  return status_;
}

}  // namespace cairn::rpc
