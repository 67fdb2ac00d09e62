// docs/examples: each language's program does what it says on a cluster, also where the first node
// that it is told of is down.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tests/integration/npm_modules.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::EndsWith;

class ExamplesTest : public ::testing::Test {
 protected:
  ExamplesTest()
      : cluster_({.program = CAIRN_BIN_DIR "/cairnd",
                  .dir = dir_.path(),
                  .nodes = 3,
                  .flags = {},
                  .hosts = {}}) {
    cluster_.StartAll();
    CHECK(cluster_.AwaitAllReady());
  }

  // What the program prints with these arguments; with its exit status if that is not 0.
  std::string Run(std::vector<std::string> program, const std::string& log,
                  std::vector<std::string> environment = {}) {
    const std::string output = dir_.File(fmt::format("output-{}", log));
    program.push_back(fmt::format("{}", fmt::join(cluster_.Endpoints(), ",")));
    program.push_back(log);
    Process process;
    process.Start(
        {.argv = std::move(program), .environment = std::move(environment), .output = output});
    const std::optional<int> status = process.AwaitExit();
    return ReadWholeFile(output) + (status == 0 ? "" : fmt::format("exit {}", status.value_or(-1)));
  }

  cairn::testing::TempDir dir_;
  ProcessCluster cluster_;
};

constexpr char kAll[] =
    "appended 1 … 2\n"
    "refused: the log is at 2\n"
    "appended 3 behind 2\n"
    "tailed one, two, three\n"
    "elected, epoch 4\n"
    "nobody else is elected\n"
    "appended 5 as the leader\n"
    "the next one is elected, epoch 7\n"
    "the old leader is fenced\n"
    "appended 8 as the leader\n"
    "done\n";

TEST_F(ExamplesTest, Python) {
  if (FirstLineOf("/usr/bin/python3 -c 'import grpc; print(1)' 2>/dev/null") != "1") {
    GTEST_SKIP() << "python3-grpcio is not installed: scripts/setup build";
  }
  const std::string stubs = dir_.File("stubs");
  ASSERT_EQ(FirstLineOf(fmt::format("mkdir {0} && {1}/python/generate {0} && echo made", stubs,
                                    CAIRN_EXAMPLES_DIR)),
            "made");
  const std::vector<std::string> program = {"/usr/bin/python3",
                                            CAIRN_EXAMPLES_DIR "/python/example.py"};
  // No compiled files beside the sources.
  const std::vector<std::string> environment = {"PYTHONPATH=" + stubs, "PYTHONDONTWRITEBYTECODE=1"};
  EXPECT_EQ(Run(program, "whole", environment), kAll);
  cluster_.Kill(0);
  EXPECT_EQ(Run(program, "without-the-first", environment), kAll);
  EXPECT_THAT(Run(program, "whole", environment), EndsWith("exit 1")) << "it wants a new log";
}

TEST_F(ExamplesTest, Node) {
  const std::string modules = NpmModules("@grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1");
  if (modules.empty()) GTEST_SKIP() << "npm cannot get @grpc/grpc-js here";
  const std::vector<std::string> program = {"/usr/bin/env", "node",
                                            CAIRN_EXAMPLES_DIR "/node/example.js"};
  const std::vector<std::string> environment = {"NODE_PATH=" + modules};
  EXPECT_EQ(Run(program, "whole", environment), kAll);
  cluster_.Kill(0);
  EXPECT_EQ(Run(program, "without-the-first", environment), kAll);
  EXPECT_THAT(Run(program, "whole", environment), EndsWith("exit 1")) << "it wants a new log";
}

}  // namespace
}  // namespace cairn::integration
