#include "server/catalog_parts.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"

namespace cairn::server {

Rejection RejectCatalog(cairn::v1::Reason reason, std::string message) {
  Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.message = std::move(message);
  return rejection;
}

Rejection RejectLog(cairn::v1::Reason reason, std::string_view name, GroupId id,
                    std::string message) {
  Rejection rejection = RejectCatalog(reason, std::move(message));
  rejection.info.set_log(std::string(name));
  rejection.info.set_log_id(id.value());
  return rejection;
}

Rejection NoSuchLog(GroupId id) {
  // 0: the caller named it, and no name led to an id.
  const std::string what =
      id ? fmt::format("no log has id {}", id) : "there is no log of that name";
  return RejectLog(cairn::v1::REASON_LOG_NOT_FOUND, "", id, what);
}

absl::Status Contradiction(Seq seq, std::string_view what) {
  return absl::DataLossError(ToAbsl(fmt::format("catalog record {}: {}", seq, what)));
}

CatalogMember FromProto(const cairn::v1::Member& member) {
  const bool says = member.state() != cairn::v1::MEMBER_STATE_UNSPECIFIED;
  return {.id = NodeId(member.node_id()),
          .name = member.name(),
          .address = member.address(),
          .zone = member.zone(),
          .incarnation = member.incarnation(),
          .state = says ? member.state() : cairn::v1::MEMBER_STATE_ACTIVE};
}

cairn::v1::Member ToProto(const CatalogMember& member) {
  cairn::v1::Member message;
  message.set_node_id(member.id.value());
  message.set_name(member.name);
  message.set_address(member.address);
  message.set_zone(member.zone);
  message.set_incarnation(member.incarnation);
  message.set_state(member.state);
  return message;
}

std::string CheckMember(const CatalogMember& member) {
  if (!member.id) return "a member has node id 0";
  if (member.name.empty()) return fmt::format("node {} has no name", member.id);
  if (member.address.empty()) return fmt::format("node {} has no address", member.id);
  return "";
}

}  // namespace cairn::server
