// The threaded shell around TailerCore: queue, flow control, callbacks.
//
// Threads: the consumer touches what `mutex_` guards; everything else belongs to the client
// thread. One message is read ahead at a time, and none while the queue is full.

#include "cairn/tailer.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "cairn/v1/log.pb.h"
#include "client/src/core.h"
#include "client/src/tailer_core.h"
#include "client/src/wake_timer.h"
#include "fmt/format.h"

namespace cairn {
namespace {

using client::kNever;
using client::Method;
using client::TailerCore;

// Messages under way while the queue has room: enough to hide the hop between two threads.
constexpr int kReadAhead = 4;

absl::Status CheckOptions(const TailerOptions& options) {
  if (options.heartbeat < absl::Milliseconds(10) || options.heartbeat > absl::Minutes(1)) {
    return absl::InvalidArgumentError("heartbeat: want 10 ms to 60 s");
  }
  if (options.start.kind == TailStart::Kind::kSeq && !options.start.seq) {
    return absl::InvalidArgumentError("start: seqs begin with 1");
  }
  if (options.max_buffer_bytes == 0) {
    return absl::InvalidArgumentError("max_buffer_bytes must be positive");
  }
  return absl::OkStatus();
}

TailerCore::Options CoreOptions(const Log& log, const TailerOptions& options) {
  return {.log = log.name(),
          .log_id = log.id(),
          .start = options.start,
          .heartbeat_us = absl::ToInt64Microseconds(options.heartbeat),
          .outlives_denials = options.on_denied != nullptr,
          .prefer_endpoint = options.prefer_endpoint};
}

size_t PayloadBytes(const TailEvent& event) {
  size_t bytes = 0;
  for (const RecordBatch& batch : event.batches) {
    for (const Record& record : batch.records) bytes += record.payload.size() + sizeof(Record);
  }
  return bytes;
}

}  // namespace

class Tailer::Impl : public std::enable_shared_from_this<Tailer::Impl> {
 public:
  Impl(const Log& log, TailerOptions options)
      : core_(*log.core()),
        options_(std::move(options)),
        logic_(CoreOptions(log, options_), core_.routes()) {
    if (options_.start.kind == TailStart::Kind::kSeq) next_seq_ = options_.start.seq;
  }

  void Start();
  void Shutdown();

  absl::StatusOr<TailEvent> Next(absl::Duration timeout);
  void Close();

  Seq next_seq() const;
  uint64_t chain() const;
  std::optional<CaughtUp> caught_up() const;
  absl::Duration Disconnected() const;

 private:
  struct Queued {
    TailEvent event;
    size_t bytes;
  };

  // The client thread.
  void Perform(TailerCore::Actions actions);
  void OpenStream(const v1::TailRequest& request);
  void OnTimer();
  void Pass(TailEvent event);
  void Finish(absl::Status status);
  // Lets the stream send as far as the queue allows.
  void AdjustFlow();

  // What the consumer has been given includes `event` from now on.
  void NoteTaken(const TailEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  client::Core& core_;
  const TailerOptions options_;

  // The client thread's.
  TailerCore logic_;
  std::unique_ptr<client::Stream> stream_;
  uint64_t stream_number_ = 0;  // Tells events of the open stream from those of an earlier one.
  int credit_ = 0;              // Messages that the open stream may still send.
  std::optional<client::WakeTimer> timer_;
  bool silenced_ = false;  // The owner is going: no callback any more.

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool held_back_ ABSL_GUARDED_BY(mutex_) = false;  // The stream waits for the consumer.
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  Seq next_seq_ ABSL_GUARDED_BY(mutex_);
  uint64_t chain_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<CaughtUp> caught_up_ ABSL_GUARDED_BY(mutex_);
  MonoMicros disconnected_since_us_ ABSL_GUARDED_BY(mutex_) = kNever;
};

void Tailer::Impl::Start() {
  timer_.emplace(core_.executor(), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnTimer();
  });
  core_.executor().Post([self = shared_from_this()] {
    self->Perform(self->logic_.Start(self->core_.clock().Mono()));
  });
}

void Tailer::Impl::Shutdown() {
  core_.executor().RunAndWait([this] {
    silenced_ = true;
    Finish(absl::CancelledError("the tailer was destroyed"));
  });
}

void Tailer::Impl::Perform(TailerCore::Actions actions) {
  if (actions.close_stream) stream_.reset();
  if (actions.open_stream) OpenStream(*actions.open_stream);
  {
    absl::MutexLock lock(&mutex_);
    disconnected_since_us_ = logic_.disconnected_since_us();
  }
  if (actions.denied && !silenced_) options_.on_denied(*actions.denied);
  if (actions.event) Pass(*std::move(actions.event));
  if (actions.failed) return Finish(*std::move(actions.failed));
  AdjustFlow();
  if (logic_.wake_at_us() != kNever) timer_->WakeAt(logic_.wake_at_us(), core_.clock().Mono());
}

void Tailer::Impl::OpenStream(const v1::TailRequest& request) {
  const uint64_t number = ++stream_number_;
  const std::weak_ptr<Impl> weak = weak_from_this();
  client::StreamHandler handler;
  handler.on_message = [weak, number](const std::unique_ptr<google::protobuf::Message>& message) {
    auto self = weak.lock();
    if (!self || self->stream_number_ != number) return;
    --self->credit_;
    self->Perform(self->logic_.OnMessage(static_cast<v1::TailResponse*>(message.get()),
                                         self->core_.clock().Mono()));
  };
  handler.on_closed = [weak, number](const absl::Status& status) {
    auto self = weak.lock();
    if (!self || self->stream_number_ != number) return;
    self->Perform(self->logic_.OnStreamClosed(status, self->core_.clock().Mono()));
  };
  stream_ = core_.stub().Open(logic_.endpoint(), Method::kTail, std::move(handler));
  stream_->Write({request.SerializeAsString(), nullptr});
  stream_->FinishWrites();
  credit_ = 0;
}

void Tailer::Impl::AdjustFlow() {
  if (!stream_) return;
  {
    absl::MutexLock lock(&mutex_);
    held_back_ = queued_bytes_ >= options_.max_buffer_bytes;
    logic_.SetPaused(held_back_, core_.clock().Mono());
    if (held_back_) return;
  }
  if (credit_ >= kReadAhead) return;
  stream_->AddReadCredit(kReadAhead - credit_);
  credit_ = kReadAhead;
}

void Tailer::Impl::OnTimer() {
  timer_->Fired();
  Perform(logic_.OnTimer(core_.clock().Mono()));
}

void Tailer::Impl::Pass(TailEvent event) {
  {
    absl::MutexLock lock(&mutex_);
    if (end_) return;
    if (!options_.on_event) {
      const size_t bytes = PayloadBytes(event);
      queued_bytes_ += bytes;
      queue_.push_back({std::move(event), bytes});
      changed_.Signal();
    } else {
      NoteTaken(event);
    }
  }
  if (silenced_) return;
  if (options_.on_event) return options_.on_event(std::move(event));
  if (options_.on_ready) options_.on_ready();
}

void Tailer::Impl::Finish(absl::Status status) {
  logic_.Close();
  stream_.reset();
  ++stream_number_;
  {
    absl::MutexLock lock(&mutex_);
    if (end_) return;
    end_ = status;
    changed_.SignalAll();
  }
  if (silenced_) return;
  if (options_.on_error) options_.on_error(std::move(status));
  if (options_.on_ready) options_.on_ready();
}

void Tailer::Impl::NoteTaken(const TailEvent& event) {
  for (const RecordBatch& batch : event.batches) {
    next_seq_ = batch.last_seq() + 1;
    chain_ = batch.chain;
  }
  if (!event.caught_up) return;
  caught_up_ = event.caught_up;
  if (!next_seq_ && options_.start.kind != TailStart::Kind::kTimestamp) {
    next_seq_ = event.caught_up->seq + 1;
  }
  if (next_seq_ == event.caught_up->seq + 1) chain_ = event.caught_up->chain;
}

absl::StatusOr<TailEvent> Tailer::Impl::Next(absl::Duration timeout) {
  CHECK(!options_.on_event);
  const absl::Time deadline =
      timeout == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + timeout;
  TailEvent event;
  bool resume = false;
  {
    absl::MutexLock lock(&mutex_);
    while (queue_.empty() && !end_) {
      if (changed_.WaitWithDeadline(&mutex_, deadline) && queue_.empty() && !end_) {
        return absl::DeadlineExceededError("nothing came in time; the tail goes on");
      }
    }
    if (queue_.empty()) return *end_;
    event = std::move(queue_.front().event);
    queued_bytes_ -= queue_.front().bytes;
    queue_.pop_front();
    NoteTaken(event);
    // Half empty before the stream goes on, so that it does not go on and off at each event.
    resume = held_back_ && queued_bytes_ <= options_.max_buffer_bytes / 2;
    if (resume) held_back_ = false;
  }
  if (resume) {
    core_.executor().Post([self = shared_from_this()] { self->Perform({}); });
  }
  return event;
}

void Tailer::Impl::Close() {
  core_.executor().Post(
      [self = shared_from_this()] { self->Finish(absl::CancelledError("the tailer was closed")); });
}

Seq Tailer::Impl::next_seq() const {
  absl::MutexLock lock(&mutex_);
  return next_seq_;
}

uint64_t Tailer::Impl::chain() const {
  absl::MutexLock lock(&mutex_);
  return chain_;
}

std::optional<CaughtUp> Tailer::Impl::caught_up() const {
  absl::MutexLock lock(&mutex_);
  return caught_up_;
}

absl::Duration Tailer::Impl::Disconnected() const {
  absl::MutexLock lock(&mutex_);
  if (disconnected_since_us_ == kNever) return absl::ZeroDuration();
  return absl::Microseconds(core_.clock().Mono() - disconnected_since_us_);
}

absl::StatusOr<std::unique_ptr<Tailer>> Tailer::Open(const Log& log, TailerOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  auto impl = std::make_shared<Impl>(log, std::move(options));
  impl->Start();
  return std::unique_ptr<Tailer>(new Tailer(std::move(impl)));
}

Tailer::Tailer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tailer::~Tailer() { impl_->Shutdown(); }

absl::StatusOr<TailEvent> Tailer::Next(absl::Duration timeout) { return impl_->Next(timeout); }
void Tailer::Close() { impl_->Close(); }
Seq Tailer::next_seq() const { return impl_->next_seq(); }
uint64_t Tailer::chain() const { return impl_->chain(); }
std::optional<CaughtUp> Tailer::caught_up() const { return impl_->caught_up(); }
absl::Duration Tailer::Disconnected() const { return impl_->Disconnected(); }

}  // namespace cairn
