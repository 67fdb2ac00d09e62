// What cairnd says of a directory that it makes another one of, and what the tool makes of that.
#include "cli/data_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kKept =
    R"({"log":{"id":5000,"old_id":4,"name":"orders","kept":true,"first_seq":3,"last_seq":9,)"
    R"("committed_seq":8,"chain":"00000000000000ff","newest_us":1000000,"age_ms":2500,)"
    R"("leases_ended":1,"producers_dropped":2,"missing":"","known":false}})";
constexpr const char* kLost =
    R"({"log":{"id":0,"old_id":6,"name":"audit","kept":false,"missing":"no replica","known":true}})";
constexpr const char* kResult =
    R"({"result":{"directory":"/new","cluster_id":"c2","old_cluster_id":"c1","node_id":1001,)"
    R"("name":"n3","address":"h:1"}})";
constexpr const char* kDryResult =
    R"({"result":{"directory":"","cluster_id":"c2","old_cluster_id":"c1","node_id":1001,)"
    R"("name":"n3","address":"h:1"}})";

TEST(DataRecoveryTest, LinesBecomeOneViewThatSaysWhatIsNext) {
  DataRecovery recovery("/old");
  EXPECT_TRUE(recovery.Take(kKept).ok());
  EXPECT_FALSE(recovery.complete());
  EXPECT_TRUE(recovery.Take(kResult).ok());
  EXPECT_TRUE(recovery.complete());
  EXPECT_TRUE(recovery.view().complete);
  const std::string text = ToText(recovery.view(), false);
  EXPECT_THAT(text, HasSubstr("orders"));
  EXPECT_THAT(text, HasSubstr("--data-dir /new and --name n3"));
  const std::string json = ToJson(recovery.view()).dump();
  EXPECT_THAT(json, HasSubstr(R"("committed_seq":8,"chain":"00000000000000ff")"));
  EXPECT_THAT(json, HasSubstr(R"("newest_us":1000000,"age_ms":2500)"));
}

TEST(DataRecoveryTest, WhatIsKnownToBeMissingMakesItIncomplete) {
  DataRecovery lost("/old");
  EXPECT_TRUE(lost.Take(kLost).ok());
  EXPECT_TRUE(lost.Take(kResult).ok());
  EXPECT_FALSE(lost.view().complete);
  DataRecovery damaged("/old");
  EXPECT_TRUE(
      damaged.Take(R"({"finding":{"kind":"damage","file":"db/1.sst","what":"w","advice":"a"}})")
          .ok());
  EXPECT_FALSE(damaged.view().complete);
}

TEST(DataRecoveryTest, ADryRunSaysThatNothingWasMade) {
  DataRecovery recovery("/old");
  EXPECT_TRUE(recovery.Take(kDryResult).ok());
  const std::string text = ToText(recovery.view(), false);
  EXPECT_THAT(text, HasSubstr("nothing was made"));
  EXPECT_THAT(text, Not(HasSubstr("start the node")));
}

TEST(DataRecoveryTest, AnErrorKeepsItsCode) {
  DataRecovery recovery("/old");
  EXPECT_EQ(recovery.Take(R"({"error":{"code":8,"message":"full"}})"),
            absl::ResourceExhaustedError("full"));
  EXPECT_TRUE(absl::IsInternal(recovery.Take("cairnd: unknown option")));
}

}  // namespace
}  // namespace cairn::cli
