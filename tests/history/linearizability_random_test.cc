// The checker on histories made at random: executions that are right by construction, the same
// with one answer changed, and tiny ones on which a naive checker must agree.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "cairn/v1/log.pb.h"
#include "storage/entry_codec.h"
#include "tests/history/history_text.h"
#include "tests/history/linearizability.h"
#include "tests/history/naive_checker.h"

namespace cairn::history {
namespace {

using Kind = CommittedRecord::Kind;

struct Shape {
  size_t operations = 0;
  int64_t spread_us = 0;    // How far a call reaches to either side; a step is 1000 us.
  double unanswered = 0.1;  // Of the calls; half of those take effect.
  double told = 1.0;        // Of the details of an answer.
  bool unique_payloads = true;
};

// A log that executes calls one after the other and gives each an interval around its moment.
class Execution {
 public:
  Execution(Random& random, const Shape& shape) : random_(random), shape_(shape) {
    history_.log_id = GroupId(7);
    history_.fenced = random.Chance(0.2);
    history_.committed.emplace();
    chain_ = storage::ChainSeed(history_.log_id);
    for (size_t i = 0; i < shape.operations; ++i) Next();
  }

  History Take() { return std::move(history_); }

 private:
  void Next() {
    now_us_ += 1000;
    if (epoch_ != 0 && random_.Chance(0.05)) AddLease(Kind::kExpired, "");
    Operation op = Request();
    const bool unanswered = random_.Chance(shape_.unanswered);
    op.begin_us = now_us_ - Reach();
    op.end_us = now_us_ + Reach();
    op.client = random_.Below(20);
    if (unanswered && random_.Chance(0.5)) {
      op.end_us = 0;
    } else {
      Execute(op);
      if (unanswered) ForgetAnswer(op);
    }
    history_.operations.push_back(std::move(op));
  }

  int64_t Reach() { return shape_.spread_us == 0 ? 0 : random_.Between(0, shape_.spread_us); }

  static void ForgetAnswer(Operation& op) {
    op.outcome = Outcome::kUnknown;
    op.end_us = 0;
    op.first_seq = op.last_seq = std::nullopt;
    op.chain = std::nullopt;
    op.granted = std::nullopt;
    op.lease = std::nullopt;
  }

  Operation Request() {
    Operation op;
    const uint64_t dice = random_.Below(100);
    op.call = dice < 60   ? Call::kAppend
              : dice < 75 ? Call::kRead
              : dice < 85 ? Call::kAcquire
              : dice < 90 ? Call::kRenew
              : dice < 95 ? Call::kRelease
                          : Call::kTransfer;
    if (op.call == Call::kRenew || op.call == Call::kRelease || op.call == Call::kTransfer ||
        (op.call == Call::kAppend && random_.Chance(history_.fenced ? 0.9 : 0.2))) {
      op.epoch = Epoch(random_.Chance(0.8) ? epoch_ : random_.Below(last_seq_ + 2));
    }
    if (op.call == Call::kAcquire || op.call == Call::kTransfer) {
      op.holder = std::string(1, static_cast<char>('A' + random_.Below(3)));
    }
    if (op.call == Call::kAppend) {
      for (uint64_t i = 0; i <= random_.Below(3); ++i) op.payloads.push_back(Payload());
    }
    const bool conditional = op.call == Call::kAppend || !op.holder.empty();
    if (conditional && random_.Chance(0.4)) {
      op.if_last_seq = Seq(last_seq_ + (random_.Chance(0.6) ? 0 : random_.Below(3) - 1));
      if (op.if_last_seq->value() > last_seq_ + 2) op.if_last_seq = Seq();
    }
    return op;
  }

  std::string Payload() {
    if (shape_.unique_payloads) return fmt::format("p{}", ++payloads_);
    return std::string(1, static_cast<char>('a' + random_.Below(3)));
  }

  void Execute(Operation& op) {
    op.outcome = Judge(op);
    if (op.outcome == Outcome::kDone) {
      if (op.call == Call::kAppend) op.first_seq = Seq(last_seq_ + 1);
      for (const std::string& payload : op.payloads) AddData(payload);
      if (op.call == Call::kAcquire) AddLease(Kind::kAcquired, op.holder);
      if (op.call == Call::kTransfer) AddLease(Kind::kTransferred, op.holder);
      if (op.call == Call::kRelease) AddLease(Kind::kReleased, "");
      if (!op.holder.empty()) op.granted = Epoch(epoch_);
    }
    const bool shows_seq = op.outcome == Outcome::kConditionFailed ||
                           (op.outcome == Outcome::kDone && op.call != Call::kRenew);
    if (shows_seq && Told()) op.last_seq = Seq(last_seq_);
    if (op.outcome == Outcome::kDone && op.last_seq && Told()) op.chain = chain_;
    const bool shows_lease = op.outcome == Outcome::kLeaseHeld ||
                             op.outcome == Outcome::kLeaseLost || op.call == Call::kRead;
    if (shows_lease && Told()) op.lease = {Epoch(epoch_), holder_};
    if (!Told()) op.first_seq.reset();
  }

  bool Told() { return random_.Chance(shape_.told); }

  [[nodiscard]] Outcome Judge(const Operation& op) const {
    if (op.call == Call::kAppend && history_.fenced && !op.epoch) return Outcome::kFenceRequired;
    if (op.call == Call::kAcquire && epoch_ != 0) return Outcome::kLeaseHeld;
    if (op.epoch && (epoch_ == 0 || op.epoch->value() != epoch_)) return Outcome::kLeaseLost;
    if (op.if_last_seq && op.if_last_seq->value() != last_seq_) return Outcome::kConditionFailed;
    return Outcome::kDone;
  }

  void AddRecord(CommittedRecord record) {
    cairn::v1::Record bytes;
    bytes.set_payload(record.kind == Kind::kData ? record.payload : "lease" + record.holder);
    chain_ = storage::ChainNext(chain_, bytes.SerializeAsString());
    record.seq = Seq(++last_seq_);
    record.chain = chain_;
    history_.committed->records.push_back(std::move(record));
  }

  void AddData(const std::string& payload) {
    CommittedRecord record;
    record.payload = payload;
    AddRecord(std::move(record));
  }

  void AddLease(Kind kind, const std::string& new_holder) {
    CommittedRecord record;
    record.kind = kind;
    record.holder = new_holder.empty() ? holder_ : new_holder;
    if (kind != Kind::kAcquired) record.ended_epoch = Epoch(epoch_);
    AddRecord(std::move(record));
    epoch_ = new_holder.empty() ? 0 : last_seq_;
    holder_ = new_holder;
  }

  Random& random_;
  const Shape shape_;
  History history_;
  int64_t now_us_ = 0;
  uint64_t last_seq_ = 0;
  uint64_t chain_ = 0;
  uint64_t epoch_ = 0;
  std::string holder_;
  uint64_t payloads_ = 0;
};

TEST(LinearizabilityRandomTest, ExecutionsAreAccepted) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const Shape shape{.operations = 300,
                      .spread_us = random.Between(0, 20'000),
                      .told = random.Chance(0.5) ? 1.0 : 0.8};
    const History history = Execution(random, shape).Take();
    const Verdict verdict = CheckLinearizable(history);
    ASSERT_TRUE(verdict.ok()) << "seed " << seed << "\n"
                              << verdict.Text() << FormatHistory(history);
  }
}

TEST(LinearizabilityRandomTest, ExecutionsAreAcceptedWithoutTheCommittedLog) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const Shape shape{.operations = 100, .spread_us = 4000, .unanswered = 0.05};
    History history = Execution(random, shape).Take();
    history.committed.reset();
    const Verdict verdict = CheckLinearizable(history);
    ASSERT_TRUE(verdict.ok()) << "seed " << seed << "\n"
                              << verdict.Text() << FormatHistory(history);
  }
}

// The size that callers have: many clients at once, hundreds unanswered.
TEST(LinearizabilityRandomTest, LongHistoriesNeedNoSearch) {
  Random random(1);
  const Shape shape{.operations = 20'000, .spread_us = 25'000, .unanswered = 0.03};
  const History history = Execution(random, shape).Take();
  const Verdict verdict = CheckLinearizable(history);
  EXPECT_TRUE(verdict.ok()) << verdict.Text();
  EXPECT_LT(verdict.configurations, 3 * shape.operations);
}

// Changes one thing that an answer told. False when there is none at that operation.
bool ChangeAnswer(Random& random, Operation& op) {
  const int64_t by = random.Chance(0.5) ? 1 : -1;
  switch (random.Below(3)) {
    case 0:
      if (!op.last_seq || op.last_seq->value() + by > 1'000'000) return false;
      op.last_seq = Seq(op.last_seq->value() + by);
      if (op.first_seq) op.first_seq = Seq(op.first_seq->value() + by);
      return true;
    case 1:
      if (!op.chain) return false;
      *op.chain ^= uint64_t{1} << random.Below(64);
      return true;
    default:
      if (!op.lease) return false;
      op.lease->epoch = Epoch(op.lease->epoch.value() + by);
      return true;
  }
}

TEST(LinearizabilityRandomTest, AChangedEffectIsFound) {
  int changed = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    const Shape shape{.operations = 100, .spread_us = 8000};
    History history = Execution(random, shape).Take();
    Operation& op = history.operations[random.Below(history.operations.size())];
    // A read or a refusal that shows another state may have come a little earlier or later.
    if (op.outcome != Outcome::kDone || op.call == Call::kRead || !ChangeAnswer(random, op))
      continue;
    ++changed;
    EXPECT_EQ(CheckLinearizable(history).kind, Verdict::Kind::kViolation)
        << "seed " << seed << ": " << FormatOperation(op);
  }
  EXPECT_GT(changed, 100);
}

// Changes anything: an answer, a time, a record of the log.
void Disturb(Random& random, History& history) {
  Operation& op = history.operations[random.Below(history.operations.size())];
  switch (random.Below(5)) {
    case 0:
      std::swap(op.payloads, history.operations[0].payloads);
      if (op.call == Call::kAppend && op.payloads.empty()) op.payloads = {"a"};
      if (history.operations[0].call == Call::kAppend && history.operations[0].payloads.empty()) {
        history.operations[0].payloads = {"b"};
      }
      if (op.call != Call::kAppend) op.payloads.clear();
      if (history.operations[0].call != Call::kAppend) history.operations[0].payloads.clear();
      return;
    case 1:
      op.begin_us += 2000;
      op.end_us = std::max(op.end_us, op.begin_us);
      return;
    case 2:
      if (op.outcome == Outcome::kUnknown) return;
      op.end_us = op.begin_us;
      return;
    case 3:
      if (history.committed && !history.committed->records.empty()) {
        history.committed->records.pop_back();
      }
      return;
    default:
      ChangeAnswer(random, op);
  }
}

TEST(LinearizabilityRandomTest, AgreesWithTryingEverything) {
  int right = 0;
  int wrong = 0;
  for (uint64_t seed = 1; seed <= 60'000; ++seed) {
    Random random(seed);
    const Shape shape{.operations = 1 + random.Below(6),
                      .spread_us = random.Between(0, 5000),
                      .unanswered = 0.25,
                      .told = 0.7,
                      .unique_payloads = false};
    History history = Execution(random, shape).Take();
    if (random.Chance(0.5)) history.committed.reset();
    for (uint64_t i = random.Below(4); i > 0; --i) Disturb(random, history);
    const bool expected = NaiveLinearizable(history);
    ++(expected ? right : wrong);
    const Verdict verdict = CheckLinearizable(history);
    ASSERT_EQ(verdict.kind, expected ? Verdict::Kind::kLinearizable : Verdict::Kind::kViolation)
        << "seed " << seed << "\n"
        << FormatHistory(history) << verdict.Text();
  }
  EXPECT_GT(right, 10'000);
  EXPECT_GT(wrong, 10'000);
}

}  // namespace
}  // namespace cairn::history
