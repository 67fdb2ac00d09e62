// Each script under tests/golden/log is one test; see tests/support/log_script.h.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/golden_scripts.h"
#include "tests/support/log_script.h"

namespace cairn::server {
namespace {

class LogGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LogGoldenTest, SaysWhatTheScriptSays) {
  cairn::testing::ExpectScript(CAIRN_GOLDEN_DIR, GetParam(), RunLogScript);
}

INSTANTIATE_TEST_SUITE_P(Scripts, LogGoldenTest,
                         ::testing::ValuesIn(cairn::testing::ScriptNames(CAIRN_GOLDEN_DIR)),
                         [](const auto& script) { return script.param; });

}  // namespace
}  // namespace cairn::server
