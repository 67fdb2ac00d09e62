// The keeper among the users of a simulated world (sim_user.h).

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "cairn/error.h"
#include "cairn/lease_keeper.h"
#include "tests/sim/sim_producer.h"
#include "tests/sim/sim_user.h"

namespace cairn::sim {
namespace {

using history::Call;
using history::Outcome;

class KeeperUser final : public SimUser {
 public:
  KeeperUser(int number, Context context) : SimUser(number, std::move(context)) {}
  ~KeeperUser() override {
    producer_.reset();
    keeper_.reset();
  }

  [[nodiscard]] bool idle() const override {
    return stopping() && !acquiring_ && !releasing_ && appending_ == 0 &&
           (producer_ == nullptr || producer_->unanswered() == 0);
  }

 private:
  void Step() override {
    // Not from their own callbacks.
    if (producer_ != nullptr && (over_ || producer_->failed())) producer_.reset();
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
    if (std::exchange(opens_producer_, false)) {
      producer_ = std::make_unique<SimProducer>(this, random().Chance(0.3),
                                                SimProducer::Demand{.epoch = keeper_->epoch()});
    }
    if (random().Chance(0.02)) return Release();
    if (producer_ == nullptr && appending_ < 3) Append();
    for (uint64_t i = random().Below(4); i > 0 && producer_ != nullptr; --i) {
      if (producer_->unanswered() >= kMostUnanswered || !producer_->Send()) break;
    }
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
    // As a standby does that has read so far.
    if (random().Chance(0.3)) operation.if_last_seq = options.if_last_seq = last_known_;
    acquire_ = watch().Begin(std::move(operation));
    watch().RepeatsByItself(acquire_);
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
      last_known_ = keeper_->granted_last_seq();
      opens_producer_ = random().Chance(0.5);
      return;
    }
    if (GetReason(status) == Reason::kConditionFailed) last_known_ = GetErrorInfo(status)->last_seq;
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
        done.last_seq = last_known_ = got->last_seq;
        done.chain = got->chain;
      }
      Settle(handle, got.status());
    });
  }

  static constexpr size_t kMostUnanswered = 20;

  uint64_t tries_ = 0;
  size_t acquire_ = 0;
  bool acquiring_ = false;
  bool releasing_ = false;
  bool over_ = false;
  int appending_ = 0;
  Seq last_known_;
  std::unique_ptr<LeaseKeeper> keeper_;
  bool opens_producer_ = false;
  std::unique_ptr<SimProducer> producer_;  // Under the keeper's epoch.
};

}  // namespace

std::unique_ptr<SimUser> MakeKeeperUser(int number, SimUser::Context context) {
  return std::make_unique<KeeperUser>(number, std::move(context));
}

}  // namespace cairn::sim
