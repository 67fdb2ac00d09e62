// What the operators of a MemberWorld do: they make logs, start the nodes that were added, and wish
// for other members and other places of logs.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/sim/member_world.h"
#include "tests/sim/null_sink.h"

namespace cairn::sim {
namespace {

// Ids are not given twice: those of all that are ever added stay below what clients try.
constexpr uint64_t kMostNodes = 12;
constexpr size_t kMostMembers = 6;

std::string NameOfLog(size_t i) { return fmt::format("log-{}", i); }

cairn::v1::CatalogCommand StateOf(NodeId id, cairn::v1::MemberState state) {
  cairn::v1::CatalogCommand command;
  command.mutable_member_changed()->set_node_id(id.value());
  command.mutable_member_changed()->set_state(state);
  return command;
}

}  // namespace

// To the catalog's leader. What comes of it, the catalog shows.
void MemberWorld::Ask(cairn::v1::CatalogCommand command, NodeId instead_of) {
  const SimNode* leader = LeaderOf(kCatalogGroup);
  if (leader == nullptr) return;
  server::CatalogOp op;
  op.command = std::move(command);
  op.if_not_exists = true;
  op.instead_of = instead_of;
  Send(leader->id(), kCatalogGroup, std::move(op), kMicrosPerSecond, {&null_sink, 0});
}

// ---- What has to be done again and again ----------------------------------------------------

void MemberWorld::Tend() {
  if (const server::Catalog* catalog = CatalogNow(); catalog != nullptr) {
    if (!catalog->cluster_id().empty()) CreateLogs();
    StartMembers(*catalog);
    FinishWipe(*catalog);
  }
  CheckElectable();
  events_.After(kTendUs, [this] { Tend(); });
}

void MemberWorld::CreateLogs() {
  if (logs_.size() > kLogs) return;
  const server::CatalogLog* log = CatalogNow()->FindByName(NameOfLog(logs_.size()));
  if (log == nullptr) {
    cairn::v1::CatalogCommand command;
    command.mutable_log_created()->set_name(NameOfLog(logs_.size()));
    return Ask(std::move(command));
  }
  Watch(log->id);
  AddClients(logs_.back());
}

// The nodes that were added: their operators start them, and they ask to be let in.
void MemberWorld::StartMembers(const server::Catalog& catalog) {
  while (nodes_.size() + 1 < catalog.NextNodeId().value()) AddNode();
  for (const auto& [id, member] : catalog.members()) {
    if (member.incarnation == 0) {
      cairn::v1::CatalogCommand command;
      command.mutable_member_changed()->set_name(member.name);
      command.mutable_member_changed()->set_address(member.address);
      command.mutable_member_changed()->set_incarnation(id.value() * 1000 + 1);
      if (random_.Chance(0.1) || over_) Ask(std::move(command));
    } else if (started_.insert(id).second) {
      ++counts_.joins;
      NodeOf(id).Start();
    }
  }
}

// A directory that is lost is told to the cluster as `cairn cluster remove`.
void MemberWorld::FinishWipe(const server::Catalog& catalog) {
  if (!wiped_) return;
  const auto member = catalog.members().find(wiped_);
  if (member == catalog.members().end()) {
    wiped_ = NodeId();
  } else if (member->second.state != cairn::v1::MEMBER_STATE_LEAVING) {
    Ask(StateOf(wiped_, cairn::v1::MEMBER_STATE_LEAVING));
  }
}

// ---- Wishes ---------------------------------------------------------------------------------

uint64_t MemberWorld::Serving(const server::Catalog& catalog) const {
  return static_cast<uint64_t>(
      std::count_if(catalog.members().begin(), catalog.members().end(),
                    [&](const auto& row) { return row.second.serves() && row.first != wiped_; }));
}

NodeId MemberWorld::AnyMember(const server::Catalog& catalog) {
  auto member = catalog.members().begin();
  std::advance(member, random_.Below(catalog.members().size()));
  return member->first;
}

void MemberWorld::AddMember() {
  const server::Catalog* catalog = CatalogNow();
  if (catalog == nullptr || catalog->cluster_id().empty()) return;
  if (catalog->NextNodeId().value() > kMostNodes || catalog->members().size() >= kMostMembers) {
    return;
  }
  ++names_;
  cairn::v1::CatalogCommand command;
  command.mutable_member_changed()->set_name(fmt::format("n{}", names_));
  command.mutable_member_changed()->set_address(fmt::format("host-{}:1", names_));
  Note(fmt::format("n{} shall be added", names_));
  Ask(std::move(command));
}

// Drained, taken back, or removed; down to one that serves, at times.
void MemberWorld::ChangeState() {
  const server::Catalog* catalog = CatalogNow();
  if (catalog == nullptr || catalog->members().empty()) return;
  const NodeId id = AnyMember(*catalog);
  if (id == wiped_) return;
  const double dice = random_.Fraction();
  const bool fewer = dice < 0.7;
  if (fewer && Serving(*catalog) <= (random_.Chance(0.2) ? 1u : 2u)) return;
  const auto state = !fewer        ? cairn::v1::MEMBER_STATE_ACTIVE
                     : dice < 0.35 ? cairn::v1::MEMBER_STATE_DRAINING
                                   : cairn::v1::MEMBER_STATE_LEAVING;
  Note(fmt::format("node {} shall be {}", id, cairn::v1::MemberState_Name(state)));
  Ask(StateOf(id, state));
}

// To one that has none of it; often to one that had it, and has forgotten it.
NodeId MemberWorld::AnyTaker(const server::Catalog& catalog, const server::CatalogLog& log) {
  if (!log.left.empty() && random_.Chance(0.5)) return log.left[random_.Below(log.left.size())];
  return AnyMember(catalog);
}

void MemberWorld::MoveLog() {
  const server::Catalog* catalog = CatalogNow();
  if (catalog == nullptr || catalog->logs().empty()) return;
  auto row = catalog->logs().begin();
  std::advance(row, random_.Below(catalog->logs().size()));
  const server::CatalogLog& log = row->second;
  const NodeId from = log.replicas[random_.Below(log.replicas.size())];
  const NodeId to = AnyTaker(*catalog, log);
  Move(log, from, to);
}

void MemberWorld::Move(const server::CatalogLog& log, NodeId from, NodeId to) {
  if (to == wiped_ || std::binary_search(log.replicas.begin(), log.replicas.end(), to)) return;
  cairn::v1::CatalogCommand command;
  command.mutable_log_placed()->set_log_id(log.id.value());
  command.mutable_log_placed()->add_wanted_node_ids(to.value());
  Note(fmt::format("log {} shall move from node {} to node {}", log.id, from, to));
  ++counts_.moves;
  Ask(std::move(command), from);
}

void MemberWorld::ReplaceMember() {
  AddMember();
  ChangeState();
}

// What nobody has read is not trimmed, so that the history can be checked.
void MemberWorld::Trim() {
  const Log& log = logs_[random_.Below(logs_.size())];
  const SimNode* leader = LeaderOf(log.id);
  if (log.id == kCatalogGroup || leader == nullptr) return;
  log.watch->Collect(*leader);
  server::TrimOp op;
  op.first_seq = log.watch->collected_seq() + 1;
  // Mostly no more than may go; the rest is refused.
  const Seq archived = leader->group(log.id)->View().archived_seq;
  if (archives() && random_.Chance(0.8)) op.first_seq = std::min(op.first_seq, archived + 1);
  Send(leader->id(), log.id, op, kMicrosPerSecond, {&null_sink, 0});
}

}  // namespace cairn::sim
