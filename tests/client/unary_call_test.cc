// One unary call from its first try to its answer: redirects, repetitions, and what may be said of
// its outcome.

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "cairn/log.h"
#include "cairn/v1/log.pb.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

using absl::StatusCode;

class UnaryCallTest : public testing::Test {
 protected:
  void Append(absl::Duration timeout = absl::Seconds(10)) {
    AppendOptions options;
    options.call.timeout = timeout;
    client_.log().AppendAsync("payload", options, [this](absl::StatusOr<AppendResult> got) {
      EXPECT_FALSE(result_.has_value()) << "answered twice";
      result_ = std::move(got);
    });
  }
  // A call whose repetition is harmless.
  void Trim(absl::Duration timeout = absl::Seconds(10)) {
    CallSpec spec;
    spec.method = Method::kTrim;
    spec.log = "orders";
    spec.traits = {.idempotent = true, .log_known = true};
    spec.options.timeout = timeout;
    client_.core().Call(spec, {}, [this](absl::StatusOr<Core::MessagePtr> got, const std::string&) {
      EXPECT_FALSE(status_.has_value()) << "answered twice";
      status_ = got.status();
    });
  }
  ScriptedCall Take(Method method) { return client_.script().TakeCall(method); }
  [[nodiscard]] bool Waits() const { return client_.script().calls.empty(); }
  static v1::AppendResponse At(uint64_t seq) {
    v1::AppendResponse response;
    response.set_first_seq(seq);
    response.set_last_seq(seq);
    return response;
  }

  mutable ScriptedClient client_;
  std::optional<absl::StatusOr<AppendResult>> result_;
  std::optional<absl::Status> status_;
};

TEST_F(UnaryCallTest, FollowsTheLeader) {
  Append();
  const ScriptedCall first = Take(Method::kAppend);
  const std::string leader = first.endpoint == "c:1" ? "a:1" : "c:1";
  first.Fail(NotLeader(leader));
  const ScriptedCall second = Take(Method::kAppend);
  EXPECT_EQ(second.endpoint, leader);
  EXPECT_EQ(second.request_bytes, first.request_bytes);
  second.Answer(At(5));
  ASSERT_TRUE(result_ && result_->ok());
  EXPECT_EQ((*result_)->last_seq, Seq{5});
  result_.reset();
  Append();
  EXPECT_EQ(Take(Method::kAppend).endpoint, leader) << "it was remembered";
}

TEST_F(UnaryCallTest, AnAppendOfOpenFateIsNotRepeated) {
  for (StatusCode code : {StatusCode::kUnavailable, StatusCode::kDeadlineExceeded}) {
    result_.reset();
    Append();
    Take(Method::kAppend).Fail(absl::Status(code, "connection reset"));
    EXPECT_TRUE(Waits());
    ASSERT_TRUE(result_.has_value());
    EXPECT_TRUE(IsUnknownOutcome(result_->status()));
  }
}

TEST_F(UnaryCallTest, AnAppendThatNeverLeftIsTriedElsewhere) {
  Append(absl::Milliseconds(50));
  Take(Method::kAppend).Fail(MarkNeverSent(absl::UnavailableError("refused")));
  EXPECT_FALSE(Waits());
  // Nobody is there until the deadline: certainly not done.
  while (!result_) {
    if (Waits()) {
      client_.time().Advance(5'000);
    } else {
      Take(Method::kAppend).Fail(MarkNeverSent(absl::UnavailableError("refused")));
    }
  }
  EXPECT_EQ(result_->status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE(IsUnknownOutcome(result_->status()));
}

TEST_F(UnaryCallTest, ARefusalAfterAnOpenTryIsStillUnknown) {
  Trim();
  Take(Method::kTrim).Fail(absl::UnavailableError("reset"));  // It may have been done.
  Take(Method::kTrim).Fail(Refusal(v1::REASON_TRIM_GUARDED, StatusCode::kFailedPrecondition));
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(GetReason(*status_), Reason::kTrimGuarded);
  EXPECT_TRUE(IsUnknownOutcome(*status_));
}

TEST_F(UnaryCallTest, ARefusalAloneIsCertain) {
  Append();
  v1::ErrorInfo info;
  info.set_last_seq(9);
  Take(Method::kAppend).Fail(Refusal(v1::REASON_CONDITION_FAILED, StatusCode::kAborted, info));
  ASSERT_TRUE(result_.has_value());
  EXPECT_FALSE(IsUnknownOutcome(result_->status()));
  EXPECT_EQ(GetErrorInfo(result_->status())->last_seq, Seq{9});
}

TEST_F(UnaryCallTest, TriesAreShortWhereTheyMayBeRepeated) {
  Trim(absl::Seconds(60));
  int64_t want_us = kMicrosPerSecond;
  for (int i = 0; i < 8; ++i) {
    const ScriptedCall call = Take(Method::kTrim);
    EXPECT_EQ(call.timeout_us, want_us);
    want_us = std::min(2 * want_us, 16 * kMicrosPerSecond);
    call.Fail(absl::DeadlineExceededError(""));
    client_.time().Advance(20'000);
  }
  Append(absl::Seconds(60));
  client_.script().calls.pop_front();
  EXPECT_EQ(Take(Method::kAppend).timeout_us, 60 * kMicrosPerSecond) << "no second chance";
}

TEST_F(UnaryCallTest, OverloadIsWaitedOutWithinTheDeadline) {
  Append(absl::Seconds(1));
  int tries = 0;
  while (!result_) {
    if (Waits()) {
      client_.time().Advance(1'000);
      continue;
    }
    ++tries;
    v1::ErrorInfo info;
    info.set_retry_after_ms(100);
    Take(Method::kAppend)
        .Fail(Refusal(v1::REASON_OVERLOADED, StatusCode::kResourceExhausted, info));
  }
  EXPECT_GE(tries, 6);
  EXPECT_LE(tries, 10);
  EXPECT_EQ(GetReason(result_->status()), Reason::kOverloaded);
  EXPECT_FALSE(IsUnknownOutcome(result_->status()));
}

TEST_F(UnaryCallTest, ALogThatAllNodesMissIsMissing) {
  Trim();
  int tries = 0;
  while (!status_) {
    if (Waits()) {
      client_.time().Advance(1'000);
      continue;
    }
    ++tries;
    Take(Method::kTrim).Fail(Refusal(v1::REASON_LOG_NOT_FOUND, StatusCode::kNotFound));
  }
  EXPECT_GE(tries, 3) << "each node was asked";
  EXPECT_LE(tries, 6);
  EXPECT_EQ(GetReason(*status_), Reason::kLogNotFound);
}

TEST_F(UnaryCallTest, TheEndOfTheClientAnswersWhatIsOpen) {
  Trim();
  Take(Method::kTrim).Fail(NotLeader());
  Take(Method::kTrim).Fail(NotLeader());
  Take(Method::kTrim).Fail(NotLeader());
  EXPECT_TRUE(Waits()) << "it pauses between two rounds";
  Append();
  client_.Close();
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(status_->code(), StatusCode::kCancelled);
  ASSERT_TRUE(result_.has_value());
  EXPECT_FALSE(result_->ok());
}

TEST_F(UnaryCallTest, AnEmptyAppendIsRefusedHere) {
  client_.log().AppendAsync(std::vector<NewRecord>{}, {},
                            [this](absl::StatusOr<AppendResult> got) { result_ = std::move(got); });
  ASSERT_TRUE(result_.has_value());
  EXPECT_EQ(result_->status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Waits());
}

}  // namespace
}  // namespace cairn::client
