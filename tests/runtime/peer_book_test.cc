// PeerBook: who may talk to a node.
#include "server/runtime/peer_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace cairn::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

cairn::v1::FormRequest Founders() {
  cairn::v1::FormRequest formed;
  formed.set_cluster_id("c1");
  for (uint64_t id = 1; id <= 3; ++id) {
    auto& member = *formed.add_members();
    member.set_node_id(id);
    member.set_name("n" + std::to_string(id));
    member.set_address("host" + std::to_string(id) + ":1");
    member.set_incarnation(100 + id);
  }
  return formed;
}

cairn::v1::PeerHello Hello(uint64_t from, uint64_t incarnation) {
  cairn::v1::PeerHello hello;
  hello.set_cluster_id("c1");
  hello.set_from_node_id(from);
  hello.set_from_incarnation(incarnation);
  hello.set_to_node_id(1);
  hello.set_protocol(1);
  hello.set_from_address("host" + std::to_string(from) + ":1");
  return hello;
}

class PeerBookTest : public ::testing::Test {
 protected:
  // The catalog's `index`th record.
  void Apply(const CatalogOp& op) {
    auto verdict = catalog_.Judge(op);
    ASSERT_TRUE(std::holds_alternative<Catalog::Append>(verdict));
    ASSERT_TRUE(
        catalog_.Apply(catalog_.applied_seq() + 1, std::get<Catalog::Append>(verdict).payload)
            .ok());
  }
  void ApplyFormed() {
    CatalogOp op;
    op.command.mutable_cluster_formed()->set_cluster_id("c1");
    const cairn::v1::FormRequest founders = Founders();
    for (const auto& in : founders.members()) {
      auto& member = *op.command.mutable_cluster_formed()->add_members();
      member.set_node_id(in.node_id());
      member.set_name(in.name());
      member.set_address(in.address());
      member.set_incarnation(in.incarnation());
    }
    Apply(op);
  }
  void ApplyAdded() {
    CatalogOp op;
    auto& member = *op.command.mutable_member_changed();
    member.set_name("n4");
    member.set_address("host4:1");
    Apply(op);
  }
  void ApplyGone(uint64_t id) {
    CatalogOp op;
    op.command.mutable_member_changed()->set_node_id(id);
    op.command.mutable_member_changed()->set_state(cairn::v1::MEMBER_STATE_LEAVING);
    Apply(op);
    if (!catalog_.members().contains(NodeId(id))) return;
    CatalogOp removed;
    removed.command.mutable_member_removed()->set_node_id(id);
    Apply(removed);
  }

  Catalog catalog_;
  PeerBook book_{Founders(), NodeId(1)};
};

TEST_F(PeerBookTest, FoundersAreKnownBeforeTheCatalogIs) {
  EXPECT_EQ(book_.Check(Hello(2, 102)).refusal, "");
  EXPECT_THAT(book_.Peers(), SizeIs(2));
  EXPECT_EQ(book_.AddressOf(NodeId(3)), "host3:1");
}

TEST_F(PeerBookTest, AWipedDiskIsRefused) {
  const PeerBook::Answer answer = book_.Check(Hello(2, 999));
  EXPECT_THAT(answer.refusal, HasSubstr("another data directory"));
  EXPECT_FALSE(answer.removed);
}

TEST_F(PeerBookTest, WhoHasJoinedSinceIsLetInAndReached) {
  const PeerBook::Answer answer = book_.Check(Hello(7, 107));
  EXPECT_EQ(answer.refusal, "");
  EXPECT_TRUE(answer.news);
  EXPECT_EQ(book_.AddressOf(NodeId(7)), "host7:1");
  EXPECT_THAT(book_.Peers(), SizeIs(3));
  EXPECT_FALSE(book_.Check(Hello(7, 107)).news);
  EXPECT_THAT(book_.Check(Hello(7, 108)).refusal, HasSubstr("another data directory"));
  EXPECT_THAT(book_.Check(Hello(6, 106)).refusal, HasSubstr("no member"))
      << "an id that was passed over belongs to nobody";
}

TEST_F(PeerBookTest, OneThatWasAddedIsAPeerOnceItHasJoined) {
  ApplyFormed();
  ApplyAdded();
  EXPECT_TRUE(book_.Update(catalog_));
  EXPECT_FALSE(book_.Update(catalog_));
  EXPECT_THAT(book_.Peers(), SizeIs(2));
  EXPECT_THAT(book_.Addresses(), SizeIs(4)) << "its certificate has to be known";
  EXPECT_THAT(book_.Formed().members(), SizeIs(3));
  EXPECT_EQ(book_.Check(Hello(4, 104)).refusal, "");
  EXPECT_THAT(book_.Peers(), SizeIs(3));
}

TEST_F(PeerBookTest, WhoWasRemovedIsToldSo) {
  ApplyFormed();
  ApplyGone(3);
  book_.Update(catalog_);
  EXPECT_TRUE(book_.WasRemoved(NodeId(3)));
  EXPECT_THAT(book_.Peers(), SizeIs(1));
  const PeerBook::Answer answer = book_.Check(Hello(3, 103));
  EXPECT_TRUE(answer.removed);
  EXPECT_THAT(answer.refusal, HasSubstr("node 3 (n3) was removed from cluster c1"));
}

TEST_F(PeerBookTest, OtherClustersAndProtocolsAreRefused) {
  cairn::v1::PeerHello hello = Hello(2, 102);
  hello.set_cluster_id("c2");
  EXPECT_THAT(book_.Check(hello).refusal,
              AllOf(HasSubstr("belongs to cluster c1"), HasSubstr("cluster add")));
  hello = Hello(2, 102);
  hello.set_protocol(2);
  EXPECT_THAT(book_.Check(hello).refusal, HasSubstr("protocol 2"));
  hello = Hello(2, 102);
  hello.set_to_node_id(3);
  EXPECT_THAT(book_.Check(hello).refusal, HasSubstr("this is node 1, not 3"));
}

}  // namespace
}  // namespace cairn::server
