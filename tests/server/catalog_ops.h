// Commands of the catalog in the fewest words, and a catalog that takes them: for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/catalog.h"

namespace cairn::server {

inline constexpr auto kActive = cairn::v1::MEMBER_STATE_ACTIVE;
inline constexpr auto kDraining = cairn::v1::MEMBER_STATE_DRAINING;
inline constexpr auto kLeaving = cairn::v1::MEMBER_STATE_LEAVING;

// Node `id` is n<id> at host<id>:1, with the incarnation 100 + id.
struct MemberSpec {
  uint64_t id;
  std::string zone;
};

inline CatalogOp Formed(const std::vector<MemberSpec>& members, const std::string& cluster = "c1") {
  CatalogOp op;
  op.command.mutable_cluster_formed()->set_cluster_id(cluster);
  for (const MemberSpec& spec : members) {
    auto& member = *op.command.mutable_cluster_formed()->add_members();
    member.set_node_id(spec.id);
    member.set_name("n" + std::to_string(spec.id));
    member.set_address("host" + std::to_string(spec.id) + ":1");
    member.set_zone(spec.zone);
    member.set_incarnation(100 + spec.id);
  }
  return op;
}

// Of nodes 1 to `nodes`, without zones.
inline CatalogOp FormedOf(uint64_t nodes) {
  std::vector<MemberSpec> members;
  for (uint64_t id = 1; id <= nodes; ++id) members.push_back({id, ""});
  return Formed(members);
}

inline CatalogOp Created(const std::string& name, bool if_not_exists = false) {
  CatalogOp op;
  op.command.mutable_log_created()->set_name(name);
  op.if_not_exists = if_not_exists;
  return op;
}

inline CatalogOp Added(const std::string& name, const std::string& address, bool learner = false) {
  CatalogOp op;
  auto& member = *op.command.mutable_member_changed();
  member.set_name(name);
  member.set_address(address);
  member.set_state(learner ? cairn::v1::MEMBER_STATE_LEARNER : kActive);
  return op;
}

inline CatalogOp Joined(const std::string& name, const std::string& address, uint64_t incarnation) {
  CatalogOp op = Added(name, address);
  op.command.mutable_member_changed()->clear_state();
  op.command.mutable_member_changed()->set_incarnation(incarnation);
  return op;
}

inline CatalogOp State(NodeId id, cairn::v1::MemberState state) {
  CatalogOp op;
  op.command.mutable_member_changed()->set_node_id(id.value());
  op.command.mutable_member_changed()->set_state(state);
  return op;
}

inline CatalogOp Settled(GroupId log, Seq placement) {
  CatalogOp op;
  op.command.mutable_log_settled()->set_log_id(log.value());
  op.command.mutable_log_settled()->set_placement(placement.value());
  return op;
}

// A catalog to which commands are put as a log would: judged, and applied if they pass.
class TestCatalog : public Catalog {
 public:
  using Catalog::Catalog;

  // Expects something to append. Returns the change.
  CatalogChange Commit(const CatalogOp& op) {
    auto verdict = Judge(op);
    auto* append = std::get_if<Append>(&verdict);
    EXPECT_NE(append, nullptr) << (std::holds_alternative<Rejection>(verdict)
                                       ? std::get<Rejection>(verdict).message
                                       : "nothing to append");
    if (append == nullptr) return {};
    auto change = Apply(applied_seq() + 1, append->payload);
    EXPECT_TRUE(change.ok()) << change.status();
    return change.ok() ? *std::move(change) : CatalogChange();
  }
  Rejection Refused(const CatalogOp& op) const { return Answer<Rejection>(op); }
  // The answer of a command that has nothing to append.
  CatalogDone Already(const CatalogOp& op) const { return Answer<CatalogDone>(op); }

 private:
  template <class T>
  T Answer(const CatalogOp& op) const {
    auto verdict = Judge(op);
    auto* answer = std::get_if<T>(&verdict);
    EXPECT_NE(answer, nullptr);
    return answer == nullptr ? T() : *std::move(answer);
  }
};

}  // namespace cairn::server
