// The threaded shell around ProducerCore: buffer, waiting, callbacks.
//
// Threads: senders touch what `mutex_` guards; everything else belongs to the client thread, which
// takes batches out of the buffer, performs the core's actions and runs the callbacks.

#include "cairn/producer.h"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "cairn/v1/log.pb.h"
#include "client/src/core.h"
#include "client/src/producer_core.h"
#include "client/src/record_encoder.h"
#include "client/src/send_buffer.h"
#include "client/src/wake_timer.h"
#include "fmt/format.h"

namespace cairn {
namespace {

using client::kNever;
using client::Method;
using client::ProducerCore;

constexpr size_t kMaxBatchBytes = 16u << 20;
constexpr size_t kMaxBatchRecords = 65'536;

absl::Status CheckOptions(const ProducerOptions& options) {
  if (options.max_in_flight < 1 || options.max_in_flight > 16) {
    return absl::InvalidArgumentError(
        fmt::format("max_in_flight is {}, want 1 to 16", options.max_in_flight));
  }
  if (options.max_in_flight_partial < 1 || options.max_in_flight_partial > 16) {
    return absl::InvalidArgumentError(
        fmt::format("max_in_flight_partial is {}, want 1 to 16", options.max_in_flight_partial));
  }
  if (options.max_request_bytes < 1 || options.max_request_bytes > kMaxBatchBytes) {
    return absl::InvalidArgumentError(fmt::format("max_request_bytes is {}, want 1 to {}",
                                                  options.max_request_bytes, kMaxBatchBytes));
  }
  if (options.max_request_records < 1 || options.max_request_records > kMaxBatchRecords) {
    return absl::InvalidArgumentError(fmt::format("max_request_records is {}, want 1 to {}",
                                                  options.max_request_records, kMaxBatchRecords));
  }
  if (options.max_buffer_bytes < 1 || options.delivery_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("max_buffer_bytes and delivery_timeout must be positive");
  }
  return absl::OkStatus();
}

ProducerCore::Options CoreOptions(const Log& log, const ProducerOptions& options) {
  return {.log = log.name(),
          .log_id = log.id(),
          .max_in_flight = static_cast<size_t>(options.max_in_flight),
          .delivery_timeout_us =
              absl::ToInt64Microseconds(std::min(options.delivery_timeout, absl::Hours(24))),
          .if_lease_epoch = options.if_lease_epoch,
          .lease_name = options.lease_name,
          .if_last_seq = options.if_last_seq};
}

// Records that are added together.
struct Item {
  std::string_view payload;
  const RecordMetadata* metadata;
};

// Reading the clock costs as much as the rest of a Send, so it is not read for nothing.
absl::Time DeadlineAfter(absl::Duration timeout) {
  return timeout == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + timeout;
}

const RecordMetadata& NoMetadata() {
  static const auto* const kEmpty = new RecordMetadata;
  return *kEmpty;
}

}  // namespace

class Producer::Impl : public std::enable_shared_from_this<Producer::Impl> {
 public:
  Impl(const Log& log, ProducerOptions options)
      : core_(*log.core()),
        log_(log),
        options_(std::move(options)),
        logic_(CoreOptions(log, options_), core_.routes()),
        buffer_(options_.max_request_bytes, options_.max_request_records) {}

  void Start();
  absl::Status AwaitRegistered();
  void Shutdown();

  template <class Items>
  absl::StatusOr<uint64_t> Add(const Items& items, absl::Time deadline,
                               std::promise<absl::StatusOr<Seq>>* promise = nullptr);
  absl::Status Flush(absl::Duration timeout);
  void Close();

  absl::Status status() const;
  uint64_t pending_records() const;
  size_t pending_bytes() const;
  AppendResult last_result() const;

 private:
  struct Waiter {
    uint64_t ticket;
    std::promise<absl::StatusOr<Seq>> promise;
  };
  // Buffered bytes of a run of tickets, to be given back when they are answered.
  struct Charge {
    uint64_t last_ticket;
    size_t bytes;
  };

  absl::Status AwaitSpace(size_t bytes, absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MustWake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The client thread.
  void Register();
  void Pump();
  std::optional<client::ProducerBatch> TakeBatch(MonoMicros now_us);
  void Perform(ProducerCore::Actions actions);
  void OpenStream();
  void OnTimer();
  void Deliver(const std::vector<Delivery>& deliveries);
  void FailBuffered();
  void Settle(const Delivery& delivery, std::vector<Waiter>& woken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ArmTimer();

  client::Core& core_;
  const Log log_;
  const ProducerOptions options_;

  // The client thread's.
  ProducerCore logic_;
  std::unique_ptr<client::Stream> stream_;
  uint64_t stream_number_ = 0;  // Tells events of the open stream from those of an earlier one.
  std::optional<client::WakeTimer> timer_;
  MonoMicros linger_until_us_ = kNever;
  bool silenced_ = false;  // The owner is going: no callback any more.

  mutable absl::Mutex mutex_;
  absl::CondVar answered_;  // Space, a settled ticket, a registration or the end.
  client::SendBuffer buffer_ ABSL_GUARDED_BY(mutex_);
  std::deque<Charge> charges_ ABSL_GUARDED_BY(mutex_);  // One per batch taken; see TakeBatch.
  size_t untaken_bytes_ ABSL_GUARDED_BY(mutex_) = 0;    // In the buffer, not in charges_ yet.
  size_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t settled_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t told_ticket_ ABSL_GUARDED_BY(mutex_) = 0;  // Its callback has returned.
  std::deque<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  AppendResult last_result_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool registered_ ABSL_GUARDED_BY(mutex_) = false;
  bool pump_posted_ ABSL_GUARDED_BY(mutex_) = false;
  bool takes_partial_ ABSL_GUARDED_BY(mutex_) = false;  // What the core had room for, last time.
  bool takes_sealed_ ABSL_GUARDED_BY(mutex_) = false;
};

void Producer::Impl::Start() {
  timer_.emplace(core_.executor(), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnTimer();
  });
  core_.executor().Post([self = shared_from_this()] { self->Perform(self->logic_.Start()); });
}

absl::Status Producer::Impl::AwaitRegistered() {
  absl::MutexLock lock(&mutex_);
  while (!registered_ && status_.ok()) answered_.Wait(&mutex_);
  return status_;
}

void Producer::Impl::Shutdown() {
  core_.executor().RunAndWait([this] {
    silenced_ = true;
    Perform(logic_.Close(absl::CancelledError("the producer was destroyed")));
  });
}

template <class Items>
absl::StatusOr<uint64_t> Producer::Impl::Add(const Items& items, absl::Time deadline,
                                             std::promise<absl::StatusOr<Seq>>* promise) {
  size_t bytes = 0;
  for (const Item& item : items) bytes += client::EncodedRecordSize(item.payload, *item.metadata);
  if (bytes > std::min(kMaxBatchBytes, options_.max_buffer_bytes) ||
      items.size() > kMaxBatchRecords) {
    return absl::InvalidArgumentError(fmt::format(
        "{} records of {} encoded bytes pass the bounds of one request", items.size(), bytes));
  }
  const bool wants_linger = options_.linger > absl::ZeroDuration();
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(AwaitSpace(bytes, deadline));
  buffer_.Reserve(bytes, items.size(), wants_linger ? core_.clock().Mono() : 0);
  uint64_t ticket = 0;
  for (const Item& item : items) ticket = buffer_.Add(item.payload, *item.metadata);
  pending_bytes_ += bytes;
  untaken_bytes_ += bytes;
  if (promise != nullptr) waiters_.push_back({ticket, std::move(*promise)});
  if (MustWake()) {
    pump_posted_ = true;
    core_.executor().Post([self = shared_from_this()] { self->Pump(); });
  }
  return ticket;
}

absl::Status Producer::Impl::AwaitSpace(size_t bytes, absl::Time deadline) {
  while (status_.ok() && pending_bytes_ + bytes > options_.max_buffer_bytes) {
    if (deadline == absl::InfinitePast()) {
      return absl::ResourceExhaustedError(
          fmt::format("{}: {} bytes wait for an answer, the bound is {}", log_.name(),
                      pending_bytes_, options_.max_buffer_bytes));
    }
    if (answered_.WaitWithDeadline(&mutex_, deadline) && status_.ok() &&
        pending_bytes_ + bytes > options_.max_buffer_bytes) {
      return absl::DeadlineExceededError(
          fmt::format("{}: the buffer stayed full; nothing was accepted", log_.name()));
    }
  }
  return status_;
}

bool Producer::Impl::MustWake() const {
  return !pump_posted_ && (takes_partial_ || (takes_sealed_ && buffer_.has_sealed()));
}

void Producer::Impl::Register() {
  v1::RegisterProducerRequest request;
  request.set_log(log_.name());
  request.set_log_id(log_.id().value());
  client::CallSpec spec;
  spec.method = Method::kRegisterProducer;
  spec.log = log_.name();
  spec.traits = {.idempotent = true, .log_known = true, .wait_out_storage_full = false};
  spec.options = options_.call;
  core_.CallFor<v1::RegisterProducerResponse>(
      std::move(spec), request,
      [self = shared_from_this()](absl::StatusOr<v1::RegisterProducerResponse> got) {
        const absl::StatusOr<uint64_t> id =
            got.ok() ? absl::StatusOr<uint64_t>(got->producer_id()) : got.status();
        self->core_.executor().Post([self, id] {
          self->Perform(self->logic_.OnRegistered(id));
          {
            absl::MutexLock lock(&self->mutex_);
            self->registered_ = id.ok();
            self->answered_.SignalAll();
          }
          self->Pump();
        });
      });
}

void Producer::Impl::Pump() {
  const MonoMicros now_us = core_.clock().Mono();
  {
    absl::MutexLock lock(&mutex_);
    pump_posted_ = false;
  }
  while (std::optional<client::ProducerBatch> batch = TakeBatch(now_us)) {
    Perform(logic_.Submit(*std::move(batch), now_us));
  }
  ArmTimer();
}

std::optional<client::ProducerBatch> Producer::Impl::TakeBatch(MonoMicros now_us) {
  const bool room = logic_.HasRoom();
  const bool eager =
      room && logic_.in_flight() < static_cast<size_t>(options_.max_in_flight_partial);
  const int64_t linger_us = absl::ToInt64Microseconds(options_.linger);
  absl::MutexLock lock(&mutex_);
  takes_sealed_ = room;
  takes_partial_ = eager;
  if (!room) return std::nullopt;
  linger_until_us_ = kNever;
  bool ripe = eager;
  if (eager && linger_us > 0 && buffer_.has_open() && !buffer_.has_sealed() &&
      now_us < buffer_.open_since_us() + linger_us) {
    linger_until_us_ = buffer_.open_since_us() + linger_us;
    takes_partial_ = false;  // The timer looks again.
    ripe = false;
  }
  std::optional<client::ProducerBatch> batch = buffer_.Take(ripe);
  if (batch) {
    const size_t bytes = batch->region->size();
    CHECK_GE(untaken_bytes_, bytes);
    untaken_bytes_ -= bytes;
    charges_.push_back({batch->first_ticket + batch->count - 1, bytes});
  }
  return batch;
}

void Producer::Impl::Perform(ProducerCore::Actions actions) {
  if (actions.register_producer) Register();
  if (actions.close_stream) stream_.reset();
  if (actions.open_stream) OpenStream();
  for (client::EncodedMessage& message : actions.writes) stream_->Write(std::move(message));
  if (!actions.deliveries.empty()) Deliver(actions.deliveries);
  if (!logic_.status().ok()) FailBuffered();
}

void Producer::Impl::OpenStream() {
  const uint64_t number = ++stream_number_;
  const std::weak_ptr<Impl> weak = weak_from_this();
  client::StreamHandler handler;
  handler.on_message = [weak, number](const std::unique_ptr<google::protobuf::Message>& message) {
    auto self = weak.lock();
    if (!self || self->stream_number_ != number) return;
    if (self->stream_) self->stream_->AddReadCredit(1);
    self->Perform(self->logic_.OnResponse(static_cast<const v1::AppendStreamResponse&>(*message),
                                          self->core_.clock().Mono()));
    self->Pump();
  };
  handler.on_closed = [weak, number](const absl::Status& status) {
    auto self = weak.lock();
    if (!self || self->stream_number_ != number) return;
    self->Perform(self->logic_.OnStreamClosed(status, self->core_.clock().Mono()));
    self->Pump();
  };
  stream_ = core_.stub().Open(logic_.endpoint(), Method::kAppendStream, std::move(handler));
  // One answer per request in flight may come at any time, and one read sees the stream's end.
  stream_->AddReadCredit(options_.max_in_flight + 1);
}

void Producer::Impl::OnTimer() {
  timer_->Fired();
  Perform(logic_.OnTimer(core_.clock().Mono()));
  Pump();
}

void Producer::Impl::ArmTimer() {
  const MonoMicros at_us = std::min(logic_.wake_at_us(), linger_until_us_);
  if (at_us != kNever) timer_->WakeAt(at_us, core_.clock().Mono());
}

void Producer::Impl::Deliver(const std::vector<Delivery>& deliveries) {
  std::vector<Waiter> woken;
  for (const Delivery& delivery : deliveries) {
    {
      absl::MutexLock lock(&mutex_);
      Settle(delivery, woken);
      answered_.SignalAll();
    }
    for (Waiter& waiter : woken) {
      if (delivery.status.ok()) {
        waiter.promise.set_value(delivery.result.first_seq +
                                 (waiter.ticket - delivery.first_ticket));
      } else {
        waiter.promise.set_value(delivery.status);
      }
    }
    woken.clear();
    if (options_.on_delivery && !silenced_) options_.on_delivery(delivery);
    absl::MutexLock lock(&mutex_);
    told_ticket_ = delivery.last_ticket;
    answered_.SignalAll();
  }
}

void Producer::Impl::Settle(const Delivery& delivery, std::vector<Waiter>& woken) {
  CHECK_EQ(delivery.first_ticket, settled_ticket_ + 1);
  settled_ticket_ = delivery.last_ticket;
  for (; !charges_.empty() && charges_.front().last_ticket <= settled_ticket_;
       charges_.pop_front()) {
    pending_bytes_ -= charges_.front().bytes;
  }
  if (delivery.status.ok()) {
    last_result_ = delivery.result;
  } else if (status_.ok()) {
    status_ = logic_.status();
  }
  for (; !waiters_.empty() && waiters_.front().ticket <= settled_ticket_; waiters_.pop_front()) {
    woken.push_back(std::move(waiters_.front()));
  }
}

void Producer::Impl::FailBuffered() {
  std::vector<Delivery> never_sent;
  {
    absl::MutexLock lock(&mutex_);
    status_ = logic_.status();  // From here on nothing is added.
    answered_.SignalAll();
    while (std::optional<client::ProducerBatch> batch = buffer_.Take(/*partial=*/true)) {
      const uint64_t last_ticket = batch->first_ticket + batch->count - 1;
      untaken_bytes_ -= batch->region->size();
      charges_.push_back({last_ticket, batch->region->size()});
      never_sent.push_back({.first_ticket = batch->first_ticket,
                            .last_ticket = last_ticket,
                            .status = status_,
                            .result = {}});
    }
  }
  Deliver(never_sent);
}

absl::Status Producer::Impl::Flush(absl::Duration timeout) {
  const absl::Time deadline = DeadlineAfter(timeout);
  absl::MutexLock lock(&mutex_);
  const uint64_t ticket = buffer_.last_ticket();
  while (told_ticket_ < ticket && status_.ok()) {
    if (answered_.WaitWithDeadline(&mutex_, deadline) && told_ticket_ < ticket && status_.ok()) {
      return absl::DeadlineExceededError(
          fmt::format("{}: {} records are unanswered", log_.name(), ticket - told_ticket_));
    }
  }
  return status_;
}

void Producer::Impl::Close() {
  core_.executor().Post([self = shared_from_this()] {
    self->Perform(self->logic_.Close(absl::CancelledError("the producer was closed")));
  });
}

absl::Status Producer::Impl::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

uint64_t Producer::Impl::pending_records() const {
  absl::MutexLock lock(&mutex_);
  return buffer_.last_ticket() - settled_ticket_;
}

size_t Producer::Impl::pending_bytes() const {
  absl::MutexLock lock(&mutex_);
  return pending_bytes_;
}

AppendResult Producer::Impl::last_result() const {
  absl::MutexLock lock(&mutex_);
  return last_result_;
}

absl::StatusOr<std::unique_ptr<Producer>> Producer::Start(const Log& log, ProducerOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  auto impl = std::make_shared<Impl>(log, std::move(options));
  impl->Start();
  return std::unique_ptr<Producer>(new Producer(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<Producer>> Producer::Open(const Log& log, ProducerOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Producer> producer, Start(log, std::move(options)));
  RETURN_IF_ERROR(producer->impl_->AwaitRegistered());
  return producer;
}

Producer::Producer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Producer::~Producer() { impl_->Shutdown(); }

absl::StatusOr<uint64_t> Producer::Send(std::string_view payload, absl::Duration timeout) {
  return impl_->Add(std::array{Item{payload, &NoMetadata()}}, DeadlineAfter(timeout));
}

absl::StatusOr<uint64_t> Producer::Send(const NewRecord& record, absl::Duration timeout) {
  return impl_->Add(std::array{Item{record.payload, &record.metadata}}, DeadlineAfter(timeout));
}

absl::StatusOr<uint64_t> Producer::TrySend(std::string_view payload) {
  return impl_->Add(std::array{Item{payload, &NoMetadata()}}, absl::InfinitePast());
}

absl::StatusOr<uint64_t> Producer::TrySend(const NewRecord& record) {
  return impl_->Add(std::array{Item{record.payload, &record.metadata}}, absl::InfinitePast());
}

absl::StatusOr<uint64_t> Producer::SendBatch(const std::vector<NewRecord>& records,
                                             absl::Duration timeout) {
  if (records.empty()) return absl::InvalidArgumentError("a batch needs a record");
  std::vector<Item> items;
  items.reserve(records.size());
  for (const NewRecord& record : records) items.push_back({record.payload, &record.metadata});
  return impl_->Add(items, DeadlineAfter(timeout));
}

std::future<absl::StatusOr<Seq>> Producer::SendForResult(std::string_view payload,
                                                         absl::Duration timeout) {
  std::promise<absl::StatusOr<Seq>> promise;
  std::future<absl::StatusOr<Seq>> future = promise.get_future();
  const auto sent =
      impl_->Add(std::array{Item{payload, &NoMetadata()}}, DeadlineAfter(timeout), &promise);
  if (!sent.ok()) promise.set_value(sent.status());
  return future;
}

absl::Status Producer::Flush(absl::Duration timeout) { return impl_->Flush(timeout); }
void Producer::Close() { impl_->Close(); }
absl::Status Producer::status() const { return impl_->status(); }
uint64_t Producer::pending_records() const { return impl_->pending_records(); }
size_t Producer::pending_bytes() const { return impl_->pending_bytes(); }
AppendResult Producer::last_result() const { return impl_->last_result(); }

}  // namespace cairn
