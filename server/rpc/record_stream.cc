#include "server/rpc/record_stream.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/check.h"
#include "server/rpc/convert.h"
#include "server/rpc/request_id.h"
#include "server/rpc/wire.h"

namespace cairn::rpc {
namespace {

// Bytes of one call that may wait between the group and gRPC: always, and within the node's budget.
constexpr uint64_t kLeastCreditBytes = 64 << 10;
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
  {
    absl::MutexLock lock(&mutex_);
    open_ = open;
    open_.sink = this;
    open_.token = token_;
    // Only the archive knows which record is its first one, or the first of a time.
    using Kind = server::TailStart::Kind;
    const bool by_seq =
        open.start.kind == Kind::kNext || (open.start.kind == Kind::kSeq && open.start.seq);
    from_archive_ = !by_seq && environment_->node->ReadsArchive(group);
  }
  if (sync_first) {
    PostSync();
  } else {
    Open();
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
  Open();
}

void RecordStream::Open() {
  std::optional<grpc::Status> end;
  {
    // The post is made with the lock held, so that a TailClose cannot overtake it.
    absl::MutexLock lock(&mutex_);
    if (stopped_) {
      state_ = State::kEnded;
    } else if (OpenSource()) {
      state_ = State::kOpen;
    } else {
      state_ = State::kEnded;
      status_ = ToStatus(Overloaded(log_, "the worker's mailbox"));
    }
    end = TakeEnd();
  }
  if (end) Finish(*end);
}

bool RecordStream::OpenSource() {
  uint64_t outstanding = writing_bytes_;
  for (const server::TailChunk& chunk : pending_) outstanding += chunk.bytes();
  (void)MayGrow();
  const uint64_t credit = kLeastCreditBytes + extra_bytes_;
  open_.credit_bytes = credit - std::min(credit, outstanding);
  if (from_archive_) {
    archive_ = environment_->node->archive()->reader().Open(group_, open_);
    return archive_ != nullptr;
  }
  server::Event event = open_;
  return environment_->node->Post(group_, event);
}

void RecordStream::Advance() {
  if (records_ == 0) return;
  open_.start = {.kind = server::TailStart::Kind::kSeq, .seq = next_};
  if (open_.max_records != 0) open_.max_records -= std::min(open_.max_records, records_);
}

bool RecordStream::IsComplete() const {
  if (!open_.bounded) return false;
  const bool counted_out = open_.max_records != 0 && records_ >= open_.max_records;
  return counted_out || (open_.end_seq && records_ != 0 && next_ > open_.end_seq);
}

bool RecordStream::GoesOn(const server::TailEnd& end) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return false;
  if (from_archive_) {
    archive_.reset();
    if (end.rejection || IsComplete()) return false;
    from_archive_ = false;
  } else {
    const bool trimmed = end.rejection && end.rejection->info.reason() == v1::REASON_TRIMMED;
    if (!trimmed || environment_->node->archive() == nullptr) return false;
    from_archive_ = true;
  }
  Advance();
  records_ = 0;
  return true;
}

void RecordStream::OnChunk(uint64_t /*token*/, server::TailChunk chunk) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  for (const server::TailBatch& batch : chunk.batches) {
    records_ += batch.count;
    next_ = batch.first_seq + batch.count;
  }
  pending_.push_back(std::move(chunk));
  if (writing_bytes_ == 0) WriteNext();
}

void RecordStream::OnEnd(uint64_t /*token*/, server::TailEnd tail_end) {
  if (GoesOn(tail_end)) return Open();
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
      GiveCredit(MayGrow() ? bytes + extra_bytes_ : bytes);
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
  {
    absl::MutexLock lock(&mutex_);
    environment_->readers.Give(extra_bytes_);
  }
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
  if (archive_ != nullptr) return archive_->Close();
  environment_->node->PostUrgent(group_, server::TailClose{.sink = this, .token = token_});
}

bool RecordStream::MayGrow() {
  constexpr uint64_t kExtraBytes = kCreditBytes - kLeastCreditBytes;
  if (extra_bytes_ != 0 || !environment_->readers.TryTake(kExtraBytes)) return false;
  extra_bytes_ = kExtraBytes;
  return true;
}

void RecordStream::GiveCredit(uint64_t bytes) {
  if (archive_ != nullptr) return archive_->Credit(bytes);
  environment_->node->PostUrgent(group_,
                                 server::TailCredit{.sink = this, .token = token_, .bytes = bytes});
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
