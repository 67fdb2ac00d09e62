// The rules of holding a lease: when a process is entitled, when it is told otherwise, and what an
// unanswered call means. TTL 10 s and a margin of 10 % leave 9 s of safety, renewals every 3.33 s.

#include "cairn/lease_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "cairn/v1/lease.pb.h"
#include "client/src/lease_keeper_core.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

using absl::StatusCode;
using Actions = LeaseKeeperCore::Actions;
using Ask = LeaseKeeperCore::Ask;
using testing::ElementsAre;

constexpr int64_t kSecond = kMicrosPerSecond;
constexpr int64_t kSafeUs = 9 * kSecond;
constexpr int64_t kTtlUs = 10 * kSecond;
constexpr int64_t kRenewUs = kTtlUs / 3;

absl::Status Unknown() { return MarkUnknown(absl::UnavailableError("connection reset")); }
absl::Status LeaseLost() { return Refusal(v1::REASON_LEASE_LOST, StatusCode::kFailedPrecondition); }
absl::Status Held(const std::string& holder, uint64_t epoch) {
  v1::ErrorInfo info;
  info.mutable_lease()->set_holder(holder);
  info.mutable_lease()->set_epoch(epoch);
  return Refusal(v1::REASON_LEASE_HELD, StatusCode::kFailedPrecondition, info);
}
absl::Status ConditionFailed() {
  return Refusal(v1::REASON_CONDITION_FAILED, StatusCode::kAborted);
}
LeaseInfo HeldLease(const std::string& holder, uint64_t epoch) {
  return {.name = "primary", .holder = holder, .epoch = Epoch{epoch}};
}
absl::StatusOr<LeaseKeeperCore::Grant> Grant(uint64_t epoch) {
  return LeaseKeeperCore::Grant{.epoch = Epoch{epoch}, .last_seq = Seq{epoch}};
}

class LeaseKeeperCoreTest : public testing::Test {
 protected:
  // Acquires at time 0, answered after `answer_us`.
  void Hold(int64_t answer_us = 0) {
    EXPECT_EQ(core_.Start(std::nullopt, now_).ask, Ask::kAcquire);
    now_ += answer_us;
    const Actions actions = core_.OnAcquired(Grant(12), now_);
    ASSERT_TRUE(actions.granted && actions.granted->ok());
  }
  [[nodiscard]] bool IsSafe() const { return core_.deadline().IsSafe(now_); }
  [[nodiscard]] int64_t SafeForUs() const { return core_.deadline().SafeForUs(now_); }

  // What a caller of Release or Transfer does.
  Actions Leave(Ask ask) {
    core_.deadline().Suspend();
    return core_.Leave(ask, kSecond, now_);
  }

  MonoMicros now_ = 1000 * kSecond;
  LeaseKeeperCore core_{{.holder = "me", .ttl_us = kTtlUs, .drift_margin = 0.1}};
};

TEST_F(LeaseKeeperCoreTest, SafetyIsCountedFromBeforeTheSend) {
  EXPECT_FALSE(IsSafe());
  Hold(/*answer_us=*/2 * kSecond);
  EXPECT_EQ(core_.epoch(), Epoch{12});
  EXPECT_EQ(core_.granted_last_seq(), Seq{12});
  EXPECT_EQ(SafeForUs(), kSafeUs - 2 * kSecond);

  now_ += 2 * kSecond;  // 4 s after the acquisition was sent.
  EXPECT_EQ(core_.OnTimer(now_).ask, Ask::kRenew);
  now_ += kSecond;
  EXPECT_FALSE(core_.OnRenewed(kTtlUs, now_).lost.has_value());
  EXPECT_EQ(SafeForUs(), kSafeUs - kSecond) << "from the sending of the renewal";
}

TEST_F(LeaseKeeperCoreTest, ARenewalIsAskedForEachThirdOfTheTtl) {
  Hold();
  for (int i = 0; i < 50; ++i) {
    const MonoMicros sent_us = now_;
    EXPECT_EQ(core_.wake_at_us(), sent_us + kTtlUs / 3);
    now_ = core_.wake_at_us();
    ASSERT_EQ(core_.OnTimer(now_).ask, Ask::kRenew);
    EXPECT_FALSE(core_.OnTimer(now_).ask.has_value()) << "one renewal at a time";
    ASSERT_FALSE(core_.OnRenewed(kTtlUs, now_).lost.has_value());
  }
  EXPECT_TRUE(IsSafe());
}

TEST_F(LeaseKeeperCoreTest, AtRiskComesAtHalfTimeAndLossAtTheEnd) {
  Hold();
  const MonoMicros start = now_;
  now_ = core_.wake_at_us();
  EXPECT_EQ(core_.OnTimer(now_).ask, Ask::kRenew);
  core_.OnRenewed(absl::UnavailableError(""), now_);
  // Failing renewals are repeated soon, but they lengthen nothing.
  std::vector<std::string> told;
  while (told.empty() || told.back() != "lost") {
    ASSERT_LE(core_.wake_at_us(), start + kSafeUs);
    now_ = core_.wake_at_us();
    const Actions actions = core_.OnTimer(now_);
    if (actions.ask) core_.OnRenewed(absl::UnavailableError(""), now_);
    if (actions.at_risk) {
      told.emplace_back("at risk");
      EXPECT_EQ(now_, start + kSafeUs / 2);
      EXPECT_TRUE(IsSafe());
    }
    if (actions.lost) {
      told.emplace_back("lost");
      EXPECT_EQ(actions.lost->code(), StatusCode::kDeadlineExceeded);
    }
  }
  EXPECT_EQ(now_, start + kSafeUs);
  EXPECT_THAT(told, ElementsAre("at risk", "lost"));
  EXPECT_FALSE(IsSafe());
  EXPECT_EQ(core_.wake_at_us(), kNever) << "nothing is asked for a lost lease";
}

TEST_F(LeaseKeeperCoreTest, ARefusedRenewalIsALossAtOnce) {
  for (const absl::Status& status :
       {LeaseLost(), Refusal(v1::REASON_LOG_RECREATED, StatusCode::kFailedPrecondition)}) {
    LeaseKeeperCore core({.holder = "me", .ttl_us = kTtlUs});
    core.Start(std::nullopt, now_);
    core.OnAcquired(Grant(12), now_);
    EXPECT_EQ(core.OnTimer(now_ + 4 * kSecond).ask, Ask::kRenew);
    const Actions actions = core.OnRenewed(status, now_ + 4 * kSecond);
    ASSERT_TRUE(actions.lost.has_value());
    EXPECT_EQ(GetReason(*actions.lost), GetReason(status));
    EXPECT_FALSE(core.deadline().IsSafe(now_ + 4 * kSecond));
    EXPECT_EQ(core.epoch(), Epoch{12}) << "the epoch stays readable";
  }
}

// SIGSTOP: the process sleeps through the end of its lease and wakes with a renewal's answer
// waiting for it. Whoever looks first finds the loss, and the answer does not undo it.
TEST_F(LeaseKeeperCoreTest, AStoppedProcessFindsTheLossAtItsFirstLook) {
  Hold();
  now_ += 4 * kSecond;
  ASSERT_EQ(core_.OnTimer(now_).ask, Ask::kRenew);
  now_ += 60 * kSecond;  // Stopped.
  EXPECT_FALSE(IsSafe());
  const Actions actions = core_.OnRenewed(kTtlUs, now_);
  ASSERT_TRUE(actions.lost.has_value());
  EXPECT_FALSE(IsSafe());
}

TEST_F(LeaseKeeperCoreTest, ALateAnswerDoesNotUndoALossThatNobodyLookedAt) {
  Hold();
  now_ += 4 * kSecond;
  ASSERT_EQ(core_.OnTimer(now_).ask, Ask::kRenew);
  // The renewal was granted in time at the log, and would make the lease safe until 4 + 9 s; but
  // for a moment after 9 s this process was not entitled, and loss is final.
  now_ += 5 * kSecond;
  EXPECT_TRUE(core_.OnRenewed(kTtlUs, now_).lost.has_value());
}

TEST_F(LeaseKeeperCoreTest, AShorterTtlOfTheLogIsObeyed) {
  Hold();
  now_ += 4 * kSecond;
  ASSERT_EQ(core_.OnTimer(now_).ask, Ask::kRenew);
  core_.OnRenewed(6 * kSecond, now_);
  EXPECT_LE(core_.wake_at_us(), now_ + 2 * kSecond) << "renewed in thirds of the new TTL";
  EXPECT_LE(SafeForUs(), 54 * kSecond / 10);
}

TEST_F(LeaseKeeperCoreTest, AnUnknownAcquisitionIsLookedUp) {
  const MonoMicros sent_us = now_;
  core_.Start(std::nullopt, now_);
  now_ += kSecond;
  EXPECT_EQ(core_.OnAcquired(Unknown(), now_).ask, Ask::kGet);
  now_ += kSecond;
  const Actions actions = core_.OnLease(HeldLease("me", 12), now_);
  ASSERT_TRUE(actions.granted && actions.granted->ok());
  EXPECT_EQ(core_.epoch(), Epoch{12});
  // The first send is the earliest moment at which it may have been granted.
  EXPECT_EQ(SafeForUs(), sent_us + kSafeUs - now_);
}

TEST_F(LeaseKeeperCoreTest, AGrantThatIsAlmostOverIsConfirmedFirst) {
  core_.Start(std::nullopt, now_);
  now_ += 2 * kSecond;
  core_.OnAcquired(Unknown(), now_);
  now_ += 6 * kSecond;  // 8 of 9 s are gone.
  Actions actions = core_.OnLease(HeldLease("me", 12), now_);
  EXPECT_FALSE(actions.granted.has_value());
  EXPECT_EQ(actions.ask, Ask::kRenew);
  EXPECT_FALSE(IsSafe());
  actions = core_.OnRenewed(kTtlUs, now_ + kSecond);
  ASSERT_TRUE(actions.granted && actions.granted->ok());
  EXPECT_EQ(core_.deadline().SafeForUs(now_ + kSecond), kSafeUs - kSecond);
}

TEST_F(LeaseKeeperCoreTest, AnUnknownAcquisitionThatDidNotHappenIsTriedAgain) {
  core_.Start(std::nullopt, now_);
  core_.OnAcquired(Unknown(), now_);
  now_ += kSecond;
  EXPECT_EQ(core_.OnLease(LeaseInfo{}, now_).ask, Ask::kAcquire);
  // The first one was on its way after all, and won before the second was judged.
  const Actions actions = core_.OnAcquired(Held("me", 12), now_);
  ASSERT_TRUE(actions.granted && actions.granted->ok());
  EXPECT_EQ(SafeForUs(), kSafeUs - kSecond);
}

TEST_F(LeaseKeeperCoreTest, ItsOwnGrantMayBeWhatMovedTheLog) {
  // With if_last_seq the second try meets CONDITION_FAILED, since the first one's grant is a
  // record.
  for (bool was_ours : {true, false}) {
    LeaseKeeperCore core({.holder = "me", .ttl_us = kTtlUs});
    core.Start(std::nullopt, now_);
    core.OnAcquired(Unknown(), now_);
    core.OnLease(LeaseInfo{}, now_);
    EXPECT_EQ(core.OnAcquired(ConditionFailed(), now_).ask, Ask::kGet);
    const Actions actions = core.OnLease(was_ours ? HeldLease("me", 12) : LeaseInfo{}, now_);
    ASSERT_TRUE(actions.granted.has_value());
    EXPECT_EQ(actions.granted->ok(), was_ours);
    EXPECT_EQ(GetReason(*actions.granted),
              was_ours ? Reason::kUnspecified : Reason::kConditionFailed);
  }
}

TEST_F(LeaseKeeperCoreTest, ALeaseOfSomebodyElseIsNotTaken) {
  core_.Start(std::nullopt, now_);
  core_.OnAcquired(Unknown(), now_);
  const Actions actions = core_.OnLease(HeldLease("you", 13), now_);
  ASSERT_TRUE(actions.granted.has_value());
  EXPECT_EQ(GetReason(*actions.granted), Reason::kLeaseHeld);
  EXPECT_EQ(GetErrorInfo(*actions.granted)->lease.holder, "you");
  EXPECT_FALSE(IsUnknownOutcome(*actions.granted));
}

TEST_F(LeaseKeeperCoreTest, WithoutAnUnknownTryOnesOwnNameProvesNothing) {
  // Another process under the same holder name (a restarted one) has the lease.
  core_.Start(std::nullopt, now_);
  const Actions actions = core_.OnAcquired(Held("me", 12), now_);
  ASSERT_TRUE(actions.granted.has_value());
  EXPECT_EQ(GetReason(*actions.granted), Reason::kLeaseHeld);
}

TEST_F(LeaseKeeperCoreTest, AnAcquisitionDoesNotWaitForAStoppedNode) {
  const Actions actions = core_.Start(std::nullopt, now_);
  EXPECT_EQ(actions.timeout_us, 2 * kSecond) << "of 10 s in all";
}

TEST_F(LeaseKeeperCoreTest, GivingUpAnAcquisitionLeavesItUnknown) {
  core_.Start(std::nullopt, now_);
  now_ += 10 * kSecond;
  const Actions actions = core_.OnAcquired(Unknown(), now_);
  ASSERT_TRUE(actions.granted.has_value());
  EXPECT_TRUE(IsUnknownOutcome(*actions.granted));
  EXPECT_FALSE(core_.OnAcquired(Grant(12), now_).granted.has_value()) << "a late answer";
  EXPECT_FALSE(IsSafe());
}

TEST_F(LeaseKeeperCoreTest, AnHeirIsSafeOnlyAfterItsFirstRenewal) {
  EXPECT_EQ(core_.Start(Epoch{20}, now_).ask, Ask::kRenew);
  EXPECT_FALSE(IsSafe());
  now_ += kSecond;
  EXPECT_FALSE(core_.OnRenewed(absl::UnavailableError(""), now_).granted.has_value());
  now_ = core_.wake_at_us();
  ASSERT_EQ(core_.OnTimer(now_).ask, Ask::kRenew);
  const Actions actions = core_.OnRenewed(kTtlUs, now_ + kSecond);
  ASSERT_TRUE(actions.granted && actions.granted->ok());
  EXPECT_EQ(core_.epoch(), Epoch{20});
  EXPECT_EQ(core_.deadline().until_us(), now_ + kSafeUs);
}

TEST_F(LeaseKeeperCoreTest, AnHeirOfALostEpochIsToldSo) {
  core_.Start(Epoch{20}, now_);
  const Actions actions = core_.OnRenewed(LeaseLost(), now_);
  ASSERT_TRUE(actions.granted.has_value());
  EXPECT_EQ(GetReason(*actions.granted), Reason::kLeaseLost);
}

// From the moment of the call the holder is not entitled; only a certain refusal gives it back.
TEST_F(LeaseKeeperCoreTest, HowAReleaseOrTransferEnds) {
  struct Case {
    const char* name;
    Ask ask;
    absl::Status answer;
    bool holds_on;
    bool ok;
  };
  const Case cases[] = {
      {"released", Ask::kRelease, absl::OkStatus(), false, true},
      {"released before, by an earlier try", Ask::kRelease, LeaseLost(), false, true},
      {"release unknown", Ask::kRelease, Unknown(), false, false},
      {"release without a word", Ask::kRelease, absl::UnavailableError(""), false, false},
      {"transferred", Ask::kTransfer, absl::OkStatus(), false, true},
      {"transfer unknown", Ask::kTransfer, Unknown(), false, false},
      {"transfer of a lost epoch", Ask::kTransfer, LeaseLost(), false, false},
      {"the heir is behind", Ask::kTransfer, ConditionFailed(), true, false},
      {"never sent", Ask::kTransfer, MarkNeverSent(absl::UnavailableError("")), true, false},
      {"sent, then refused", Ask::kTransfer, MarkUnknown(ConditionFailed()), false, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    LeaseKeeperCore core({.holder = "me", .ttl_us = kTtlUs});
    core.Start(std::nullopt, now_);
    core.OnAcquired(Grant(12), now_);
    core.deadline().Suspend();
    EXPECT_FALSE(core.deadline().IsSafe(now_));
    EXPECT_EQ(core.Leave(c.ask, kSecond, now_).ask, c.ask);
    EXPECT_FALSE(core.deadline().IsSafe(now_));
    const Actions actions = core.OnLeft(c.answer, now_);
    ASSERT_TRUE(actions.left.has_value());
    EXPECT_EQ(actions.left->ok(), c.ok);
    EXPECT_EQ(actions.lost.has_value(), !c.holds_on);
    EXPECT_EQ(core.deadline().IsSafe(now_), c.holds_on);
  }
}

TEST_F(LeaseKeeperCoreTest, ALossDuringAReleaseIsToldAtItsTime) {
  Hold();
  Leave(Ask::kRelease);
  EXPECT_LE(core_.wake_at_us(), now_ + kSafeUs);
  now_ += kSafeUs;
  EXPECT_TRUE(core_.OnTimer(now_).lost.has_value());
  const Actions actions = core_.OnLeft(ConditionFailed(), now_);
  ASSERT_TRUE(actions.left.has_value());
  EXPECT_FALSE(actions.lost.has_value()) << "told once";
  EXPECT_FALSE(IsSafe()) << "a refusal does not bring a lost lease back";
}

TEST_F(LeaseKeeperCoreTest, NothingIsRenewedWhileTheLeaseIsBeingGivenUp) {
  Hold();
  Leave(Ask::kTransfer);
  now_ += 4 * kSecond;
  EXPECT_FALSE(core_.OnTimer(now_).ask.has_value());
  core_.OnLeft(ConditionFailed(), now_);
  EXPECT_TRUE(IsSafe());
  EXPECT_EQ(core_.OnTimer(now_).ask, Ask::kRenew) << "and then at once";
}

TEST_F(LeaseKeeperCoreTest, LeavingWhatIsNotHeldChangesNothing) {
  core_.Start(std::nullopt, now_);
  ASSERT_TRUE(Leave(Ask::kRelease).left.has_value());
  const Actions actions = core_.OnAcquired(Grant(12), now_);
  ASSERT_TRUE(actions.granted && actions.granted->ok());
  EXPECT_TRUE(IsSafe()) << "the refused release left its suspension behind";
}

TEST_F(LeaseKeeperCoreTest, TheEndOfOneTransferDoesNotResumeTheNext) {
  Hold();
  Leave(Ask::kTransfer);
  core_.deadline().Suspend();  // A second caller, not yet heard by the client thread.
  core_.OnLeft(ConditionFailed(), now_);
  EXPECT_FALSE(IsSafe());
  EXPECT_EQ(core_.Leave(Ask::kRelease, kSecond, now_).ask, Ask::kRelease);
  core_.OnLeft(absl::OkStatus(), now_);
  EXPECT_FALSE(IsSafe());
}

// ---- The shell: callbacks, calls, waiting ----

class LeaseKeeperTest : public testing::Test {
 protected:
  std::unique_ptr<LeaseKeeper> Start() {
    LeaseOptions options;
    options.holder = "me";
    options.on_granted = [this](const absl::Status& status) {
      told_.push_back(status.ok() ? "granted" : "refused");
    };
    options.on_at_risk = [this] { told_.emplace_back("at risk"); };
    options.on_lost = [this](const absl::Status& status) {
      told_.push_back("lost: " + std::string(ReasonName(GetReason(status))));
      EXPECT_FALSE(keeper_ && keeper_->IsSafe()) << "told before it was so";
    };
    return *LeaseKeeper::Start(client_.log(), std::move(options));
  }
  void Hold() {
    keeper_ = Start();
    client_.time().Run();
    const ScriptedCall call = client_.script().TakeCall(Method::kAcquire);
    EXPECT_EQ(call.As<v1::AcquireRequest>().holder(), "me");
    EXPECT_EQ(call.As<v1::AcquireRequest>().ttl_ms(), 10'000u);
    EXPECT_EQ(call.As<v1::AcquireRequest>().log_id(), 7u);
    v1::AcquireResponse response;
    response.set_epoch(12);
    response.set_last_seq(30);
    call.Answer(response);
    client_.time().Run();
  }
  ScriptedCall TakeRenewal() { return client_.script().TakeCall(Method::kRenew); }
  static v1::RenewResponse Renewed() {
    v1::RenewResponse response;
    response.set_ttl_ms(10'000);
    return response;
  }

  ScriptedClient client_;
  std::vector<std::string> told_;
  std::unique_ptr<LeaseKeeper> keeper_;
};

TEST_F(LeaseKeeperTest, HoldsAsLongAsItIsRenewed) {
  Hold();
  EXPECT_TRUE(keeper_->IsSafe());
  EXPECT_EQ(keeper_->epoch(), Epoch{12});
  EXPECT_EQ(keeper_->granted_last_seq(), Seq{30});
  for (int i = 0; i < 100; ++i) {
    client_.time().Advance(kRenewUs);
    const ScriptedCall renewal = TakeRenewal();
    EXPECT_EQ(renewal.As<v1::RenewRequest>().epoch(), 12u);
    renewal.Answer(Renewed());
    client_.time().Run();
  }
  EXPECT_TRUE(keeper_->IsSafe());
  EXPECT_TRUE(keeper_->status().ok());
  EXPECT_THAT(told_, ElementsAre("granted"));
}

TEST_F(LeaseKeeperTest, SaysLostBeforeItsTtlIsOver) {
  Hold();
  client_.time().Advance(kSafeUs - 1);
  EXPECT_TRUE(keeper_->IsSafe());
  client_.time().Advance(1);
  EXPECT_FALSE(keeper_->IsSafe());
  EXPECT_EQ(keeper_->SafeFor(), absl::ZeroDuration());
  EXPECT_FALSE(keeper_->status().ok());
  EXPECT_TRUE(keeper_->WaitLost(absl::ZeroDuration()));
  EXPECT_THAT(told_, ElementsAre("granted", "at risk", "lost: UNSPECIFIED"));
}

TEST_F(LeaseKeeperTest, AStoppedProcessIsNotSafeBeforeAnyTimerRan) {
  Hold();
  client_.time().Advance(kRenewUs);
  const ScriptedCall renewal = TakeRenewal();
  renewal.Answer(Renewed());            // Comes while the process is stopped,
  client_.time().Freeze(30 * kSecond);  // and waits in its queue.
  EXPECT_FALSE(keeper_->IsSafe());      // The first look,
  EXPECT_FALSE(keeper_->status().ok());
  client_.time().Run();  // and then the answer.
  EXPECT_FALSE(keeper_->IsSafe());
  EXPECT_THAT(told_, ElementsAre("granted", "lost: UNSPECIFIED"));
}

TEST_F(LeaseKeeperTest, AWinnersEpochEndsThisOneAtOnce) {
  Hold();
  client_.time().Advance(kRenewUs);
  TakeRenewal().Fail(LeaseLost());
  client_.time().Run();
  EXPECT_FALSE(keeper_->IsSafe());
  EXPECT_EQ(GetReason(keeper_->status()), Reason::kLeaseLost);
  EXPECT_THAT(told_, ElementsAre("granted", "lost: LEASE_LOST"));
}

TEST_F(LeaseKeeperTest, TheDestructorStopsRenewingAndTellsNobody) {
  Hold();
  keeper_.reset();
  client_.time().Advance(20 * kSecond);
  EXPECT_TRUE(client_.script().calls.empty());
  EXPECT_THAT(told_, ElementsAre("granted"));
}

TEST_F(LeaseKeeperTest, ReleasesWithoutBlocking) {
  Hold();
  std::vector<absl::StatusCode> left;
  keeper_->ReleaseAsync([&](const absl::Status& status) { left.push_back(status.code()); });
  EXPECT_FALSE(keeper_->IsSafe());
  client_.time().Run();
  const ScriptedCall release = client_.script().TakeCall(Method::kRelease);
  EXPECT_EQ(release.As<v1::ReleaseRequest>().epoch(), 12u);
  EXPECT_TRUE(left.empty());
  release.Answer(v1::ReleaseResponse());
  client_.time().Run();
  EXPECT_THAT(left, ElementsAre(absl::StatusCode::kOk));
}

TEST_F(LeaseKeeperTest, ItsEndAnswersAReleaseThatIsUnderWay) {
  Hold();
  std::vector<absl::StatusCode> left;
  keeper_->ReleaseAsync([&](const absl::Status& status) { left.push_back(status.code()); });
  client_.time().Run();
  keeper_.reset();
  EXPECT_THAT(left, ElementsAre(absl::StatusCode::kCancelled));
}

TEST_F(LeaseKeeperTest, AnAcquisitionThatIsAbandonedIsNotHeld) {
  keeper_ = Start();
  client_.time().Run();
  const ScriptedCall call = client_.script().TakeCall(Method::kAcquire);
  keeper_.reset();
  v1::AcquireResponse response;
  response.set_epoch(12);
  call.Answer(response);
  client_.time().Run();
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(client_.script().calls.empty());
}

TEST_F(LeaseKeeperTest, BadOptionsAreRefused) {
  const auto code = [&](auto change) {
    LeaseOptions options;
    options.holder = "me";
    change(options);
    return LeaseKeeper::Start(client_.log(), std::move(options)).status().code();
  };
  EXPECT_EQ(code([](LeaseOptions& o) { o.holder.clear(); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LeaseOptions& o) { o.holder.assign(256, 'x'); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LeaseOptions& o) { o.ttl = absl::Milliseconds(99); }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LeaseOptions& o) { o.ttl = absl::Hours(2); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LeaseOptions& o) { o.drift_margin = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LeaseOptions& o) { o.drift_margin = 0.6; }), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::client
