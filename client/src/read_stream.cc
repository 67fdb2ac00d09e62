#include "client/src/read_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "client/src/convert.h"
#include "client/src/error_codec.h"
#include "client/src/retry.h"
#include "fmt/format.h"

namespace cairn {
namespace {

using client::kNever;
using client::Method;
using client::Route;
using client::Verdict;

// A stream that may send and stays silent for that long is replaced; doubled by each one that
// brought nothing, since a linearizable read may have to wait for an election.
constexpr int64_t kQuietUs = 2 * kMicrosPerSecond;
constexpr uint64_t kMaxQuietDoublings = 3;
// Rounds after which a replica's "there is no such log" (or seq, for a replica that lags) is
// believed.
constexpr uint64_t kRoundsToBelieve = 2;

constexpr client::CallTraits kTraits = {
    .idempotent = true, .log_known = true, .wait_out_storage_full = false};

v1::ReadRequest MakeRequest(const Log& log, const ReadOptions& options) {
  v1::ReadRequest request;
  request.set_log(log.name());
  request.set_log_id(log.id().value());
  if (options.start_timestamp_us) {
    request.set_start_timestamp_us(*options.start_timestamp_us);
  } else {
    request.set_start_seq(options.start_seq.value());
  }
  request.set_end_seq(options.end_seq.value());
  request.set_max_records(options.max_records);
  request.set_linearizable(options.linearizable);
  return request;
}

}  // namespace

std::shared_ptr<ReadStream::Impl> ReadStream::Impl::Start(const Log& log,
                                                          const ReadOptions& options) {
  auto impl = std::make_shared<Impl>(log, options);
  client::Executor& executor = impl->core_.executor();
  impl->timer_.emplace(executor, [weak = std::weak_ptr<Impl>(impl)] {
    if (auto self = weak.lock()) self->OnTimer();
  });
  executor.Post([impl] { impl->OpenStream(); });
  return impl;
}

ReadStream::Impl::Impl(const Log& log, const ReadOptions& options)
    : core_(*log.core()),
      deadline_us_(core_.clock().Mono() + core_.TimeoutUs(options.call)),
      on_ready_(options.on_ready),
      request_(MakeRequest(log, options)),
      limited_(options.max_records != 0),
      route_(core_.routes(), log.name(), Route::Goal::kAny) {}

void ReadStream::Impl::OpenStream() {
  if (over_) return;
  const std::weak_ptr<Impl> weak = weak_from_this();
  client::StreamHandler handler;
  handler.on_message = [weak](const std::unique_ptr<google::protobuf::Message>& message) {
    if (auto self = weak.lock()) self->OnMessage(static_cast<v1::ReadResponse*>(message.get()));
  };
  handler.on_closed = [weak](const absl::Status& status) {
    if (auto self = weak.lock()) self->OnClosed(status);
  };
  stream_ = core_.stub().Open(route_.current(), Method::kRead, std::move(handler));
  stream_->Write({request_.SerializeAsString(), nullptr});
  stream_->FinishWrites();
  credit_ = kCredit;
  stream_->AddReadCredit(credit_);
  quiet_since_us_ = core_.clock().Mono();
  ArmTimer();
}

void ReadStream::Impl::OnMessage(v1::ReadResponse* message) {
  route_.OnSuccess();
  --credit_;
  quiet_since_us_ = core_.clock().Mono();
  std::deque<Queued> batches;
  for (v1::RecordBatch& wire : *message->mutable_batches()) {
    RecordBatch batch = client::TakeBatch(&wire);
    if (!Advance(batch)) {
      return Finish(absl::DataLossError(
          fmt::format("{}: a read at seq {} brought {} records from seq {}", request_.log(),
                      request_.start_seq(), batch.records.size(), batch.first_seq)));
    }
    batches.push_back({std::move(batch), false});
  }
  if (batches.empty()) {
    GiveCredit();
  } else {
    batches.back().frees_credit = true;
  }
  {
    absl::MutexLock lock(&mutex_);
    stale_ = stale_ || message->stale();
    for (Queued& queued : batches) queue_.push_back(std::move(queued));
    changed_.Signal();
  }
  if (on_ready_ && !batches.empty()) on_ready_();
}

bool ReadStream::Impl::Advance(const RecordBatch& batch) {
  const uint64_t count = batch.records.size();
  if (count == 0) return false;
  const bool at_seq = request_.start_case() == v1::ReadRequest::kStartSeq;
  if (at_seq && request_.start_seq() != 0 && batch.first_seq != Seq{request_.start_seq()}) {
    return false;
  }
  request_.set_start_seq(batch.last_seq().value() + 1);
  if (limited_) {
    if (count > request_.max_records()) return false;
    request_.set_max_records(request_.max_records() - count);
  }
  return true;
}

void ReadStream::Impl::OnClosed(const absl::Status& status) {
  stream_.reset();
  if (over_) return;
  if (status.ok()) return Finish(absl::OkStatus());
  Retry(status);
}

void ReadStream::Impl::Retry(const absl::Status& status) {
  // All that was wanted has arrived; only the end of the stream was lost.
  const bool past_end = request_.end_seq() != 0 &&
                        request_.start_case() == v1::ReadRequest::kStartSeq &&
                        request_.start_seq() > request_.end_seq();
  if (past_end || (limited_ && request_.max_records() == 0)) return Finish(absl::OkStatus());
  const Reason reason = GetReason(status);
  // These speak for one replica, which may lag.
  const bool of_one_replica = reason == Reason::kLogNotFound || reason == Reason::kSeqInFuture;
  const Verdict verdict = of_one_replica ? Verdict::kElsewhere : client::Judge(status, kTraits);
  const bool believed = of_one_replica && route_.full_rounds() >= kRoundsToBelieve;
  if (verdict == Verdict::kGiveUp || believed) return Finish(status);
  const int64_t pause_us = route_.OnFailure(status, verdict);
  if (core_.clock().Mono() + pause_us >= deadline_us_) return Finish(status);
  core_.executor().PostAfter(pause_us, [self = shared_from_this()] { self->OpenStream(); });
}

void ReadStream::Impl::OnTimer() {
  timer_->Fired();
  if (over_) return;
  const MonoMicros now_us = core_.clock().Mono();
  if (now_us >= deadline_us_) {
    return Finish(absl::DeadlineExceededError(
        fmt::format("{}: the read's time is up at seq {}", request_.log(), request_.start_seq())));
  }
  if (now_us >= QuietDeadlineUs()) {
    stream_.reset();
    Retry(
        absl::UnavailableError(fmt::format("{}: {} is silent", request_.log(), route_.current())));
  }
  ArmTimer();
}

MonoMicros ReadStream::Impl::QuietDeadlineUs() const {
  // Without credit it is the caller who is slow.
  if (!stream_ || credit_ <= 0) return kNever;
  return quiet_since_us_ + (kQuietUs << std::min(route_.misses(), kMaxQuietDoublings));
}

void ReadStream::Impl::ArmTimer() {
  if (!over_) timer_->WakeAt(std::min(deadline_us_, QuietDeadlineUs()), core_.clock().Mono());
}

void ReadStream::Impl::GiveCredit() {
  if (over_ || !stream_) return;  // A new stream begins with full credit.
  if (credit_ <= 0) quiet_since_us_ = core_.clock().Mono();
  ++credit_;
  stream_->AddReadCredit(1);
  ArmTimer();
}

void ReadStream::Impl::Finish(absl::Status status) {
  if (over_) return;
  over_ = true;
  stream_.reset();
  {
    absl::MutexLock lock(&mutex_);
    end_ = std::move(status);
    changed_.SignalAll();
  }
  if (on_ready_ && !silenced_) on_ready_();
}

absl::StatusOr<std::optional<RecordBatch>> ReadStream::Impl::Next() {
  Queued next;
  {
    absl::MutexLock lock(&mutex_);
    while (queue_.empty() && !end_) changed_.Wait(&mutex_);
    if (queue_.empty()) {
      if (!end_->ok()) return *end_;
      return std::optional<RecordBatch>();
    }
    next = std::move(queue_.front());
    queue_.pop_front();
  }
  if (next.frees_credit) {
    core_.executor().Post([self = shared_from_this()] { self->GiveCredit(); });
  }
  return std::optional<RecordBatch>(std::move(next.batch));
}

void ReadStream::Impl::Cancel() {
  core_.executor().RunAndWait([this] {
    silenced_ = true;
    Finish(absl::CancelledError("the read was abandoned"));
  });
}

bool ReadStream::Impl::ready() const {
  absl::MutexLock lock(&mutex_);
  return end_ || !queue_.empty();
}

bool ReadStream::Impl::stale() const {
  absl::MutexLock lock(&mutex_);
  return stale_;
}

ReadStream::ReadStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReadStream::ReadStream(ReadStream&&) noexcept = default;

ReadStream& ReadStream::operator=(ReadStream&& other) noexcept {
  if (this != &other) {
    if (impl_) impl_->Cancel();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

ReadStream::~ReadStream() {
  if (impl_) impl_->Cancel();
}

absl::StatusOr<std::optional<RecordBatch>> ReadStream::Next() { return impl_->Next(); }

bool ReadStream::ready() const { return impl_->ready(); }
bool ReadStream::stale() const { return impl_->stale(); }

}  // namespace cairn
