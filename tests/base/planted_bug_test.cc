// Planted bugs: absent from a normal build, and told apart by their names.
#include "base/planted_bug.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace cairn {
namespace {

#ifdef CAIRN_PLANTED_BUGS

TEST(PlantedBugTest, OnlyTheChosenOneIsOn) {
  EXPECT_FALSE(PLANTED(kNoFence));
  ASSERT_TRUE(SwitchOnPlantedBug("no-fence"));
  EXPECT_TRUE(PLANTED(kNoFence));
  EXPECT_FALSE(PLANTED(kAckBeforeSync));
  EXPECT_EQ(PlantedBugHits(), 1u);
  EXPECT_FALSE(SwitchOnPlantedBug("no-such-mistake"));
}

#else

// Not only false: a constant, so that the compiler drops what depends on it.
static_assert(!PLANTED(kNoFence));

#endif

TEST(PlantedBugTest, EachHasANameOfItsOwnAndAStory) {
  std::set<std::string> names;
#define CAIRN_CHECK_ROW(id, name, origin, story)                 \
  EXPECT_TRUE(names.insert(name).second) << name << " is twice"; \
  EXPECT_GT(std::string(story).size(), 20u) << name;
  CAIRN_PLANTED_BUGS_LIST(CAIRN_CHECK_ROW)
  CAIRN_PLANTED_MEMBER_BUGS_LIST(CAIRN_CHECK_ROW)
#undef CAIRN_CHECK_ROW
  EXPECT_GE(names.size(), 20u);
}

}  // namespace
}  // namespace cairn
