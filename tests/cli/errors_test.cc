// Refusals become exit codes and a sentence that says what to do next.
#include "cli/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/src/error_codec.h"

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;

absl::Status Refusal(v1::Reason reason) {
  v1::ErrorInfo info;
  info.set_reason(reason);
  info.set_last_seq(41);
  return client::RefusalStatus(9, "log orders: no", info);
}

TEST(ErrorsTest, EachRefusalHasTheExitCodeOfItsNextStep) {
  struct Case {
    v1::Reason reason;
    ExitCode want;
  };
  const Case cases[] = {
      {v1::REASON_CONDITION_FAILED, ExitCode::kConditionFailed},
      {v1::REASON_LEASE_LOST, ExitCode::kConditionFailed},
      {v1::REASON_TRIM_GUARDED, ExitCode::kConditionFailed},
      {v1::REASON_LOG_NOT_FOUND, ExitCode::kNotFound},
      {v1::REASON_LOG_RECREATED, ExitCode::kNotFound},
      {v1::REASON_TRIMMED, ExitCode::kNotFound},
      {v1::REASON_PRODUCER_EXPIRED, ExitCode::kUnknownOutcome},
      {v1::REASON_OVERLOADED, ExitCode::kUnavailable},
      {v1::REASON_STORAGE_FULL, ExitCode::kUnavailable},
      {v1::REASON_LOG_HALTED, ExitCode::kDataLoss},
      {v1::REASON_PERMISSION_DENIED, ExitCode::kDenied},
      {v1::REASON_INVALID, ExitCode::kUsage},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(v1::Reason_Name(c.reason));
    const Failure failure = ToFailure(Refusal(c.reason));
    EXPECT_EQ(failure.exit_code, c.want);
    EXPECT_EQ("REASON_" + failure.reason, v1::Reason_Name(c.reason));
    EXPECT_FALSE(failure.advice.empty());
  }
}

TEST(ErrorsTest, ALostComparisonTellsTheActualSeq) {
  EXPECT_THAT(FormatFailure(ToFailure(Refusal(v1::REASON_CONDITION_FAILED))),
              HasSubstr("cairn: log orders: no; the last seq is 41"));
}

TEST(ErrorsTest, AnUnknownOutcomeIsNeverCalledAFailure) {
  const absl::Status lost = client::MarkUnknown(absl::UnavailableError("connection reset"));
  EXPECT_EQ(ToFailure(lost).exit_code, ExitCode::kUnknownOutcome);
  EXPECT_EQ(ToFailure(absl::UnavailableError("refused")).exit_code, ExitCode::kUnavailable);
}

TEST(ErrorsTest, ASentenceEndsOnce) {
  EXPECT_EQ(FormatFailure({ExitCode::kError, "X", "it broke", ""}), "cairn: it broke.\n");
  EXPECT_EQ(FormatFailure({ExitCode::kError, "X", "it broke", "mend it."}),
            "cairn: it broke; mend it.\n");
}

}  // namespace
}  // namespace cairn::cli
