// Call: what the handlers of all services share. How a call finds its group, how long it may
// take, whether its caller wants to be redirected, and the channels to other nodes.
//
// Threads: any. Lifetime: an Environment outlives every call (rpc_server.h).
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server_context.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/auth.h"
#include "server/rpc/bounds.h"
#include "server/rpc/quota.h"
#include "server/rpc/request_budget.h"
#include "server/rpc/slow_append_log.h"
#include "server/rpc/stream_registry.h"
#include "server/runtime/node.h"

namespace cairn::rpc {

// How long a call may wait in a group when its caller set no deadline, and at most.
inline constexpr int64_t kDefaultDeadlineUs = 10 * kMicrosPerSecond;
inline constexpr int64_t kMaxDeadlineUs = 60 * kMicrosPerSecond;

// Metadata by which a caller chooses between being forwarded and being redirected.
inline constexpr char kLeaderHeader[] = "cairn-leader";
inline constexpr char kLeaderRedirect[] = "redirect";

// Channels to other members, one per address; made when first needed, and anew when the node's
// certificates have changed: calls that are out end on the channel they began on. Their number is
// bounded by the members that the catalog ever named.
class PeerChannels {
 public:
  // `tls` null: in clear.
  explicit PeerChannels(server::NodeTls* tls) : tls_(tls) {}
  [[nodiscard]] std::shared_ptr<grpc::Channel> To(const std::string& address);

 private:
  server::NodeTls* const tls_;
  absl::Mutex mutex_;
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the certificates.
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mutex_);
};

struct Environment {
  explicit Environment(server::Node* served);

  server::Node* const node;
  const Bounds bounds;
  Authority authority;
  RequestBudget appends;
  RequestBudget readers;
  SlowAppendLog slow_appends;
  Quotas quotas;
  PeerChannels channels;
  StreamRegistry streams;
};

// Time that the call has left, in microseconds: the caller's deadline within the bounds above.
[[nodiscard]] int64_t TimeLeftUs(const grpc::ServerContextBase& context);
// The same as a moment of the node's monotonic clock.
[[nodiscard]] MonoMicros DeadlineOf(const grpc::ServerContextBase& context,
                                    const server::Node& node);

// The moment `wait_us` from now, as gRPC's alarms take it.
[[nodiscard]] gpr_timespec After(int64_t wait_us);

[[nodiscard]] bool WantsRedirect(const grpc::ServerContextBase& context);

// The group of a named log, if this node has a replica of it. `log_id` 0 skips the check.
// Rejections: those of Node::Resolve; NOT_LEADER, naming a replica, when others have the log.
[[nodiscard]] std::variant<GroupId, server::Rejection> Route(const server::Node& node,
                                                             std::string_view log, uint64_t log_id);

// The quotas that an append to `log` counts against: the log's, and that of the caller's tenant.
[[nodiscard]] QuotaBill BillFor(Environment& environment, std::string_view log,
                                const std::optional<server::TenantQuota>& tenant);

// Counts an append that is being answered (its `ended` is now), and logs it if it was slow.
void CountAppend(Environment& environment, AnsweredAppend append);

// A group knows its leader's id, not its address: it leaves the id in `actual`. Puts the
// address in its place. No effect on other refusals.
void NameLeader(server::Rejection& rejection, const server::Node& node);

// A refusal of this node because it is being stopped.
[[nodiscard]] server::Rejection ShuttingDown(std::string_view log);

}  // namespace cairn::rpc
