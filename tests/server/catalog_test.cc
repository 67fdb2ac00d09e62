// Catalog: what Judge lets into the log must apply, on every node, to the same catalog.
#include "server/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/server/catalog_ops.h"

namespace cairn::server {
namespace {

using cairn::v1::LogSettings;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CatalogOp Deleted(uint64_t id) {
  CatalogOp op;
  op.command.mutable_log_deleted()->set_log_id(id);
  return op;
}

CatalogOp Updated(uint64_t id) {
  CatalogOp op;
  op.command.mutable_log_updated()->set_log_id(id);
  return op;
}

class CatalogTest : public ::testing::Test {
 protected:
  void Form(const std::vector<MemberSpec>& members = {{1, "a"}, {2, "b"}, {3, "c"}}) {
    Commit(Formed(members));
  }
  CatalogChange Commit(const CatalogOp& op) { return catalog_.Commit(op); }
  Rejection Refused(const CatalogOp& op) const { return catalog_.Refused(op); }
  CatalogDone Already(const CatalogOp& op) const { return catalog_.Already(op); }

  TestCatalog catalog_{4};
};

TEST_F(CatalogTest, NothingButFormingIsAcceptedBeforeTheClusterIsFormed) {
  EXPECT_EQ(Refused(Created("a")).info.reason(), cairn::v1::REASON_NOT_READY);
  EXPECT_EQ(Refused(Deleted(1)).info.reason(), cairn::v1::REASON_NOT_READY);
  Form();
  EXPECT_EQ(catalog_.cluster_id(), "c1");
  EXPECT_EQ(catalog_.members().at(NodeId(2)).incarnation, 102u);
}

TEST_F(CatalogTest, AnImportedLogRemembersWhereItBegins) {
  Form();
  CatalogOp op = Created("imported");
  auto* base = op.command.mutable_log_created()->mutable_base();
  EXPECT_THAT(Refused(op).message, HasSubstr("begins with seq 0"));
  base->set_first_seq(17);
  base->set_timestamp_us(-1);
  EXPECT_THAT(Refused(op).message, HasSubstr("before 1970"));
  base->set_timestamp_us(5);
  base->set_chain(6);
  Commit(op);
  Commit(Created("plain"));
  const CatalogLog* log = catalog_.FindByName("imported");
  ASSERT_TRUE(log != nullptr && log->base.has_value());
  EXPECT_EQ(log->base->SerializeAsString(), base->SerializeAsString());
  EXPECT_FALSE(catalog_.FindByName("plain")->base.has_value());
}

TEST_F(CatalogTest, FormingAgainWithTheSameFoundersIsDone) {
  Form();
  Already(Formed({{1, "a"}, {2, "b"}, {3, "c"}}));
  EXPECT_EQ(Refused(Formed({{1, "a"}}, "c2")).info.reason(), cairn::v1::REASON_INVALID);
  EXPECT_EQ(Refused(Formed({{9, "a"}})).info.reason(), cairn::v1::REASON_INVALID);
}

TEST_F(CatalogTest, RefusesFoundersThatCannotBeToldApart) {
  EXPECT_THAT(Refused(Formed({{1, "a"}, {1, "b"}})).message, HasSubstr("appears twice"));
  EXPECT_THAT(Refused(Formed({})).message, HasSubstr("needs members"));
  EXPECT_THAT(Refused(Formed({{0, "a"}})).message, HasSubstr("node id 0"));
  EXPECT_THAT(Refused(Formed({{1, "a"}}, "")).message, HasSubstr("cluster id"));
}

TEST_F(CatalogTest, ALogIsNamedByTheSeqOfItsCreation) {
  Form();  // Seq 1.
  const CatalogChange change = Commit(Created("orders"));
  EXPECT_EQ(change.kind, CatalogChange::Kind::kCreated);
  EXPECT_EQ(change.log_id, GroupId(2));
  EXPECT_THAT(change.replicas, ElementsAre(NodeId(1), NodeId(2), NodeId(3)));
  ASSERT_NE(catalog_.FindByName("orders"), nullptr);
  EXPECT_EQ(catalog_.FindByName("orders")->id, GroupId(2));
  EXPECT_EQ(catalog_.FindByName("order"), nullptr);
}

TEST_F(CatalogTest, InARecoveredClusterLogsAreNamedAboveAllThatTheOldOneGave) {
  CatalogOp formed = Formed({{1, "a"}});
  formed.command.mutable_cluster_formed()->set_log_id_base(1000);
  Commit(formed);
  EXPECT_EQ(Commit(Created("x")).log_id, GroupId(1002));
  EXPECT_EQ(Commit(Created("y")).log_id, GroupId(1003));
  Commit(Deleted(1002));
  EXPECT_TRUE(catalog_.WasDeleted(GroupId(1002)));
  EXPECT_EQ(catalog_.LogIdOf(catalog_.applied_seq() + 1), GroupId(1005));
}

TEST_F(CatalogTest, AnExistingLogIsASuccessOnlyWithTheSameSettings) {
  Form();
  CatalogOp fenced = Created("orders");
  fenced.command.mutable_log_created()->mutable_settings()->set_fenced(true);
  const CatalogChange change = Commit(fenced);

  const Rejection exists = Refused(fenced);
  EXPECT_EQ(exists.info.reason(), cairn::v1::REASON_LOG_EXISTS);
  EXPECT_EQ(exists.info.log_id(), change.log_id.value());
  EXPECT_EQ(exists.info.log(), "orders");

  fenced.if_not_exists = true;
  // What is left unset means the default, so naming the default changes nothing.
  fenced.command.mutable_log_created()->mutable_settings()->set_retention_ms(0);
  const CatalogDone done = Already(fenced);
  EXPECT_EQ(done.log_id, change.log_id);
  EXPECT_FALSE(done.created);
  EXPECT_TRUE(done.settings.fenced());

  EXPECT_EQ(Refused(Created("orders", /*if_not_exists=*/true)).info.reason(),
            cairn::v1::REASON_LOG_EXISTS);
}

TEST_F(CatalogTest, TheTableIsBounded) {
  Form();
  for (const char* name : {"a", "b", "c", "d"}) Commit(Created(name));
  const Rejection full = Refused(Created("e"));
  EXPECT_EQ(full.info.reason(), cairn::v1::REASON_TABLE_FULL);
  EXPECT_EQ(full.info.limit(), 4u);
  Commit(Deleted(catalog_.FindByName("a")->id.value()));
  Commit(Created("e"));
}

TEST_F(CatalogTest, UpdatingReplacesTheFieldsThatAreSet) {
  Form();
  const uint64_t id = Commit(Created("orders")).log_id.value();
  CatalogOp update = Updated(id);
  update.command.mutable_log_updated()->mutable_settings()->set_retention_ms(5000);
  EXPECT_EQ(Commit(update).settings.retention_ms(), 5000u);

  CatalogOp other = Updated(id);
  other.command.mutable_log_updated()->mutable_settings()->set_trim_guard("snap");
  const CatalogChange change = Commit(other);
  EXPECT_EQ(change.settings.retention_ms(), 5000u);
  EXPECT_EQ(change.settings.trim_guard(), "snap");
  EXPECT_EQ(Already(other).log_id, GroupId(id)) << "the same update again changes nothing";

  CatalogOp fence = Updated(id);
  fence.command.mutable_log_updated()->mutable_settings()->set_fenced(true);
  EXPECT_THAT(Refused(fence).message, HasSubstr("fenced"));
  EXPECT_EQ(Refused(Updated(99)).info.reason(), cairn::v1::REASON_LOG_NOT_FOUND);
}

TEST_F(CatalogTest, ADeletedLogIsRememberedAndItsNameIsFree) {
  Form();
  const GroupId first = Commit(Created("orders")).log_id;
  const GroupId kept = Commit(Created("kept")).log_id;
  EXPECT_FALSE(catalog_.WasDeleted(first));
  EXPECT_EQ(Commit(Deleted(first.value())).kind, CatalogChange::Kind::kDeleted);
  EXPECT_TRUE(catalog_.WasDeleted(first));
  EXPECT_FALSE(catalog_.WasDeleted(kept));
  EXPECT_FALSE(catalog_.WasDeleted(GroupId(99))) << "not yet created is not deleted";
  EXPECT_FALSE(catalog_.WasDeleted(GroupId(1))) << "record 1 created no log";
  EXPECT_EQ(Refused(Deleted(first.value())).info.reason(), cairn::v1::REASON_LOG_NOT_FOUND);
  EXPECT_GT(Commit(Created("orders")).log_id, first);
}

TEST_F(CatalogTest, AMemberMayMoveButNotComeBackEmpty) {
  Form();
  CatalogOp op;
  auto* member = op.command.mutable_member_changed();
  *member = Formed({{2, "b"}}).command.cluster_formed().members(0);
  Already(op);
  member->set_address("10.0.0.2:9000");
  EXPECT_EQ(Commit(op).kind, CatalogChange::Kind::kMember);
  EXPECT_EQ(catalog_.members().at(NodeId(2)).address, "10.0.0.2:9000");
  member->set_incarnation(7);
  EXPECT_THAT(Refused(op).message, HasSubstr("incarnation"));
  member->set_incarnation(102);
  member->set_name("n1");
  EXPECT_THAT(Refused(op).message, HasSubstr("belongs to node 1"));
}

TEST_F(CatalogTest, PlacesByZoneThenLoadThenId) {
  Form({{1, "a"}, {2, "a"}, {3, "b"}, {4, "b"}, {5, "c"}});
  EXPECT_THAT(Commit(Created("w")).replicas, ElementsAre(NodeId(1), NodeId(3), NodeId(5)));
  // Node 5 is alone in its zone, so zone wins over its load.
  EXPECT_THAT(Commit(Created("x")).replicas, ElementsAre(NodeId(2), NodeId(4), NodeId(5)));
  Commit(Deleted(2));
  EXPECT_THAT(Commit(Created("y")).replicas, ElementsAre(NodeId(1), NodeId(3), NodeId(5)));
}

TEST_F(CatalogTest, ASmallClusterHoldsEverythingEverywhere) {
  Form({{1, ""}, {2, ""}});
  EXPECT_THAT(Commit(Created("w")).replicas, ElementsAre(NodeId(1), NodeId(2)));
}

TEST_F(CatalogTest, ARecordThatContradictsTheCatalogIsDataLossAndChangesNothing) {
  Form();
  Commit(Created("orders"));  // Seq 2.
  struct Case {
    const char* name;
    uint64_t seq;
    std::string payload;
  };
  CatalogOp homeless = Created("homeless");
  homeless.command.mutable_log_created()->add_replica_node_ids(42);
  CatalogOp stranger;
  *stranger.command.mutable_member_changed() =
      Formed({{2, "b"}}).command.cluster_formed().members(0);
  stranger.command.mutable_member_changed()->set_incarnation(1);
  const Case cases[] = {
      {"a record twice", 2, Created("x").command.SerializeAsString()},
      {"not a command", 3, "\xff\xff\xff"},
      {"an empty command", 3, ""},
      {"a name that is taken", 3, Created("orders").command.SerializeAsString()},
      {"a replica on no member", 3, homeless.command.SerializeAsString()},
      {"an update of nothing", 3, Updated(9).command.SerializeAsString()},
      {"a deletion of nothing", 3, Deleted(9).command.SerializeAsString()},
      {"a second forming", 3, Formed({{1, "a"}}).command.SerializeAsString()},
      {"a wiped member", 3, stranger.command.SerializeAsString()},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(catalog_.Apply(Seq(c.seq), c.payload).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(catalog_.applied_seq(), Seq(2));
    EXPECT_EQ(catalog_.logs().size(), 1u);
    EXPECT_EQ(catalog_.members().size(), 3u);
  }
}

TEST(CatalogNamesTest, LegalAndIllegalNames) {
  for (const std::string& legal :
       {std::string("a"), std::string("A.b_c/d-9"), std::string(255, 'x')}) {
    EXPECT_EQ(CheckLogName(legal), "") << legal;
  }
  EXPECT_THAT(CheckLogName(""), HasSubstr("empty"));
  EXPECT_THAT(CheckLogName(std::string(256, 'x')), HasSubstr("256 bytes"));
  EXPECT_THAT(CheckLogName("a b"), HasSubstr("0x20 at offset 1"));
  EXPECT_THAT(CheckLogName(std::string_view("a\0", 2)), HasSubstr("0x00"));
  EXPECT_THAT(CheckLogName("caf\xc3\xa9"), HasSubstr("0xc3 at offset 3"));
}

TEST(CatalogSettingsTest, Bounds) {
  const struct {
    uint64_t segment_bytes;
    bool legal;
  } cases[] = {{0, true}, {65535, false}, {65536, true}, {1 << 30, true}, {(1 << 30) + 1, false}};
  for (const auto& c : cases) {
    LogSettings settings;
    settings.set_segment_bytes(c.segment_bytes);
    EXPECT_EQ(CheckSettings(settings).empty(), c.legal) << c.segment_bytes;
  }
  LogSettings guard;
  guard.set_trim_guard(std::string(256, 'g'));
  EXPECT_THAT(CheckSettings(guard), HasSubstr("trim_guard"));
}

// ---- Property -----------------------------------------------------------------------

CatalogOp RandomOp(Random& random, Seq applied) {
  const std::string name(1, static_cast<char>('a' + random.Below(6)));
  const uint64_t id = random.Below(applied.value() + 3);
  LogSettings settings;
  if (random.Chance(0.3)) settings.set_fenced(random.Chance(0.5));
  if (random.Chance(0.3)) settings.set_retention_ms(random.Below(3));
  if (random.Chance(0.1)) settings.set_segment_bytes(random.Below(70'000));
  CatalogOp op;
  switch (random.Below(8)) {
    case 0:
      return Formed({{1, "a"}, {2, "b"}, {3, "c"}, {4, "c"}}, random.Chance(0.9) ? "c1" : "c2");
    case 1: {
      auto* member = op.command.mutable_member_changed();
      *member = Formed({{1 + random.Below(7), "z"}}).command.cluster_formed().members(0);
      if (random.Chance(0.2)) member->set_name("n1");
      if (random.Chance(0.2)) member->set_incarnation(5);
      return op;
    }
    case 2:
    case 3:
      return Deleted(id);
    case 4:
    case 5:
      op = Updated(id);
      *op.command.mutable_log_updated()->mutable_settings() = settings;
      return op;
    default:
      op = Created(name, random.Chance(0.5));
      *op.command.mutable_log_created()->mutable_settings() = settings;
      return op;
  }
}

// What a catalog shows, as text.
std::string Picture(const Catalog& catalog) {
  std::string text = catalog.cluster_id() + "\n";
  for (const auto& [id, member] : catalog.members()) {
    text += ToString(id) + " " + member.name + " " + member.address + " " + member.zone + "\n";
  }
  for (const auto& [id, log] : catalog.logs()) {
    text += ToString(id) + " " + log.name + " " + log.settings.ShortDebugString();
    for (NodeId node : log.replicas) text += " " + ToString(node);
    text += "\n";
  }
  for (uint64_t id = 0; id <= catalog.applied_seq().value(); ++id) {
    if (catalog.WasDeleted(GroupId(id))) text += "deleted " + std::to_string(id) + "\n";
  }
  return text;
}

TEST(CatalogPropertyTest, WhatIsJudgedAppliesAndReplaysToTheSameCatalog) {
  size_t appended = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    Catalog leader(5);
    std::vector<std::string> records;
    for (int step = 0; step < 120; ++step) {
      const CatalogOp op = RandomOp(random, leader.applied_seq());
      auto verdict = leader.Judge(op);
      auto* append = std::get_if<Catalog::Append>(&verdict);
      if (append == nullptr) continue;
      const auto change = leader.Apply(leader.applied_seq() + 1, append->payload);
      ASSERT_TRUE(change.ok()) << "seed " << seed << " step " << step << ": " << change.status();
      records.push_back(append->payload);
      if (change->kind == CatalogChange::Kind::kCreated) {
        EXPECT_EQ(append->done.settings.SerializeAsString(), change->settings.SerializeAsString());
        EXPECT_EQ(leader.Find(change->log_id), leader.FindByName(change->name));
      }
      // The same command again never appends twice, unless it makes something new.
      auto again = leader.Judge(op);
      EXPECT_FALSE(std::holds_alternative<Catalog::Append>(again)) << "seed " << seed;
    }
    Catalog replica(5);
    for (const std::string& record : records) {
      ASSERT_TRUE(replica.Apply(replica.applied_seq() + 1, record).ok());
    }
    EXPECT_EQ(Picture(leader), Picture(replica)) << "seed " << seed;
    EXPECT_LE(leader.logs().size(), 5u);
    appended += records.size();
  }
  EXPECT_GT(appended, 1500u) << "the generator hardly tries anything";
}

}  // namespace
}  // namespace cairn::server
