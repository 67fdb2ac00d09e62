#include "tests/sim/sim_user.h"

#include <fmt/format.h>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/check.h"
#include "base/strings.h"
#include "cairn/error.h"
#include "cairn/lease_keeper.h"
#include "cairn/producer.h"
#include "cairn/tailer.h"
#include "client/src/core.h"
#include "tests/support/client_outcome.h"

namespace cairn::sim {

using history::Call;
using history::Outcome;

// ---- SimUser ----------------------------------------------------------------------------

SimUser::SimUser(int number, Context context)
    : number_(number),
      context_(std::move(context)),
      process_(std::make_unique<SimProcess>(context_.events->now_address())),
      self_(std::make_shared<SimUser*>(this)) {
  ClientOptions options;
  for (int i = 1; i <= context_.nodes; ++i) options.endpoints.push_back(EndpointOf(NodeId(i)));
  options.default_timeout = absl::Seconds(3);
  auto executor = std::make_unique<SimExecutor>(context_.events, process_.get());
  auto stub = std::make_unique<SimStub>(SimStub::Context{.events = context_.events,
                                                         .random = context_.random,
                                                         .service = context_.service,
                                                         .process = process_.get(),
                                                         .executor = executor.get(),
                                                         .delay = context_.delay,
                                                         .reaches = context_.reaches,
                                                         .loses = context_.loses});
  client_ = std::make_unique<Client>(
      std::make_unique<client::Core>(std::move(options), std::move(stub), std::move(executor),
                                     process_->clock, context_.random->Next()));
}

SimUser::~SimUser() = default;

void SimUser::Start() {
  context_.events->After(random().Between(0, 100'000), [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->Again();
  });
}

void SimUser::Again() {
  // On the client's thread, which may be stopped.
  client_->core().executor().Post([weak = std::weak_ptr(self_)] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    (*self)->Step();
    (*self)->context_.events->After((*self)->pause_us(), [weak] {
      if (const auto again = weak.lock()) (*again)->Again();
    });
  });
}

Log SimUser::log() const { return client_->LogWithId(context_.log->name, context_.log->id); }

std::string SimUser::NewPayload() { return fmt::format("u{}-{}", number_, ++appended_); }

void SimUser::Violation(const std::string& line) {
  context_.violation(fmt::format("log {}, client {}: {}", context_.log->id, number_, line));
}

history::Operation SimUser::NewOperation(Call call) const {
  history::Operation operation{.call = call};
  operation.client = static_cast<uint64_t>(number_);
  operation.begin_us = now();
  return operation;
}

void SimUser::Settle(size_t handle, const absl::Status& status) {
  history::Operation& operation = watch().at(handle);
  operation.end_us = now();
  history::NoteOutcome(status, operation);
  if (operation.outcome == Outcome::kDone && operation.last_seq) {
    watch().Acknowledged(*operation.last_seq);
  }
}

namespace {

// ---- Producer ---------------------------------------------------------------------------

class ProducerUser final : public SimUser {
 public:
  ProducerUser(int number, Context context)
      : SimUser(number, std::move(context)),
        eager_(random().Chance(0.4)),
        most_unanswered_(1 + random().Below(40)) {}
  ~ProducerUser() override { producer_.reset(); }

  [[nodiscard]] bool idle() const override { return stopping() && handles_.empty(); }

 private:
  void Step() override {
    // Not from its own callback: a failed producer is replaced here.
    if (producer_ != nullptr && !producer_->status().ok()) {
      producer_.reset();
      CHECK(handles_.empty());
    }
    if (stopping()) return;
    if (producer_ == nullptr) Open();
    const uint64_t burst = random().Below(eager_ && random().Chance(0.1) ? 40 : 5);
    for (uint64_t i = 0; i < burst && handles_.size() < most_unanswered_; ++i) Send();
  }

  [[nodiscard]] SimTime pause_us() override { return random().Between(0, 40'000); }

  void Open() {
    ProducerOptions options;
    // An eager one fills the window of sequences, a record each.
    options.max_in_flight = eager_ ? 16 : static_cast<int>(random().Between(1, 16));
    options.max_in_flight_partial = eager_ ? 16 : static_cast<int>(random().Between(1, 16));
    options.max_request_records = eager_ ? 1 : 1 + random().Below(8);
    options.delivery_timeout = absl::Seconds(10);
    options.on_delivery = [this](const Delivery& delivery) { OnDelivery(delivery); };
    producer_ = *Producer::Start(log(), std::move(options));
    next_ticket_ = 1;
  }

  void Send() {
    history::Operation operation = NewOperation(Call::kAppend);
    operation.payloads = {NewPayload()};
    const std::string payload = operation.payloads.front();
    if (!producer_->TrySend(payload).ok()) return;  // It has failed; the next step sees it.
    handles_.push_back(watch().Begin(std::move(operation)));
  }

  void OnDelivery(const Delivery& delivery) {
    if (delivery.first_ticket != next_ticket_) {
      Violation(
          fmt::format("ticket {} was answered, expected {}", delivery.first_ticket, next_ticket_));
    }
    next_ticket_ = delivery.last_ticket + 1;
    for (uint64_t i = 0; i <= delivery.last_ticket - delivery.first_ticket; ++i) {
      CHECK(!handles_.empty());
      const size_t handle = handles_.front();
      handles_.pop_front();
      if (delivery.status.ok()) {
        history::Operation& operation = watch().at(handle);
        operation.first_seq = operation.last_seq = delivery.result.first_seq + i;
        if (operation.last_seq == delivery.result.last_seq) {
          operation.chain = delivery.result.chain;
        }
      }
      Settle(handle, delivery.status);
    }
  }

  const bool eager_;
  const size_t most_unanswered_;
  std::unique_ptr<Producer> producer_;
  uint64_t next_ticket_ = 1;
  std::deque<size_t> handles_;  // Of unanswered records, in the order of tickets.
};

// ---- Writer -----------------------------------------------------------------------------

class WriterUser final : public SimUser {
 public:
  WriterUser(int number, Context context) : SimUser(number, std::move(context)) {}
  [[nodiscard]] bool idle() const override { return stopping() && !busy_; }

 private:
  void Step() override {
    if (stopping() || busy_) return;
    history::Operation operation = NewOperation(Call::kAppend);
    std::vector<NewRecord> records;
    for (uint64_t i = 0; i <= random().Below(3); ++i) {
      operation.payloads.push_back(NewPayload());
      records.push_back({operation.payloads.back(), {}});
    }
    AppendOptions options;
    options.call.timeout = absl::Milliseconds(random().Between(50, 2000));
    if (random().Chance(0.6)) operation.if_last_seq = options.if_last_seq = last_known_;
    const size_t handle = watch().Begin(std::move(operation));
    busy_ = true;
    log().AppendAsync(records, options, [this, handle](const absl::StatusOr<AppendResult>& got) {
      OnAnswer(handle, got);
    });
  }

  [[nodiscard]] SimTime pause_us() override { return random().Between(1000, 30'000); }

  void OnAnswer(size_t handle, const absl::StatusOr<AppendResult>& got) {
    busy_ = false;
    history::Operation& operation = watch().at(handle);
    if (got.ok()) {
      operation.first_seq = got->first_seq;
      operation.last_seq = last_known_ = got->last_seq;
      operation.chain = got->chain;
    }
    Settle(handle, got.status());
    if (operation.outcome == Outcome::kConditionFailed) last_known_ = *operation.last_seq;
  }

  bool busy_ = false;
  Seq last_known_;
};

// ---- Keeper -----------------------------------------------------------------------------

class KeeperUser final : public SimUser {
 public:
  KeeperUser(int number, Context context) : SimUser(number, std::move(context)) {}
  ~KeeperUser() override { keeper_.reset(); }

  [[nodiscard]] bool idle() const override {
    return stopping() && !acquiring_ && !releasing_ && appending_ == 0;
  }

 private:
  void Step() override {
    // Not from its own callback.
    if (over_) {
      keeper_.reset();
      over_ = false;
    }
    if (keeper_ == nullptr) {
      if (!stopping() && random().Chance(0.3)) Acquire();
      return;
    }
    if (acquiring_ || releasing_) return;
    Look();
    if (stopping()) return;
    if (random().Chance(0.02)) return Release();
    if (appending_ < 3) Append();
  }

  [[nodiscard]] SimTime pause_us() override { return random().Between(1000, 50'000); }

  // What a holder does that serves reads: it looks before it hands out.
  void Look() {
    const absl::Duration left = keeper_->SafeFor();
    if (!keeper_->IsSafe()) return;
    const SimTime until = now() + clock().Real(absl::ToInt64Microseconds(left)) - 1;
    watch().Entitle({number(), keeper_->epoch(), now(), until});
  }

  void Acquire() {
    LeaseOptions options;
    // Unique to each try, so that the library can tell its own grant from an earlier one's.
    options.holder = fmt::format("keeper-{}-{}", number(), ++tries_);
    options.ttl = absl::Milliseconds(random().Between(200, 1500));
    options.call.timeout = absl::Seconds(2);
    history::Operation operation = NewOperation(Call::kAcquire);
    operation.holder = options.holder;
    acquire_ = watch().Begin(std::move(operation));
    options.on_granted = [this](const absl::Status& status) { OnGranted(status); };
    options.on_lost = [this](const absl::Status&) {
      watch().EndEntitlement(number(), now());
      over_ = true;
    };
    acquiring_ = true;
    keeper_ = *LeaseKeeper::Start(log(), std::move(options));
  }

  void OnGranted(const absl::Status& status) {
    acquiring_ = false;
    if (status.ok()) {
      // Not the last seq: a grant that was found by asking later does not say where it stood.
      watch().at(acquire_).granted = keeper_->epoch();
      Settle(acquire_, status);
      return;
    }
    over_ = true;
    Settle(acquire_, status);
    // The library tries again by itself, so a refusal says nothing of the tries before it.
    watch().at(acquire_).outcome = Outcome::kUnknown;
  }

  void Release() {
    history::Operation operation = NewOperation(Call::kRelease);
    operation.epoch = keeper_->epoch();
    const size_t handle = watch().Begin(std::move(operation));
    releasing_ = true;
    watch().EndEntitlement(number(), now());
    keeper_->ReleaseAsync([this, handle](const absl::Status& status) {
      releasing_ = false;
      // OK also when the epoch had ended by itself.
      if (status.ok()) return;
      Settle(handle, status);
    });
  }

  void Append() {
    history::Operation operation = NewOperation(Call::kAppend);
    operation.payloads = {NewPayload()};
    operation.epoch = keeper_->epoch();
    AppendOptions options;
    options.call.timeout = absl::Seconds(1);
    options.if_lease_epoch = keeper_->epoch();
    const std::string payload = operation.payloads.front();
    const size_t handle = watch().Begin(std::move(operation));
    ++appending_;
    log().AppendAsync(payload, options, [this, handle](const absl::StatusOr<AppendResult>& got) {
      --appending_;
      if (got.ok()) {
        history::Operation& done = watch().at(handle);
        done.first_seq = got->first_seq;
        done.last_seq = got->last_seq;
        done.chain = got->chain;
      }
      Settle(handle, got.status());
    });
  }

  uint64_t tries_ = 0;
  size_t acquire_ = 0;
  bool acquiring_ = false;
  bool releasing_ = false;
  bool over_ = false;
  int appending_ = 0;
  std::unique_ptr<LeaseKeeper> keeper_;
};

// ---- Tailer -----------------------------------------------------------------------------

class TailerUser final : public SimUser {
 public:
  TailerUser(int number, Context context) : SimUser(number, std::move(context)) {}
  ~TailerUser() override { tailer_.reset(); }

  [[nodiscard]] bool idle() const override { return stopping(); }

 private:
  void Step() override {
    if (ended_) {
      tailer_.reset();
      ended_ = false;
    }
    // Now and then it begins anew, so that a tail starts at all kinds of moments.
    if (tailer_ != nullptr && !stopping() && random().Chance(0.01)) tailer_.reset();
    if (tailer_ == nullptr && !stopping()) Open();
  }

  [[nodiscard]] SimTime pause_us() override { return random().Between(10'000, 100'000); }

  void Open() {
    TailerOptions options;
    const bool resumes = next_ != Seq() && random().Chance(0.5);
    if (resumes) {
      options.start = TailStart::AtSeq(next_);
    } else {
      next_ = Seq();
      if (random().Chance(0.5)) options.start = TailStart::AtNext();
    }
    options.heartbeat = absl::Milliseconds(200);
    options.on_event = [this](const TailEvent& event) { OnEvent(event); };
    options.on_error = [this](const absl::Status& status) {
      ended_ = true;
      // What it was to begin with is gone.
      if (GetReason(status) == Reason::kTrimmed) next_ = Seq();
    };
    must_reach_ = watch().acknowledged();
    tailer_ = *Tailer::Open(log(), std::move(options));
  }

  void OnEvent(const TailEvent& event) {
    for (const RecordBatch& batch : event.batches) {
      if (next_ != Seq() && batch.first_seq != next_) {
        Violation(fmt::format("was handed seq {} where {} follows", batch.first_seq, next_));
      }
      watch().CheckTailed(number(), batch.last_seq(), batch.chain);
      next_ = batch.last_seq() + 1;
    }
    if (!event.caught_up) return;
    // Everything that anybody had heard of before the subscription. (When the mark before this
    // one was sent is not known here.)
    if (event.caught_up->seq < must_reach_) {
      Violation(fmt::format("caught up at seq {} though {} was acknowledged before",
                            event.caught_up->seq, must_reach_));
    }
    watch().CheckTailed(number(), event.caught_up->seq, event.caught_up->chain);
  }

  Seq next_;  // 0: not known.
  Seq must_reach_;
  bool ended_ = false;
  std::unique_ptr<Tailer> tailer_;
};

}  // namespace

std::unique_ptr<SimUser> MakeProducerUser(int number, SimUser::Context context) {
  return std::make_unique<ProducerUser>(number, std::move(context));
}
std::unique_ptr<SimUser> MakeWriterUser(int number, SimUser::Context context) {
  return std::make_unique<WriterUser>(number, std::move(context));
}
std::unique_ptr<SimUser> MakeKeeperUser(int number, SimUser::Context context) {
  return std::make_unique<KeeperUser>(number, std::move(context));
}
std::unique_ptr<SimUser> MakeTailerUser(int number, SimUser::Context context) {
  return std::make_unique<TailerUser>(number, std::move(context));
}

}  // namespace cairn::sim
