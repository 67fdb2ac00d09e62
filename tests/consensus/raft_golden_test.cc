// Each script under tests/golden/raft is one test; see tests/support/raft_script.h.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/golden_scripts.h"
#include "tests/support/raft_script.h"

namespace cairn::consensus {
namespace {

class RaftGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(RaftGoldenTest, SaysWhatTheScriptSays) {
  cairn::testing::ExpectScript(CAIRN_GOLDEN_DIR, GetParam(), RunRaftScript);
}

INSTANTIATE_TEST_SUITE_P(Scripts, RaftGoldenTest,
                         ::testing::ValuesIn(cairn::testing::ScriptNames(CAIRN_GOLDEN_DIR)),
                         [](const auto& script) { return script.param; });

}  // namespace
}  // namespace cairn::consensus
