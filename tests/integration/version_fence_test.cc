// Engines of two versions behind the agents of one cache: what a newer one has written is given to
// no older one, which says so, and goes on when it has been upgraded.
//
// The newer engine is a copy of the one that is installed, which calls itself by another version of
// the same length.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/integration/agent_world.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;

// That a primary would have been elected by then.
constexpr int kElectionSeconds = 5;

std::string Run(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 4096> bytes{};
  while (const size_t got = fread(bytes.data(), 1, bytes.size(), pipe)) {
    output.append(bytes.data(), got);
  }
  pclose(pipe);
  return output;
}

// "7.0.15"; empty: there is none.
std::string InstalledVersion() {
  const std::string text = Run("redis-server --version");
  const size_t begin = text.find(" v=");
  if (begin == std::string::npos) return "";
  return text.substr(begin + 3, text.find(' ', begin + 3) - begin - 3);
}

// Another minor version, of one digit as the old one; empty if that cannot be.
std::string NewerThan(const std::string& version) {
  const size_t minor = version.find('.') + 1;
  if (minor == 0 || version.find('.', minor) != minor + 1 || version[minor] == '9') return "";
  std::string newer = version;
  newer[minor] = '9';
  return newer;
}

// A copy of the installed engine that takes itself for another version. It appears at once, so that
// it may take the place of one that runs.
void MakeEngine(const std::string& path, const std::string& version) {
  const std::string installed = InstalledVersion();
  std::string program = Run("command -v redis-server");
  program.erase(program.find_last_not_of('\n') + 1);
  std::ifstream in(program, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  size_t count = 0;
  for (size_t at = bytes.find(installed); at != std::string::npos; at = bytes.find(installed, at)) {
    bytes.replace(at, installed.size(), version);
    at += version.size();
    ++count;
  }
  ASSERT_GT(count, 0u) << program;
  std::ofstream(path + ".new", std::ios::binary) << bytes;
  std::filesystem::permissions(path + ".new", std::filesystem::perms::owner_all);
  std::filesystem::rename(path + ".new", path);
}

class VersionFenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    old_ = InstalledVersion();
    new_ = NewerThan(old_);
    ASSERT_NE(new_, "") << "the installed engine is '" << old_ << "'";
    for (size_t agent = 0; agent < 2; ++agent) SetEngine(agent, old_);
  }
  [[nodiscard]] std::string Engine(size_t agent) const {
    return world_.File("engine" + std::to_string(agent));
  }
  // The program that the agent starts from now on.
  void SetEngine(size_t agent, const std::string& version) { MakeEngine(Engine(agent), version); }
  void Start(size_t agent) {
    world_.StartAgent(
        agent, {"--engine-cmd", Engine(agent), "--metrics-listen", world_.SecondAddress(agent)});
  }
  void Increment(size_t agent, int64_t from, int64_t to) {
    for (int64_t next = from; next <= to; ++next) {
      ASSERT_EQ(world_.Increment(agent, "n"), std::optional<int64_t>(next)) << world_.Output(agent);
    }
  }
  [[nodiscard]] std::string Page(size_t agent, const char* path) const {
    httplib::Client client("http://" + world_.SecondAddress(agent));
    const httplib::Result result = client.Get(path);
    return result ? std::to_string(result->status) + " " + result->body : "";
  }
  // It says what it may not be given, and where operators look.
  void ExpectFenced(size_t agent) {
    const std::string words =
        "written by redis/" + new_ + ", which this redis/" + old_ + " may not understand";
    EXPECT_TRUE(Eventually([&] { return world_.Output(agent).find(words) != std::string::npos; }))
        << world_.Output(agent);
    EXPECT_TRUE(Eventually([&] {
      return Page(agent, "/metrics").find("\ncairn_agent_engine_too_old 1\n") != std::string::npos;
    })) << Page(agent, "/metrics");
    EXPECT_THAT(Page(agent, "/readyz"), HasSubstr("503 the log has records of a newer engine"));
  }
  [[nodiscard]] std::string Value(size_t agent) const {
    const auto engine = world_.Engine(agent);
    if (engine == nullptr) return "no engine";
    const auto reply = engine->Do({"GET", "n"});
    return reply ? reply->text : "no reply";
  }

  AgentWorld world_{{.nodes = 1, .agents = 2}};
  std::string old_;
  std::string new_;
};

TEST_F(VersionFenceTest, AnOlderReplicaTakesNothingOfANewerPrimaryUntilItsEngineIsExchanged) {
  SetEngine(0, new_);
  Start(0);
  ASSERT_EQ(world_.AwaitPrimary(), std::optional<size_t>(0)) << world_.Output(0);
  Increment(0, 1, 20);
  Start(1);
  ExpectFenced(1);
  EXPECT_EQ(Value(1), "");

  // It takes nothing over either, though nobody else is there.
  world_.KillAgent(0);
  world_.KillEngine(0);
  EXPECT_EQ(world_.AwaitPrimary({}, kElectionSeconds), std::nullopt) << world_.Output(1);

  // The agent lives on while its engine is exchanged.
  SetEngine(1, new_);
  world_.KillEngine(1);
  ASSERT_EQ(world_.AwaitPrimary(), std::optional<size_t>(1)) << world_.Output(1);
  Increment(1, 21, 30);
  EXPECT_TRUE(Eventually([&] {
    return Page(1, "/metrics").find("\ncairn_agent_engine_too_old 0\n") != std::string::npos;
  })) << Page(1, "/metrics");
}

TEST_F(VersionFenceTest, ANewerReplicaFollowsAnOlderPrimaryAndFencesItWhenItHasTakenOver) {
  Start(0);
  ASSERT_EQ(world_.AwaitPrimary(), std::optional<size_t>(0)) << world_.Output(0);
  Increment(0, 1, 20);
  SetEngine(1, new_);
  Start(1);
  ASSERT_TRUE(world_.AwaitReplica(1, "n", "20")) << world_.Output(1);

  world_.KillAgent(0);
  ASSERT_EQ(world_.AwaitPrimary(0), std::optional<size_t>(1)) << world_.Output(1);
  Increment(1, 21, 30);
  // What it had itself written it is given, and nothing behind that.
  Start(0);
  ExpectFenced(0);
  EXPECT_TRUE(Eventually([&] { return Value(0) == "20"; })) << Value(0);

  // Upgraded together with its agent, as the manual says.
  world_.KillAgent(0);
  world_.KillEngine(0);
  SetEngine(0, new_);
  Start(0);
  EXPECT_TRUE(world_.AwaitReplica(0, "n", "30")) << world_.Output(0);
  EXPECT_TRUE(Eventually([&] { return Page(0, "/readyz").starts_with("200"); }))
      << Page(0, "/readyz");
}

}  // namespace
}  // namespace cairn::integration
