#include "server/runtime/repair_turn.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

namespace cairn::server {
namespace {

struct Answer {
  bool reachable = true;
  bool whole = true;
  bool wants_repair = false;
};

class FakePeers : public FormationPeers {
 public:
  absl::StatusOr<cairn::v1::IntroduceResponse> Introduce(
      const std::string& address, const cairn::v1::IntroduceRequest& request) override {
    EXPECT_EQ(request.from_name(), "n2");
    if (on_ask) on_ask();
    const Answer& answer = answers[address];
    if (!answer.reachable) return absl::UnavailableError("it cannot be reached");
    cairn::v1::IntroduceResponse response;
    response.set_whole(answer.whole);
    response.set_wants_repair(answer.wants_repair);
    return response;
  }
  absl::StatusOr<cairn::v1::JoinResponse> Join(const std::string&,
                                               const cairn::v1::JoinRequest&) override {
    return absl::UnimplementedError("nobody joins here");
  }
  absl::StatusOr<cairn::v1::FormResponse> Form(const std::string&,
                                               const cairn::v1::FormRequest&) override {
    return absl::UnimplementedError("nobody is formed here");
  }

  std::map<std::string, Answer> answers;  // By address.
  std::function<void()> on_ask;
};

cairn::v1::FormRequest Cluster(int members) {
  cairn::v1::FormRequest cluster;
  for (int i = 1; i <= members; ++i) {
    cairn::v1::FormMember& member = *cluster.add_members();
    member.set_node_id(static_cast<uint64_t>(i));
    member.set_name("n" + std::to_string(i));
    member.set_address("a" + std::to_string(i));
  }
  return cluster;
}

TEST(RepairTurnTest, AsksEverybodyElse) {
  struct Case {
    const char* name;
    Answer first;  // Of n1.
    Answer third;  // Of n3.
    bool may;      // What n2 decides,
    bool intends;  // and tells others.
  };
  const Case cases[] = {
      {"all are whole", {}, {}, true, true},
      {"one is in doubt", {}, {.whole = false}, false, false},
      {"one cannot be reached", {.reachable = false}, {}, false, false},
      {"a smaller one wants to, too", {.wants_repair = true}, {}, false, false},
      {"a larger one wants to, too", {}, {.wants_repair = true}, false, true},
      {"both want to", {.wants_repair = true}, {.wants_repair = true}, false, false},
      {"a larger one wants to, one is in doubt",
       {.whole = false},
       {.wants_repair = true},
       false,
       false},
      {"it is in doubt itself and wants to",
       {},
       {.whole = false, .wants_repair = true},
       false,
       true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    FakePeers peers;
    peers.answers = {{"a1", c.first}, {"a3", c.third}};
    RepairTurn turn(&peers);
    EXPECT_FALSE(turn.intends());
    EXPECT_EQ(turn.Decide(Cluster(3), NodeId(2)), c.may);
    EXPECT_EQ(turn.intends(), c.intends);
  }
}

TEST(RepairTurnTest, OthersHearOfTheIntentionBeforeTheyAreAsked) {
  FakePeers peers;
  RepairTurn turn(&peers);
  peers.on_ask = [&] { EXPECT_TRUE(turn.intends()); };
  EXPECT_TRUE(turn.Decide(Cluster(3), NodeId(2)));
}

TEST(RepairTurnTest, ALoneNodeHasNobodyToFillIt) {
  FakePeers peers;
  cairn::v1::FormRequest alone;
  alone.add_members()->set_node_id(2);
  RepairTurn turn(&peers);
  EXPECT_FALSE(turn.Decide(alone, NodeId(2)));
}

}  // namespace
}  // namespace cairn::server
