#include "server/runtime/formation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/mem_log_store.h"

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

std::string DrawTestId() {
  static int draws = 0;
  return "cluster" + std::to_string(++draws);
}

// A set of nodes whose calls reach each other directly.
class Town : public FormationPeers {
 public:
  struct House {
    NodeConfig config;
    std::unique_ptr<storage::MemLogStore> store;
    std::unique_ptr<Formation> formation;
    bool up = true;
  };

  explicit Town(std::vector<std::string> names) {
    for (const std::string& name : names) members_.push_back({name, name + ":1"});
    for (const std::string& name : names) Build(name, ++next_incarnation_);
  }

  House& at(const std::string& name) { return houses_.at(name); }
  Formation& formation(const std::string& name) { return *at(name).formation; }

  // The process starts again on the same directory.
  absl::Status Restart(const std::string& name) {
    House& house = at(name);
    house.up = true;
    house.formation =
        std::make_unique<Formation>(&house.config, house.store.get(), this, DrawTestId);
    return house.formation->Load();
  }
  // Somebody deletes the directory and starts the node again.
  void Wipe(const std::string& name) { Build(name, ++next_incarnation_); }

  absl::StatusOr<cairn::v1::IntroduceResponse> Introduce(
      const std::string& address, const cairn::v1::IntroduceRequest& request) override {
    House* house = Reach(address);
    if (house == nullptr) return absl::UnavailableError("it cannot be reached");
    return house->formation->Introduce(request);
  }
  absl::StatusOr<cairn::v1::FormResponse> Form(const std::string& address,
                                               const cairn::v1::FormRequest& request) override {
    House* house = Reach(address);
    if (house == nullptr || lose_forms) return absl::UnavailableError("it cannot be reached");
    return house->formation->Form(request);
  }

  absl::StatusOr<cairn::v1::JoinResponse> Join(const std::string& address,
                                               const cairn::v1::JoinRequest& request) override {
    joins.push_back(address);
    if (!join_answer.ok()) return join_answer;
    cairn::v1::JoinResponse response;
    cairn::v1::FormRequest& formed = *response.mutable_formed();
    formed.set_cluster_id("running");
    formed.set_joined(true);
    cairn::v1::FormMember& member = *formed.add_members();
    member.set_node_id(4);
    member.set_name(request.name());
    member.set_address(request.address());
    member.set_incarnation(request.incarnation());
    return response;
  }

  bool lose_forms = false;
  absl::Status join_answer = absl::InvalidArgumentError("no");
  std::vector<std::string> joins;

 private:
  void Build(const std::string& name, uint64_t incarnation) {
    House& house = houses_[name];
    house.config.name = name;
    house.config.zone = "zone-" + name;
    house.config.initial_cluster = members_;
    house.up = true;
    house.store = std::make_unique<storage::MemLogStore>(incarnation);
    house.formation =
        std::make_unique<Formation>(&house.config, house.store.get(), this, DrawTestId);
    ASSERT_TRUE(house.formation->Load().ok());
  }
  House* Reach(const std::string& address) {
    House& house = houses_.at(address.substr(0, address.find(':')));
    return house.up ? &house : nullptr;
  }

  std::vector<InitialMember> members_;
  std::map<std::string, House> houses_;
  uint64_t next_incarnation_ = 100;
};

bool Step(Town& town, const std::string& name) {
  const absl::StatusOr<bool> formed = town.formation(name).Step();
  EXPECT_TRUE(formed.ok()) << formed.status();
  return formed.ok() && *formed;
}

TEST(FormationTest, ANodeAloneFormsAtOnce) {
  Town town({"n1"});
  EXPECT_TRUE(Step(town, "n1"));
  ASSERT_TRUE(town.formation("n1").formed().has_value());
  EXPECT_EQ(town.formation("n1").formed()->members_size(), 1);
  EXPECT_EQ(town.formation("n1").waiting_for(), "");
}

TEST(FormationTest, TheSmallestNameCoordinatesAndAllWriteTheSameDown) {
  Town town({"n1", "n2", "n3"});
  EXPECT_FALSE(Step(town, "n3"));
  EXPECT_THAT(town.formation("n3").waiting_for(), HasSubstr("n1 to form the cluster"));
  EXPECT_TRUE(Step(town, "n1"));
  const std::string stored = town.at("n1").store->Identity().formed;
  EXPECT_FALSE(stored.empty());
  for (const char* name : {"n1", "n2", "n3"}) {
    EXPECT_EQ(town.at(name).store->Identity().formed, stored) << name;
    EXPECT_TRUE(Step(town, name));
  }
  const auto formed = *town.formation("n2").formed();
  ASSERT_EQ(formed.members_size(), 3);
  EXPECT_EQ(formed.members(1).node_id(), 2u);
  EXPECT_EQ(formed.members(1).name(), "n2");
  EXPECT_EQ(formed.members(1).address(), "n2:1");
  EXPECT_EQ(formed.members(1).zone(), "zone-n2");
  EXPECT_EQ(formed.members(1).incarnation(), town.at("n2").store->Identity().incarnation);
}

TEST(FormationTest, AMissingMemberIsWaitedForByName) {
  Town town({"n1", "n2", "n3"});
  town.at("n3").up = false;
  EXPECT_FALSE(Step(town, "n1"));
  EXPECT_THAT(town.formation("n1").waiting_for(), HasSubstr("n3 (n3:1): it cannot be reached"));
  EXPECT_THAT(town.formation("n1").waiting_for(), ::testing::Not(HasSubstr("n2")));
  EXPECT_TRUE(town.at("n1").store->Identity().formed.empty());
  town.at("n3").up = true;
  EXPECT_TRUE(Step(town, "n1"));
}

TEST(FormationTest, DifferingListsAreFound) {
  Town town({"n1", "n2"});
  town.at("n2").config.initial_cluster.push_back({"n3", "n3:1"});
  ASSERT_TRUE(town.Restart("n2").ok());
  EXPECT_FALSE(Step(town, "n1"));
  EXPECT_THAT(town.formation("n1").waiting_for(), HasSubstr("another --initial-cluster"));
}

TEST(FormationTest, AWrongNodeAtAnAddressIsFound) {
  Town town({"n1", "n2"});
  town.at("n2").config.name = "x";
  EXPECT_FALSE(Step(town, "n1"));
  EXPECT_THAT(town.formation("n1").waiting_for(), HasSubstr("calls itself \"x\""));
}

TEST(FormationTest, WhoMissedTheFormingLearnsItByAsking) {
  Town town({"n1", "n2", "n3"});
  town.lose_forms = true;
  EXPECT_TRUE(Step(town, "n1"));
  EXPECT_FALSE(town.formation("n3").formed().has_value());
  EXPECT_TRUE(Step(town, "n3"));
  EXPECT_EQ(town.formation("n3").formed()->cluster_id(),
            town.formation("n1").formed()->cluster_id());
  // n2 learns it from n3 while the coordinator is away.
  town.at("n1").up = false;
  EXPECT_TRUE(Step(town, "n2"));
  EXPECT_EQ(town.formation("n2").formed()->cluster_id(),
            town.formation("n1").formed()->cluster_id());
}

TEST(FormationTest, ANodeThatJoinsAsksUntilItIsLetIn) {
  Town town({"n4"});
  NodeConfig& config = town.at("n4").config;
  config.initial_cluster.clear();
  config.join = {"a:1", "b:1"};
  config.advertise = "n4:1";
  town.join_answer = absl::UnavailableError("no room");
  const auto waits = town.formation("n4").Step();
  ASSERT_TRUE(waits.ok());
  EXPECT_FALSE(*waits);
  EXPECT_EQ(town.formation("n4").waiting_for(), "a:1: no room; b:1: no room");

  town.join_answer = absl::OkStatus();
  const auto joined = town.formation("n4").Step();
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_TRUE(*joined);
  EXPECT_TRUE(town.formation("n4").formed()->joined());
  ASSERT_TRUE(town.Restart("n4").ok());
  EXPECT_EQ(town.formation("n4").formed()->cluster_id(), "running") << "and remembers it";
}

// Under its old name, with the words that it was always started with.
TEST(FormationTest, AFounderThatWasRemovedAndAddedAnewJoins) {
  Town town({"n1", "n2"});
  EXPECT_TRUE(Step(town, "n1"));
  town.Wipe("n2");
  town.at("n2").config.advertise = "n2:1";
  town.join_answer = absl::UnavailableError("no room yet");
  EXPECT_FALSE(Step(town, "n2"));
  EXPECT_THAT(town.formation("n2").waiting_for(), HasSubstr("no room yet"));
  town.join_answer = absl::OkStatus();
  EXPECT_TRUE(Step(town, "n2"));
  EXPECT_TRUE(town.formation("n2").formed()->joined());
}

TEST(FormationTest, ANodeThatMayNeverJoinGivesUp) {
  Town town({"n4"});
  town.at("n4").config.join = {"a:1", "b:1"};
  town.join_answer = absl::InvalidArgumentError("that name is taken");
  const auto refused = town.formation("n4").Step();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("that name is taken"));
  EXPECT_EQ(town.joins.size(), 1u);
}

TEST(FormationTest, ARestartRemembersAndDrawsNothingNew) {
  Town town({"n1", "n2"});
  ASSERT_TRUE(Step(town, "n1"));
  const std::string id = town.formation("n1").formed()->cluster_id();
  ASSERT_TRUE(town.Restart("n1").ok());
  ASSERT_TRUE(Step(town, "n1"));
  EXPECT_EQ(town.formation("n1").formed()->cluster_id(), id);
}

TEST(FormationTest, AWipedNodeUnderItsOldNameIsRefusedWithTheWayOut) {
  Town town({"n1", "n2", "n3"});
  ASSERT_TRUE(Step(town, "n1"));
  for (const char* name : {"n3", "n1"}) {  // Also when it was the coordinator.
    town.Wipe(name);
    const auto formed = town.formation(name).Step();
    ASSERT_FALSE(formed.ok()) << name;
    EXPECT_EQ(formed.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(formed.status().message()), HasSubstr("another data directory"));
    EXPECT_THAT(std::string(formed.status().message()), HasSubstr("old data directory"));
    EXPECT_TRUE(town.at(name).store->Identity().formed.empty());
    EXPECT_THAT(town.formation(name).Form(*town.formation("n2").formed()).refusal(),
                HasSubstr("another data directory"));
  }
}

TEST(FormationTest, AStrangerIsRefused) {
  Town town({"n1", "n2"});
  ASSERT_TRUE(Step(town, "n1"));
  cairn::v1::FormRequest formed = *town.formation("n1").formed();
  const auto self = FindSelf(formed, "n9", 12345);
  ASSERT_FALSE(self.ok());
  EXPECT_THAT(std::string(self.status().message()), HasSubstr("no member \"n9\""));
}

TEST(FormationTest, AnotherNodesDirectoryIsRefused) {
  Town town({"n1", "n2"});
  ASSERT_TRUE(Step(town, "n1"));
  town.at("n2").config.name = "n1";
  const absl::Status status = town.Restart("n2");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("belongs to node \"n2\""));
}

TEST(FormationTest, ASecondClusterIsRefused) {
  Town town({"n1", "n2"});
  ASSERT_TRUE(Step(town, "n1"));
  cairn::v1::FormRequest other = *town.formation("n1").formed();
  other.set_cluster_id("another");
  EXPECT_THAT(town.formation("n2").Form(other).refusal(), HasSubstr("already belongs"));
  // The same one again is fine: the coordinator may repeat itself.
  EXPECT_EQ(town.formation("n2").Form(*town.formation("n1").formed()).refusal(), "");
}

}  // namespace
}  // namespace cairn::server
