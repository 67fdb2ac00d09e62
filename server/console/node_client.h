// NodeClient: the console's calls, of this node's own services and of the other members'.
//
// The console has no rights of its own. What a browser sends as `Authorization` goes with every
// call, and the services judge it where they judge everybody (decision 020): a page can do what
// its user could do with the tool, no more.
//
// In the flow: HTTP handler -> NodeClient -> in-process channel -> the services of this node,
//   which forward to leaders as for any other client.
// Threads: any; calls block until the caller's deadline at most. Lifetime: destroyed before the
//   node's gRPC server.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cairn/v1/cluster.grpc.pb.h"
#include "cairn/v1/log.grpc.pb.h"

namespace cairn::console {

// On whose behalf, and until when.
struct Caller {
  // The HTTP header, as it came; empty: none.
  std::string authorization;
  std::chrono::system_clock::time_point deadline;
};

// Some committed records of a log.
struct ReadPlan {
  std::string log;
  // 0 skips the check.
  uint64_t log_id = 0;
  // 0: the first kept record.
  uint64_t from_seq = 0;
  // Not 0.
  uint64_t max_records = 0;
  // The read ends with the record that reaches this many bytes of payload.
  uint64_t max_bytes = 0;
};

struct RecordPage {
  std::vector<v1::RecordBatch> batches;
  // Behind the last record; the plan's start when there are none.
  uint64_t next_seq = 0;
  // The replica hears no leader with a quorum: there may be newer records elsewhere.
  bool stale = false;
};

class NodeClient {
 public:
  using ChannelTo = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;

  // `local` leads to this node, `channel_to` to any member.
  NodeClient(std::shared_ptr<grpc::Channel> local, ChannelTo channel_to);

  grpc::Status Status(const Caller& caller, const v1::StatusRequest& request,
                      v1::StatusResponse& response) const;
  grpc::Status Members(const Caller& caller, v1::MembersResponse& response) const;
  // All logs, in name order, at most `max`.
  grpc::Status ListLogs(const Caller& caller, size_t max, std::vector<v1::LogSummary>& logs) const;
  grpc::Status Describe(const Caller& caller, const std::string& log,
                        v1::DescribeLogResponse& response) const;
  grpc::Status Transfer(const Caller& caller, const v1::TransferLeadershipRequest& request,
                        v1::TransferLeadershipResponse& response) const;
  // Reads here, or where the log has a replica.
  grpc::Status Read(const Caller& caller, const ReadPlan& plan, RecordPage& page) const;

  // For calls to several members at once.
  [[nodiscard]] std::unique_ptr<v1::ClusterService::Stub> MemberAt(
      const std::string& address) const;
  // Deadline and authorization.
  static void Prepare(const Caller& caller, grpc::ClientContext& context);

 private:
  static grpc::Status ReadFrom(v1::LogService::Stub& logs, const Caller& caller,
                               const ReadPlan& plan, RecordPage& page);

  const ChannelTo channel_to_;
  const std::unique_ptr<v1::LogService::Stub> logs_;
  const std::unique_ptr<v1::ClusterService::Stub> cluster_;
};

}  // namespace cairn::console
