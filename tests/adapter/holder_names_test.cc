#include "adapter/holder_names.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::adapter {
namespace {

const HolderNames& Names() {
  static const HolderNames names("agent", "life2", "10.0.0.1:7001");
  return names;
}

TEST(HolderNamesTest, AnAttemptTellsWhoseAndWhere) {
  EXPECT_EQ(Names().incarnation(), "agent/life2@10.0.0.1:7001");
  EXPECT_EQ(Names().ForAttempt(3), "agent/life2/3@10.0.0.1:7001");
}

TEST(HolderNamesTest, KnowsItsOwnNames) {
  struct Case {
    const char* holder;
    LeaseOwner owner;
  };
  const Case cases[] = {
      {"", LeaseOwner::kNobody},
      {"agent/life2@10.0.0.1:7001", LeaseOwner::kMine},
      {"agent/life2/3@10.0.0.1:7001", LeaseOwner::kMine},
      {"agent/life2/3@elsewhere:1", LeaseOwner::kMine},  // It was told another address then.
      {"agent/life1@10.0.0.1:7001", LeaseOwner::kMyPast},
      {"agent/life1/9@10.0.0.1:7001", LeaseOwner::kMyPast},
      {"agent/life22@10.0.0.1:7001", LeaseOwner::kMyPast},  // Longer, not this one.
      {"agent/life2", LeaseOwner::kMyPast},                 // No name that this agent gives.
      {"agent2/life2@10.0.0.1:7001", LeaseOwner::kOther},
      {"agen/life2@10.0.0.1:7001", LeaseOwner::kOther},
      {"agent", LeaseOwner::kOther},
      {"somebody", LeaseOwner::kOther},
  };
  for (const Case& test : cases) EXPECT_EQ(Names().OwnerOf(test.holder), test.owner) << test.holder;
}

TEST(HolderNamesTest, FindsTheAddress) {
  EXPECT_EQ(HolderNames::AddressOf("agent/life/3@h:1"), "h:1");
  EXPECT_EQ(HolderNames::AddressOf("agent/life@[::1]:7001"), "[::1]:7001");
  EXPECT_EQ(HolderNames::AddressOf("somebody"), "");
  EXPECT_EQ(HolderNames::AddressOf(""), "");
}

}  // namespace
}  // namespace cairn::adapter
