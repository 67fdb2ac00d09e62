// Protobuf ↔ the plain structs of the public headers. The only file that knows both sides field
// by field. Functions that take a message by pointer move payloads out of it.
//
// Threads: free functions, any thread.
#pragma once

#include "absl/status/statusor.h"
#include "cairn/error.h"
#include "cairn/tailer.h"
#include "cairn/types.h"
#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/error.pb.h"
#include "cairn/v1/lease.pb.h"
#include "cairn/v1/log.pb.h"

namespace cairn::client {

ErrorInfo FromProto(const v1::ErrorInfo& in);
LeaseInfo FromProto(const v1::LeaseState& in);
LogSettings FromProto(const v1::LogSettings& in);
LogDescription FromProto(const v1::DescribeLogResponse& in);
LogSummary FromProto(const v1::LogSummary& in);
AppendResult FromProto(const v1::AppendResponse& in);
NodeStatus FromProto(const v1::StatusResponse& in);
MemberState FromProto(v1::MemberState in);
v1::MemberState ToProto(MemberState in);
Members FromProto(const v1::MembersResponse& in);

RecordBatch TakeBatch(v1::RecordBatch* in);
TailEvent TakeTailEvent(v1::TailResponse* in);

v1::LogSettings ToProto(const LogSettings& in);

}  // namespace cairn::client
