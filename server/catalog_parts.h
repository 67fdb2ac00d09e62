// What the catalog's sources share; included by them only (server/catalog.h).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/catalog.h"

namespace cairn::server {

// Replicas of a log, when there are members enough.
inline constexpr size_t kReplicas = 3;

Rejection RejectCatalog(cairn::v1::Reason reason, std::string message);
Rejection RejectLog(cairn::v1::Reason reason, std::string_view name, GroupId id,
                    std::string message);
Rejection NoSuchLog(GroupId id);
// The record at `seq` does not fit what was applied before.
absl::Status Contradiction(Seq seq, std::string_view what);

CatalogMember FromProto(const cairn::v1::Member& member);
cairn::v1::Member ToProto(const CatalogMember& member);
// "" or what is wrong with one member taken for itself.
std::string CheckMember(const CatalogMember& member);

}  // namespace cairn::server
