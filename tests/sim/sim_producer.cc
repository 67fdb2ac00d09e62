#include "tests/sim/sim_producer.h"

#include <fmt/format.h>

#include <utility>

#include "absl/time/time.h"
#include "base/check.h"

namespace cairn::sim {

using history::Call;
using history::Outcome;

// ---- SimProducer ------------------------------------------------------------------------

SimProducer::SimProducer(SimUser* user, bool eager, Demand demand) : user_(user), demand_(demand) {
  Random& random = user->random();
  ProducerOptions options;
  options.max_in_flight = eager ? 16 : static_cast<int>(random.Between(1, 16));
  options.max_in_flight_partial = eager ? 16 : static_cast<int>(random.Between(1, 16));
  options.max_request_records = eager ? 1 : 1 + random.Below(8);
  options.delivery_timeout = absl::Seconds(10);
  options.if_last_seq = demand.if_last_seq;
  options.if_lease_epoch = demand.epoch;
  options.on_delivery = [this](const Delivery& delivery) { OnDelivery(delivery); };
  producer_ = *Producer::Start(user->log(), std::move(options));
}

SimProducer::~SimProducer() = default;

bool SimProducer::Send() {
  history::Operation operation = user_->NewOperation(Call::kAppend);
  operation.payloads = {user_->NewPayload()};
  operation.epoch = demand_.epoch;
  const std::string payload = operation.payloads.front();
  const auto ticket = producer_->TrySend(payload);
  if (!ticket.ok()) return false;
  if (demand_.if_last_seq) operation.if_last_seq = Before(*ticket);
  handles_.push_back(user_->watch().Begin(std::move(operation)));
  return true;
}

void SimProducer::OnDelivery(const Delivery& delivery) {
  if (delivery.first_ticket != next_ticket_) {
    user_->Violation(
        fmt::format("ticket {} was answered, expected {}", delivery.first_ticket, next_ticket_));
  }
  next_ticket_ = delivery.last_ticket + 1;
  for (uint64_t i = 0; i <= delivery.last_ticket - delivery.first_ticket; ++i) {
    CHECK(!handles_.empty());
    const size_t handle = handles_.front();
    handles_.pop_front();
    if (!delivery.status.ok()) {
      OnFailed(delivery, handle);
      continue;
    }
    OnAppended(delivery, i, user_->watch().at(handle));
    user_->Settle(handle, delivery.status);
  }
}

void SimProducer::OnAppended(const Delivery& delivery, uint64_t offset,
                             history::Operation& operation) {
  operation.first_seq = operation.last_seq = last_known_ = delivery.result.first_seq + offset;
  if (operation.last_seq == delivery.result.last_seq) operation.chain = delivery.result.chain;
  if (operation.if_last_seq && *operation.if_last_seq + 1 != last_known_) {
    user_->Violation(fmt::format("a record of a single-writer chain stands at seq {}, expected {}",
                                 last_known_, *operation.if_last_seq + 1));
  }
}

// Only the first request that is refused was judged; what stood behind it never was.
void SimProducer::OnFailed(const Delivery& delivery, size_t handle) {
  user_->Settle(handle, delivery.status);
  history::Operation& operation = user_->watch().at(handle);
  if (operation.outcome == Outcome::kUnknown) return;
  if (operation.outcome == Outcome::kConditionFailed) last_known_ = *operation.last_seq;
  if (std::exchange(refused_, true)) operation.outcome = Outcome::kRefused;
}

// ---- The user ---------------------------------------------------------------------------

namespace {

class ProducerUser final : public SimUser {
 public:
  ProducerUser(int number, Context context)
      : SimUser(number, std::move(context)),
        eager_(random().Chance(0.4)),
        single_writer_(random().Chance(0.3)),
        most_unanswered_(1 + random().Below(40)) {}
  ~ProducerUser() override { producer_.reset(); }

  [[nodiscard]] bool idle() const override {
    return stopping() && (producer_ == nullptr || producer_->unanswered() == 0);
  }

 private:
  void Step() override {
    // Not from its own callback: a failed producer is replaced here.
    if (producer_ != nullptr && producer_->failed()) {
      last_known_ = producer_->last_known();
      producer_.reset();
    }
    if (stopping()) return;
    if (producer_ == nullptr) Open();
    const uint64_t burst = random().Below(eager_ && random().Chance(0.1) ? 40 : 5);
    for (uint64_t i = 0; i < burst && producer_->unanswered() < most_unanswered_; ++i) {
      if (!producer_->Send()) return;  // The next step sees it.
    }
  }

  [[nodiscard]] SimTime pause_us() override { return random().Between(0, 40'000); }

  void Open() {
    SimProducer::Demand demand;
    if (single_writer_) demand.if_last_seq = last_known_;
    producer_ = std::make_unique<SimProducer>(this, eager_, demand);
  }

  const bool eager_;
  const bool single_writer_;
  const size_t most_unanswered_;
  Seq last_known_;
  std::unique_ptr<SimProducer> producer_;
};

}  // namespace

std::unique_ptr<SimUser> MakeProducerUser(int number, SimUser::Context context) {
  return std::make_unique<ProducerUser>(number, std::move(context));
}

}  // namespace cairn::sim
