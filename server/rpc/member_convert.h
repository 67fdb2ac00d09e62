// Bounds and conversions of the calls about members and placement: proto/cairn/v1/cluster.proto,
// and those of peer.proto that change the catalog.
//
// Pure; any thread.
#pragma once

#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/peer.pb.h"
#include "server/catalog.h"
#include "server/rpc/bounds.h"

namespace cairn::rpc {

[[nodiscard]] Refusal CheckRequest(const v1::AddMemberRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::ChangeMemberRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::MoveReplicaRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::JoinRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::SettleRequest& request, const Bounds&);

[[nodiscard]] server::CatalogOp ToOp(const v1::AddMemberRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::ChangeMemberRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::JoinRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::SettleRequest& request);
// Without the log's id, which the call looks up.
[[nodiscard]] server::CatalogOp ToOp(const v1::MoveReplicaRequest& request);

void Fill(const server::CatalogDone& done, v1::AddMemberResponse& response);
void Fill(const server::CatalogDone& done, v1::ChangeMemberResponse& response);
void Fill(const server::CatalogDone& done, v1::MoveReplicaResponse& response);
void Fill(const server::CatalogDone& done, v1::SettleResponse& response);
// Filled in by the call, from the catalog.
inline void Fill(const server::CatalogDone&, v1::JoinResponse&) {}
// What a node that joins has to know of the others.
void Fill(const server::Catalog& catalog, v1::JoinResponse& response);
// Members, their loads, and what moves.
void Fill(const server::Catalog& catalog, v1::MembersResponse& response);

}  // namespace cairn::rpc
