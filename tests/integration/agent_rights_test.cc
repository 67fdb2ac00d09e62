// Agents in a cluster whose policy is on: the rights that docs/security.md names are enough, and
// one that lacks is named, with its log, until it is granted.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cairn/access.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "tests/integration/agent_world.h"

namespace cairn::integration {
namespace {

const std::vector<Right> kOfTheCache = {Right::kAppend, Right::kRead, Right::kLease};
const std::vector<Right> kOfPresence = {Right::kLease};

class AgentRightsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Access(*client_).PutPrincipal(Admin()).ok());
    Allow(kOfTheCache, kOfPresence);
    const std::string ops = TokenFile("ops");
    world_.SetEnvironment({"CAIRN_TOKEN_FILE=" + TokenFile("agent")});
    ASSERT_TRUE(Access(*client_).Enable().ok());
    client_ = Connect(ops);
  }

  // What the agents may do, from here on. `admin`: on both logs.
  void Allow(std::vector<Right> cache, std::vector<Right> presence, bool admin = false) {
    if (admin) {
      cache.push_back(Right::kAdmin);
      presence.push_back(Right::kAdmin);
    }
    Principal agent{.name = "agent", .tenant = "", .certificate_names = {}, .grants = {}};
    if (!cache.empty()) agent.grants.push_back({"cache", std::move(cache)});
    if (!presence.empty()) agent.grants.push_back({"cache.agents", std::move(presence)});
    ASSERT_TRUE(Access(*client_).PutPrincipal(agent).ok());
  }
  // The logs as an administrator makes them for agents that may not.
  void MakeLogs() {
    CreateLogOptions cache;
    cache.settings.fenced = true;
    ASSERT_TRUE(client_->admin().CreateLog("cache", cache).ok());
    ASSERT_TRUE(client_->admin().CreateLog("cache.agents").ok());
  }
  // The agents' token is another one from here on.
  void ReplaceToken() {
    const auto before = Access(*client_).GetPolicy();
    ASSERT_TRUE(before.ok()) << before.status();
    (void)TokenFile("agent");
    for (const TokenInfo& token : before->tokens) {
      if (token.principal != "agent") continue;
      EXPECT_TRUE(Access(*client_).RevokeToken(token.id).ok());
    }
  }
  // Whether the agent has warned of this, as a whole line.
  [[nodiscard]] bool HasWarned(const std::string& what) const {
    std::istringstream lines(world_.Output(0));
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" W ") != line.npos && line.find(what) != line.npos) return true;
    }
    return false;
  }

  AgentWorld world_{{.nodes = 1, .agents = 2}};

 private:
  static Principal Admin() {
    return {.name = "ops",
            .tenant = "",
            .certificate_names = {},
            .grants = {{"*", {Right::kAdmin, Right::kRead}}}};
  }
  // Of a new token.
  std::string TokenFile(const std::string& principal) {
    const auto token = Access(*client_).CreateToken(principal);
    EXPECT_TRUE(token.ok()) << token.status();
    const std::string path = world_.File(principal + ".token");
    std::ofstream(path) << token->text << "\n";
    return path;
  }
  std::unique_ptr<Client> Connect(const std::string& token_file) {
    ClientOptions options;
    options.endpoints = world_.cluster().Endpoints();
    options.bearer_token_file = token_file;
    auto client = Client::Connect(std::move(options));
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  std::unique_ptr<Client> client_ = Connect("");
};

TEST_F(AgentRightsTest, WithAdminAgentsMakeTheirLogsAndFindEachOther) {
  Allow(kOfTheCache, kOfPresence, /*admin=*/true);
  world_.StartAllAgents();
  const auto primary = world_.AwaitPrimary();
  ASSERT_TRUE(primary.has_value()) << world_.Output(0);
  EXPECT_EQ(world_.Increment(*primary, "n"), 1);
  EXPECT_TRUE(world_.AwaitReplica(1 - *primary, "n", "1")) << world_.Output(1 - *primary);
  const std::string both =
      fmt::format("agents of this cache: {}, {}", world_.Address(0), world_.Address(1));
  EXPECT_TRUE(Eventually([&] { return world_.Output(0).find(both) != std::string::npos; }));
  EXPECT_FALSE(HasWarned("lacks the right")) << world_.Output(0);
}

TEST_F(AgentRightsTest, WithoutAdminTheyUseLogsThatAreThere) {
  world_.StartAgent(0);
  EXPECT_TRUE(Eventually([&] {
    return HasWarned("principal agent lacks the right admin on log cache");
  })) << world_.Output(0);
  MakeLogs();
  EXPECT_EQ(world_.AwaitPrimary(), std::optional<size_t>(0)) << world_.Output(0);
  EXPECT_EQ(world_.Increment(0, "n"), 1);
}

TEST_F(AgentRightsTest, OneThatLacksIsNamedUntilItIsGranted) {
  MakeLogs();
  struct Case {
    const char* right;
    const char* log;
    std::vector<Right> cache;
    std::vector<Right> presence;
    bool serves;  // Without it.
  };
  const Case cases[] = {
      {"read", "cache", {Right::kAppend, Right::kLease}, kOfPresence, false},
      {"lease", "cache", {Right::kAppend, Right::kRead}, kOfPresence, false},
      {"append", "cache", {Right::kRead, Right::kLease}, kOfPresence, false},
      {"lease", "cache.agents", kOfTheCache, {Right::kRead}, true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} on {}", c.right, c.log));
    Allow(c.cache, c.presence);
    world_.StartAgent(0);
    const std::string says =
        fmt::format("principal agent lacks the right {} on log {},", c.right, c.log);
    EXPECT_TRUE(Eventually([&] { return HasWarned(says); })) << world_.Output(0);
    if (c.serves) {
      EXPECT_EQ(world_.AwaitPrimary(), std::optional<size_t>(0)) << world_.Output(0);
    }
    EXPECT_TRUE(world_.IsRunning(0));
    Allow(kOfTheCache, kOfPresence);
    EXPECT_EQ(world_.AwaitPrimary(), std::optional<size_t>(0)) << "as soon as it is granted";
    EXPECT_TRUE(world_.Increment(0, "n").has_value());
    world_.KillAgent(0);
    world_.KillEngine(0);
  }
}

TEST_F(AgentRightsTest, RightsThatAreTakenAwayComeBack) {
  MakeLogs();
  world_.StartAgent(0);
  ASSERT_EQ(world_.AwaitPrimary(), std::optional<size_t>(0)) << world_.Output(0);
  Allow({}, {});
  EXPECT_TRUE(Eventually([&] {
    return HasWarned("principal agent lacks the right read on log cache,");
  })) << world_.Output(0);
  Allow(kOfTheCache, kOfPresence);
  EXPECT_EQ(world_.AwaitPrimary(), std::optional<size_t>(0)) << world_.Output(0);
  EXPECT_TRUE(Eventually([&] { return world_.Increment(0, "n").has_value(); }));
  EXPECT_TRUE(world_.IsRunning(0));
}

// The file is replaced first, then the old token is revoked, which ends all streams.
TEST_F(AgentRightsTest, ATokenIsReplacedWithoutARestart) {
  MakeLogs();
  world_.StartAllAgents();
  const auto primary = world_.AwaitPrimary();
  ASSERT_TRUE(primary.has_value()) << world_.Output(0);
  EXPECT_EQ(world_.Increment(*primary, "n"), 1);
  ReplaceToken();
  EXPECT_TRUE(world_.AwaitPrimary().has_value()) << world_.Output(0);
  EXPECT_TRUE(Eventually([&] {
    const auto now = world_.AwaitPrimary();
    return now && world_.Increment(*now, "n").has_value();
  }));
  for (size_t agent = 0; agent < 2; ++agent) {
    EXPECT_TRUE(world_.IsRunning(agent)) << world_.Output(agent);
  }
}

}  // namespace
}  // namespace cairn::integration
