#include "adapter/log_publisher.h"

#include <asio/post.hpp>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "cairn/error.h"

namespace cairn::adapter {
namespace {

struct ProcessDelays {
  absl::Mutex mutex;
  DelayCounts counts ABSL_GUARDED_BY(mutex);
};

// One publisher follows the other, and what they counted stays.
ProcessDelays& OfProcess() {
  static auto* const delays = new ProcessDelays;
  return *delays;
}

}  // namespace

// Where deliveries gather until the engine thread looks.
struct LogPublisher::Inbox {
  // One delivery: the last ticket of it, and its record's seq.
  struct Appended {
    uint64_t ticket;
    Seq seq;
  };

  Inbox(asio::any_io_executor the_executor, LogPublisherOwner* the_owner)
      : executor(std::move(the_executor)), owner(the_owner) {}

  void NoteSent(uint64_t the_ticket) {
    absl::MutexLock lock(&mutex);
    // A delivery may come before TryAppend returns.
    if (the_ticket > delivered) sent.emplace_back(the_ticket, SystemClock().Mono());
  }

  void CountDelivered(uint64_t last_ticket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    delivered = last_ticket;
    const MonoMicros now = SystemClock().Mono();
    absl::MutexLock lock(&OfProcess().mutex);
    for (; !sent.empty() && sent.front().first <= last_ticket; sent.pop_front()) {
      OfProcess().counts.Add(now - sent.front().second);
    }
  }

  static void Deliver(const std::shared_ptr<Inbox>& self, const Delivery& delivery) {
    {
      absl::MutexLock lock(&self->mutex);
      if (delivery.status.ok()) {
        self->CountDelivered(delivery.last_ticket);
        const uint64_t more = delivery.last_ticket - delivery.first_ticket;
        self->appended.push_back({delivery.last_ticket, delivery.result.first_seq + more});
      } else if (!self->failure) {
        self->failure = delivery.status;
      }
      if (std::exchange(self->posted, true)) return;
    }
    asio::post(self->executor, [self] { Tell(self); });
  }

  static void Tell(const std::shared_ptr<Inbox>& self) {
    std::vector<Appended> appended;
    std::optional<absl::Status> failure;
    {
      absl::MutexLock lock(&self->mutex);
      self->posted = false;
      appended.swap(self->appended);
      failure = self->failure;
    }
    // The owner may destroy the publisher in between.
    for (const Appended& one : appended) {
      if (self->owner != nullptr) self->owner->OnAppended(one.ticket, one.seq);
    }
    if (!failure || self->failed || self->owner == nullptr) return;
    self->failed = true;
    const bool fenced = GetReason(*failure) == Reason::kLeaseLost;
    self->owner->OnAppendFailed(fenced ? PublisherTrouble::kFenced : PublisherTrouble::kUnknown,
                                *failure);
  }

  const asio::any_io_executor executor;
  // Of the engine thread.
  LogPublisherOwner* owner;  // Null: the publisher is gone.
  bool failed = false;       // Was told.

  absl::Mutex mutex;
  bool posted ABSL_GUARDED_BY(mutex) = false;
  std::vector<Appended> appended ABSL_GUARDED_BY(mutex);  // Not told yet.
  std::optional<absl::Status> failure ABSL_GUARDED_BY(mutex);
  // Records that are not delivered, by ticket, and when they were sent.
  std::deque<std::pair<uint64_t, MonoMicros>> sent ABSL_GUARDED_BY(mutex);
  uint64_t delivered ABSL_GUARDED_BY(mutex) = 0;  // Through this ticket.
};

LogPublisher::LogPublisher(std::shared_ptr<Inbox> inbox) : inbox_(std::move(inbox)) {}

LogPublisher::~LogPublisher() {
  inbox_->owner = nullptr;
  producer_.reset();
}

absl::StatusOr<std::unique_ptr<LogPublisher>> LogPublisher::Start(
    const asio::any_io_executor& executor, const Log& log, const Options& options,
    LogPublisherOwner* owner) {
  auto inbox = std::make_shared<Inbox>(executor, owner);
  ProducerOptions producer;
  producer.max_buffer_bytes = options.buffer_bytes;
  producer.if_lease_epoch = options.epoch;
  producer.lease_name = options.lease_name;
  producer.on_delivery = [inbox](const Delivery& delivery) { Inbox::Deliver(inbox, delivery); };
  std::unique_ptr<LogPublisher> publisher(new LogPublisher(inbox));
  ASSIGN_OR_RETURN(publisher->producer_, Producer::Start(log, std::move(producer)));
  return publisher;
}

absl::StatusOr<uint64_t> LogPublisher::TryAppend(const NewRecord& record) {
  absl::StatusOr<uint64_t> ticket = producer_->TrySend(record);
  if (absl::IsResourceExhausted(ticket.status())) return 0;
  if (ticket.ok()) inbox_->NoteSent(*ticket);
  return ticket;
}

DelayCounts LogPublisher::Delays() {
  absl::MutexLock lock(&OfProcess().mutex);
  return OfProcess().counts;
}

}  // namespace cairn::adapter
