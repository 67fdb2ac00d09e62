#include "server/rpc/member_convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "server/rpc/convert.h"

namespace cairn::rpc {
namespace {

constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMaxAddressBytes = 300;
constexpr int kMaxMovingNames = 100;

Refusal Invalid(std::string message) { return Reject(v1::REASON_INVALID, "", std::move(message)); }

// As base/option_table's names and addresses of cairnd are.
Refusal CheckWord(std::string_view what, std::string_view word) {
  const bool legal =
      word.size() <= kMaxNameBytes && std::all_of(word.begin(), word.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
      });
  if (legal) return std::nullopt;
  return Invalid(fmt::format("{} is \"{}\": expected 1 to {} letters, digits or any of . _ -", what,
                             word.substr(0, kMaxNameBytes), kMaxNameBytes));
}

Refusal CheckAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  const bool whole = colon != std::string_view::npos && colon > 0 && colon + 1 < address.size() &&
                     address.size() <= kMaxAddressBytes;
  if (whole) return std::nullopt;
  return Invalid(fmt::format("address is \"{}\": expected host:port, as the node's --advertise",
                             address.substr(0, kMaxAddressBytes)));
}

template <class Request>
Refusal CheckNode(const Request& request) {
  if (request.name().empty()) return Invalid("name is required: expected that of the node");
  if (Refusal refusal = CheckWord("name", request.name())) return refusal;
  if (Refusal refusal = CheckWord("zone", request.zone())) return refusal;
  return CheckAddress(request.address());
}

}  // namespace

Refusal CheckRequest(const v1::AddMemberRequest& request, const Bounds& /*bounds*/) {
  return CheckNode(request);
}

Refusal CheckRequest(const v1::ChangeMemberRequest& request, const Bounds& /*bounds*/) {
  if (request.node_id() == 0) return Invalid("node_id is required: expected that of a member");
  return std::nullopt;
}

Refusal CheckRequest(const v1::MoveReplicaRequest& request, const Bounds& /*bounds*/) {
  if (std::string wrong = server::CheckLogName(request.log()); !wrong.empty()) {
    return Invalid(std::move(wrong));
  }
  if (request.from_node_id() == 0 || request.to_node_id() == 0) {
    return Invalid("from_node_id and to_node_id are required: expected those of two members");
  }
  return std::nullopt;
}

Refusal CheckRequest(const v1::JoinRequest& request, const Bounds& /*bounds*/) {
  if (request.incarnation() == 0) return Invalid("incarnation is required");
  return CheckNode(request);
}

Refusal CheckRequest(const v1::SettleRequest& request, const Bounds& /*bounds*/) {
  if (request.log_id() == 0 || request.placement() == 0) {
    return Invalid("log_id and placement are required");
  }
  return std::nullopt;
}

server::CatalogOp ToOp(const v1::AddMemberRequest& request) {
  server::CatalogOp op;
  v1::Member& member = *op.command.mutable_member_changed();
  member.set_name(request.name());
  member.set_address(request.address());
  member.set_zone(request.zone());
  member.set_state(request.learner() ? v1::MEMBER_STATE_LEARNER : v1::MEMBER_STATE_ACTIVE);
  return op;
}

server::CatalogOp ToOp(const v1::ChangeMemberRequest& request) {
  server::CatalogOp op;
  op.command.mutable_member_changed()->set_node_id(request.node_id());
  op.command.mutable_member_changed()->set_state(request.state());
  return op;
}

server::CatalogOp ToOp(const v1::JoinRequest& request) {
  server::CatalogOp op;
  v1::Member& member = *op.command.mutable_member_changed();
  member.set_name(request.name());
  member.set_address(request.address());
  member.set_zone(request.zone());
  member.set_incarnation(request.incarnation());
  return op;
}

server::CatalogOp ToOp(const v1::SettleRequest& request) {
  server::CatalogOp op;
  op.command.mutable_log_settled()->set_log_id(request.log_id());
  op.command.mutable_log_settled()->set_placement(request.placement());
  return op;
}

server::CatalogOp ToOp(const v1::MoveReplicaRequest& request) {
  server::CatalogOp op;
  op.command.mutable_log_placed()->add_wanted_node_ids(request.to_node_id());
  op.instead_of = NodeId(request.from_node_id());
  return op;
}

void Fill(const server::CatalogDone& done, v1::AddMemberResponse& response) {
  response.set_node_id(done.node_id.value());
}

void Fill(const server::CatalogDone& /*done*/, v1::ChangeMemberResponse& /*response*/) {}

void Fill(const server::CatalogDone& done, v1::MoveReplicaResponse& response) {
  for (const NodeId id : done.replicas) response.add_replica_node_ids(id.value());
}

void Fill(const server::CatalogDone& /*done*/, v1::SettleResponse& /*response*/) {}

void Fill(const server::Catalog& catalog, v1::JoinResponse& response) {
  v1::FormRequest& formed = *response.mutable_formed();
  formed.set_cluster_id(catalog.cluster_id());
  formed.set_joined(true);
  for (const auto& [id, member] : catalog.members()) {
    if (member.incarnation == 0) continue;
    v1::FormMember& row = *formed.add_members();
    row.set_node_id(id.value());
    row.set_name(member.name);
    row.set_address(member.address);
    row.set_zone(member.zone);
    row.set_incarnation(member.incarnation);
  }
}

void Fill(const server::Catalog& catalog, v1::MembersResponse& response) {
  response.set_cluster_id(catalog.cluster_id());
  for (const auto& [id, member] : catalog.members()) {
    Fill(member, *response.add_members());
    response.add_replicas(catalog.ReplicasOn(id));
  }
  for (const auto& [id, log] : catalog.logs()) {
    if (!log.moving()) continue;
    response.set_moving(response.moving() + 1);
    if (response.moving_logs_size() < kMaxMovingNames) response.add_moving_logs(log.name);
  }
}

}  // namespace cairn::rpc
