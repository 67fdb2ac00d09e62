// Errors as the client carries them: refusals with their details, and the two marks.

#include "cairn/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "cairn/v1/error.pb.h"
#include "client/src/error_codec.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/wrappers.pb.h"

namespace cairn::client {
namespace {

std::string Field(int number, const std::string& bytes) {
  CHECK_LT(bytes.size(), 16'384u);
  std::string out(1, static_cast<char>(number << 3 | 2));
  out += static_cast<char>((bytes.size() & 0x7f) | 0x80);
  out += static_cast<char>(bytes.size() >> 7);
  return out + bytes;
}

// The trailer "grpc-status-details-bin": a google.rpc.Status (code = 1, message = 2, details = 3).
std::string Trailer(const std::vector<google::protobuf::Any>& details) {
  std::string out = "\x08\x09" + Field(2, "said twice");
  for (const google::protobuf::Any& any : details) out += Field(3, any.SerializeAsString());
  return out;
}

google::protobuf::Any Packed(const google::protobuf::Message& message) {
  google::protobuf::Any any;
  any.PackFrom(message);
  return any;
}

TEST(ErrorTest, EveryReasonOfTheApiHasItsName) {
  // The public enum mirrors the API's, value by value: a new reason must be added to both.
  const auto* values = v1::Reason_descriptor();
  for (int i = 0; i < values->value_count(); ++i) {
    const auto* value = values->value(i);
    SCOPED_TRACE(value->name());
    EXPECT_EQ("REASON_" + std::string(ReasonName(static_cast<Reason>(value->number()))),
              value->name());
  }
  EXPECT_EQ(ReasonName(static_cast<Reason>(10'000)), "UNSPECIFIED");
}

TEST(ErrorTest, DetailsSurviveTheTrailer) {
  v1::ErrorInfo info;
  info.set_reason(v1::REASON_LEASE_HELD);
  info.set_log("orders");
  info.set_log_id(7);
  info.mutable_lease()->set_holder("b");
  info.mutable_lease()->set_epoch(12);
  info.mutable_lease()->set_remaining_ms(340);
  info.set_last_seq(99);
  info.set_first_seq(3);
  info.set_chain(0xfeed);
  // Other details may stand before ours.
  const std::string trailer = Trailer({Packed(google::protobuf::StringValue()), Packed(info)});

  const absl::Status status = StatusFromTrailer(9, "held by b", trailer);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "held by b");
  EXPECT_EQ(GetReason(status), Reason::kLeaseHeld);
  const auto got = GetErrorInfo(status);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->log, "orders");
  EXPECT_EQ(got->log_id, LogId{7});
  EXPECT_EQ(got->lease.holder, "b");
  EXPECT_EQ(got->lease.epoch, Epoch{12});
  EXPECT_EQ(got->lease.remaining_ms, 340u);
  EXPECT_EQ(got->last_seq, Seq{99});
  EXPECT_EQ(got->first_seq, Seq{3});
  EXPECT_EQ(got->chain, 0xfeedu);
  EXPECT_TRUE(IsRefusal(status));
  EXPECT_FALSE(IsUnknownOutcome(status));
}

TEST(ErrorTest, TrailersThatSayNothingLeaveOnlyTheCode) {
  v1::ErrorInfo info;
  info.set_reason(v1::REASON_TRIMMED);
  const std::string whole = Trailer({Packed(info)});
  const std::string cases[] = {"", "garbage", std::string(3, '\xff'), Trailer({}),
                               whole.substr(0, whole.size() - 1)};
  for (const std::string& trailer : cases) {
    const absl::Status status = StatusFromTrailer(14, "gone", trailer);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(GetReason(status), Reason::kUnspecified);
    EXPECT_FALSE(GetErrorInfo(status).has_value());
    EXPECT_FALSE(IsRefusal(status));
  }
  EXPECT_TRUE(StatusFromTrailer(0, "", whole).ok());
  EXPECT_EQ(StatusFromTrailer(77, "", "").code(), absl::StatusCode::kUnknown);
}

TEST(ErrorTest, MarksTellUnknownFromNeverSent) {
  const absl::Status broken = absl::UnavailableError("connection reset");
  EXPECT_FALSE(IsUnknownOutcome(broken)) << "nobody may guess from a code";
  EXPECT_TRUE(IsUnknownOutcome(MarkUnknown(broken)));
  EXPECT_FALSE(WasNeverSent(MarkUnknown(broken)));
  EXPECT_TRUE(WasNeverSent(MarkNeverSent(broken)));
  EXPECT_FALSE(IsUnknownOutcome(MarkNeverSent(broken)));
  EXPECT_TRUE(MarkUnknown(absl::OkStatus()).ok());
  EXPECT_FALSE(IsUnknownOutcome(absl::OkStatus()));
  // Context keeps the marks.
  EXPECT_TRUE(IsUnknownOutcome(Annotate(MarkUnknown(broken), "orders")));
}

TEST(ErrorTest, AServersOwnUnknownIsNoRefusal) {
  v1::ErrorInfo info;
  info.set_reason(v1::REASON_OUTCOME_UNKNOWN);
  const absl::Status status = RefusalStatus(14, "deposed", info);
  EXPECT_TRUE(IsUnknownOutcome(status));
  EXPECT_FALSE(IsRefusal(status));
}

TEST(ErrorTest, ARefusalIsNeverASuccess) {
  EXPECT_EQ(RefusalStatus(0, "", {}).code(), absl::StatusCode::kUnknown);
}

}  // namespace
}  // namespace cairn::client
