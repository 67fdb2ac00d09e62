// Bounds: what a request must satisfy before any work is done for it (design section 4).
//
// In the flow: first step of every handler. A refusal names the bound, what was expected and
// what was sent; nothing has happened then. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "cairn/v1/backup.pb.h"
#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/lease.pb.h"
#include "cairn/v1/log.pb.h"
#include "server/group_events.h"
#include "server/runtime/config.h"

namespace cairn::rpc {

inline constexpr uint64_t kMaxMetadataKeys = 16;
inline constexpr uint64_t kMaxMetadataBytes = 4096;
inline constexpr uint64_t kMaxNameBytes = 255;  // Leases, holders, snapshots, log prefixes.
inline constexpr uint64_t kMaxLocationBytes = 4096;
inline constexpr uint64_t kMinLeaseTtlMs = 100;
inline constexpr uint64_t kMaxLeaseTtlMs = 3600 * 1000;
inline constexpr uint64_t kMinHeartbeatMs = 10;
inline constexpr uint64_t kMaxHeartbeatMs = 60'000;
inline constexpr uint64_t kDefaultHeartbeatMs = 1000;
inline constexpr uint32_t kMaxPageSize = 1000;

// The bounds that an operator can move.
struct Bounds {
  uint64_t max_record_bytes = 8ull << 20;  // Of a payload.
  uint64_t max_batch_bytes = 16ull << 20;  // Of all records of a request, serialized.
  uint32_t max_batch_records = 65536;
};
[[nodiscard]] Bounds BoundsOf(const server::NodeConfig& config);

using Refusal = std::optional<server::Rejection>;

// A later request of an AppendStream may leave the log unnamed: this checks the rest.
// Leaves the cached sizes of the records computed.
[[nodiscard]] Refusal CheckRecords(const v1::AppendRequest& request, const Bounds& bounds);

[[nodiscard]] Refusal CheckRequest(const v1::AppendRequest& request, const Bounds& bounds);
[[nodiscard]] Refusal CheckRequest(const v1::RegisterProducerRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::ReadRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::TailRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::TrimRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::RegisterSnapshotRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::CreateLogRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::DescribeLogRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::ListLogsRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::UpdateLogRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::DeleteLogRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::AcquireRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::RenewRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::ReleaseRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::TransferRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::GetRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::TransferLeadershipRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::BeginImportRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::ImportRecordsRequest& request, const Bounds& bounds);
[[nodiscard]] Refusal CheckRequest(const v1::FinishImportRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::GetChainRequest& request, const Bounds&);

}  // namespace cairn::rpc
