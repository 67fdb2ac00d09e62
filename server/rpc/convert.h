// Convert: between the API's messages and the words of the worker box, and from a rejection
// to a gRPC status. The only file that picks a status code.
//
// In the flow: bounds.h has accepted the request; the handlers call ToOp here, post it, and
// turn the reply into a response with Fill. Pure functions; any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "cairn/v1/backup.pb.h"
#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/error.pb.h"
#include "cairn/v1/lease.pb.h"
#include "cairn/v1/log.pb.h"
#include "server/group.h"
#include "server/group_events.h"

namespace cairn::rpc {

// The lease that a request speaks of when it names none.
inline constexpr std::string_view kDefaultLeaseName = "primary";

// ---- Refusals -----------------------------------------------------------------------

// The code that error.proto promises for `reason`.
[[nodiscard]] grpc::StatusCode CodeFor(v1::Reason reason);

[[nodiscard]] server::Rejection Reject(v1::Reason reason, std::string_view log,
                                       std::string message);
// OVERLOADED: a queue of this node is full; nothing was done.
[[nodiscard]] server::Rejection Overloaded(std::string_view log, std::string_view queue);

// A status whose details are a google.rpc.Status that holds the ErrorInfo in an Any.
[[nodiscard]] grpc::Status ToStatus(const server::Rejection& rejection);
// "CONDITION_FAILED", …
[[nodiscard]] std::string_view ReasonName(v1::Reason reason);
// The ErrorInfo in a status's details; nullopt when there is none: the transport's own error.
[[nodiscard]] std::optional<v1::ErrorInfo> ErrorInfoOf(const grpc::Status& status);

// ---- Requests -------------------------------------------------------------------------
// Requires: bounds.h accepted the request. (CheckRequest of an append has computed the
// records' cached sizes, which ToOp relies on.)

[[nodiscard]] server::AppendOp ToOp(const v1::AppendRequest& request);
[[nodiscard]] server::RegisterProducerOp ToOp(const v1::RegisterProducerRequest& request);
[[nodiscard]] server::TrimOp ToOp(const v1::TrimRequest& request);
[[nodiscard]] server::RegisterSnapshotOp ToOp(const v1::RegisterSnapshotRequest& request);
[[nodiscard]] server::DescribeOp ToOp(const v1::DescribeLogRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::CreateLogRequest& request);
// Of the calls of a restore (backup_convert.cc).
[[nodiscard]] server::CatalogOp ToOp(const v1::BeginImportRequest& request);
[[nodiscard]] server::ImportOp ToOp(const v1::ImportRecordsRequest& request);
[[nodiscard]] server::FinishImportOp ToOp(const v1::FinishImportRequest& request);
[[nodiscard]] server::GetChainOp ToOp(const v1::GetChainRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::UpdateLogRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::DeleteLogRequest& request);
[[nodiscard]] server::AcquireOp ToOp(const v1::AcquireRequest& request);
[[nodiscard]] server::RenewOp ToOp(const v1::RenewRequest& request);
[[nodiscard]] server::ReleaseOp ToOp(const v1::ReleaseRequest& request);
[[nodiscard]] server::TransferLeaseOp ToOp(const v1::TransferRequest& request);
[[nodiscard]] server::GetLeaseOp ToOp(const v1::GetRequest& request);
[[nodiscard]] server::TransferLeadershipOp ToOp(const v1::TransferLeadershipRequest& request);

// Where a read or a tail begins.
[[nodiscard]] server::TailStart StartOf(const v1::ReadRequest& request);
[[nodiscard]] server::TailStart StartOf(const v1::TailRequest& request);

// ---- Responses ------------------------------------------------------------------------

void Fill(const server::AppendDone& done, v1::AppendResponse& response);
void Fill(const server::RegisterProducerDone& done, v1::RegisterProducerResponse& response);
void Fill(const server::TrimDone& done, v1::TrimResponse& response);
void Fill(const server::Done& done, v1::RegisterSnapshotResponse& response);
// What the group knows; names and addresses are the service's to add.
void Fill(const server::Described& done, v1::DescribeLogResponse& response);
void Fill(const server::CatalogDone& done, v1::CreateLogResponse& response);
void Fill(const server::CatalogDone& done, v1::BeginImportResponse& response);
void Fill(const server::AppendDone& done, v1::ImportRecordsResponse& response);
void Fill(const server::Done& done, v1::FinishImportResponse& response);
void Fill(const server::ChainView& view, v1::GetChainResponse& response);
void Fill(const server::CatalogDone& done, v1::UpdateLogResponse& response);
void Fill(const server::CatalogDone& done, v1::DeleteLogResponse& response);
void Fill(const server::LeaseGranted& done, v1::AcquireResponse& response);
void Fill(const server::LeaseGranted& done, v1::TransferResponse& response);
void Fill(const server::LeaseRenewed& done, v1::RenewResponse& response);
void Fill(const server::LeaseReleased& done, v1::ReleaseResponse& response);
void Fill(const server::LeaseView& done, v1::GetResponse& response);
void Fill(const server::Done& done, v1::TransferLeadershipResponse& response);
void Fill(const server::GroupView& view, v1::GroupStatus& status);
void Fill(const server::CatalogMember& member, v1::Member& message);
void Fill(const server::CatalogLog& log, v1::LogSummary& message);

}  // namespace cairn::rpc
