// The retry policy as a table: what each refusal and each transport error leads to.

#include "client/src/retry.h"

#include <gtest/gtest.h>

#include <iterator>

#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

using absl::StatusCode;

constexpr CallTraits kOnce = {};
constexpr CallTraits kRepeatable = {
    .idempotent = true, .log_known = true, .wait_out_storage_full = true};

TEST(RetryTest, ARefusalIsJudgedByItsReason) {
  struct Case {
    v1::Reason reason;
    Verdict once;
    Verdict repeatable;
  };
  const Case cases[] = {
      // Nothing was done here: another node may do it, however often it is asked.
      {v1::REASON_NOT_LEADER, Verdict::kElsewhere, Verdict::kElsewhere},
      {v1::REASON_SHUTTING_DOWN, Verdict::kElsewhere, Verdict::kElsewhere},
      {v1::REASON_NOT_READY, Verdict::kElsewhere, Verdict::kElsewhere},
      {v1::REASON_STREAM_BROKEN, Verdict::kElsewhere, Verdict::kElsewhere},
      {v1::REASON_LOG_HALTED, Verdict::kElsewhere, Verdict::kElsewhere},
      {v1::REASON_ARCHIVE_UNAVAILABLE, Verdict::kElsewhere, Verdict::kElsewhere},
      {v1::REASON_OVERLOADED, Verdict::kHere, Verdict::kHere},
      // Those that depend on what the call is.
      {v1::REASON_LOG_NOT_FOUND, Verdict::kGiveUp, Verdict::kElsewhere},
      {v1::REASON_STORAGE_FULL, Verdict::kGiveUp, Verdict::kHere},
      {v1::REASON_OUTCOME_UNKNOWN, Verdict::kGiveUp, Verdict::kHere},
      // Final.
      {v1::REASON_CONDITION_FAILED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_LEASE_HELD, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_LEASE_LOST, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_LOG_RECREATED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_LOG_EXISTS, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_PRODUCER_EXPIRED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_TRIMMED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_SEQ_IN_FUTURE, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_TOO_LARGE, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_INVALID, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_TRIM_GUARDED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_FENCE_REQUIRED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_DUPLICATE_GAP, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_UNAUTHENTICATED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_PERMISSION_DENIED, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_CHAIN_MISMATCH, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_TABLE_FULL, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_NOT_CAUGHT_UP, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_NO_SUCH_PRINCIPAL, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_LOCK_OUT, Verdict::kGiveUp, Verdict::kGiveUp},
      {v1::REASON_ARCHIVE_DAMAGED, Verdict::kGiveUp, Verdict::kGiveUp},
  };
  // One row per reason; a new one must be judged.
  EXPECT_EQ(std::size(cases) + 1, static_cast<size_t>(v1::Reason_descriptor()->value_count()));
  for (const Case& c : cases) {
    SCOPED_TRACE(v1::Reason_Name(c.reason));
    // The code must not matter where there is a reason.
    for (StatusCode code : {StatusCode::kUnavailable, StatusCode::kFailedPrecondition}) {
      EXPECT_EQ(Judge(Refusal(c.reason, code), kOnce), c.once);
      EXPECT_EQ(Judge(Refusal(c.reason, code), kRepeatable), c.repeatable);
    }
  }
}

TEST(RetryTest, ATransportErrorIsRepeatedOnlyWhereThatIsHarmless) {
  for (StatusCode code : {StatusCode::kUnavailable, StatusCode::kDeadlineExceeded,
                          StatusCode::kCancelled, StatusCode::kUnknown, StatusCode::kInternal}) {
    const absl::Status broken(code, "");
    EXPECT_EQ(Judge(broken, kOnce), Verdict::kGiveUp) << broken;
    EXPECT_EQ(Judge(broken, kRepeatable), Verdict::kElsewhere) << broken;
    EXPECT_EQ(Judge(MarkNeverSent(broken), kOnce), Verdict::kElsewhere) << broken;
  }
  // These come from no broken connection, but from a server or a proxy that means it.
  for (StatusCode code : {StatusCode::kUnimplemented, StatusCode::kInvalidArgument,
                          StatusCode::kUnauthenticated, StatusCode::kPermissionDenied}) {
    EXPECT_EQ(Judge(absl::Status(code, ""), kRepeatable), Verdict::kGiveUp);
  }
}

TEST(RetryTest, TheAskedPauseHasBounds) {
  const auto asked = [](uint64_t ms) {
    v1::ErrorInfo info;
    info.set_retry_after_ms(ms);
    return AskedPauseUs(Refusal(v1::REASON_OVERLOADED, StatusCode::kResourceExhausted, info));
  };
  EXPECT_EQ(asked(0), 5'000);
  EXPECT_EQ(asked(70), 70'000);
  EXPECT_EQ(asked(60'000), 2'000'000);
  EXPECT_EQ(asked(UINT64_MAX), 2'000'000);
  EXPECT_EQ(AskedPauseUs(absl::UnavailableError("")), 5'000);
}

TEST(RetryTest, WhatChangesNothingMayBeRepeated) {
  for (int i = 0; i <= static_cast<int>(Method::kGetChain); ++i) {
    const auto method = static_cast<Method>(i);
    EXPECT_TRUE(IsIdempotent(method) || !IsReadOnly(method)) << MethodPath(method);
    // Every method has a path and a response.
    EXPECT_EQ(MethodPath(method).rfind("/cairn.v1.", 0), 0u);
    EXPECT_NE(NewResponse(method), nullptr);
  }
  for (Method method : {Method::kAppend, Method::kAcquire, Method::kTransfer}) {
    EXPECT_FALSE(IsIdempotent(method)) << MethodPath(method);
  }
}

}  // namespace
}  // namespace cairn::client
