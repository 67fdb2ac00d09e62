// Each script under tests/golden/role is one test; see tests/adapter/role_script.h.
#include <gtest/gtest.h>

#include <string>

#include "tests/adapter/role_script.h"
#include "tests/support/golden_scripts.h"

namespace cairn::adapter {
namespace {

class RoleGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(RoleGoldenTest, SaysWhatTheScriptSays) {
  cairn::testing::ExpectScript(CAIRN_GOLDEN_DIR, GetParam(), RunRoleScript);
}

INSTANTIATE_TEST_SUITE_P(Scripts, RoleGoldenTest,
                         ::testing::ValuesIn(cairn::testing::ScriptNames(CAIRN_GOLDEN_DIR)),
                         [](const auto& script) { return script.param; });

}  // namespace
}  // namespace cairn::adapter
