// Formation: how nodes with empty directories become a cluster, once (design section 9).
//
// Each node asks all members of its --initial-cluster who they are. Only when every one of
// them answers, is empty, and was given the same list does the member with the smallest
// name draw the cluster's id, number the members by name, and write that down; then it tells
// the others, who write it down before they answer. A node that misses it learns it by asking
// again. Waiting for all is what makes it safe: a member that is down could have a cluster in
// its directory.
//
// What is written down names the incarnation of every member's directory. So a directory that
// was wiped is told apart from the one that voted: such a node is refused, for ever.
//
// Crash cases: (1) the coordinator stops before it wrote: nothing has happened; (2) after it
// wrote, before it told anybody: the others ask it when it is back, and adopt the same
// cluster; (3) a member stops before it wrote: as (2). No two ids can come out, since only one
// name may draw, and it draws only into an empty directory.
//
// With --join there is nothing to form: the node asks members of the running cluster to be let in
// (decision 026), and writes down what they answer. So does a node with an empty directory that
// finds its cluster formed without it: an operator may have made room for its name anew.
//
// Threads: Step from one thread; all else from any. Step and Form write to disk.
// Lifetime: config, store and peers outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/ids.h"
#include "cairn/v1/peer.pb.h"
#include "server/runtime/config.h"
#include "storage/log_store.h"

namespace cairn::server {

// Asks other nodes; may block for about a second.
class FormationPeers {
 public:
  virtual ~FormationPeers() = default;
  virtual absl::StatusOr<cairn::v1::IntroduceResponse> Introduce(
      const std::string& address, const cairn::v1::IntroduceRequest& request) = 0;
  virtual absl::StatusOr<cairn::v1::FormResponse> Form(const std::string& address,
                                                       const cairn::v1::FormRequest& request) = 0;
  // May block for some seconds. Errors: kInvalidArgument: waiting cannot help.
  virtual absl::StatusOr<cairn::v1::JoinResponse> Join(const std::string& address,
                                                       const cairn::v1::JoinRequest& request) = 0;
};

// The member that `formed` says this directory is. Errors: kFailedPrecondition when the name
// or the incarnation is another one's, with the way out.
absl::StatusOr<NodeId> FindSelf(const cairn::v1::FormRequest& formed, std::string_view name,
                                uint64_t incarnation);

// 32 random hex digits.
std::string DrawClusterId();

class Formation {
 public:
  // `draw_cluster_id` yields 32 hex digits; called at most once.
  Formation(const NodeConfig* config, storage::LogStore* store, FormationPeers* peers,
            std::string (*draw_cluster_id)());
  Formation(const Formation&) = delete;
  Formation& operator=(const Formation&) = delete;

  // Reads what the directory knows. Errors: kFailedPrecondition, kDataLoss: it is not this
  // node's.
  absl::Status Load();

  // One round of asking. Returns whether the cluster is formed.
  // Errors: kFailedPrecondition: waiting cannot help; the message tells the way out.
  absl::StatusOr<bool> Step();

  // Set once the cluster is formed.
  [[nodiscard]] std::optional<cairn::v1::FormRequest> formed() const;
  // Whom it waits for and why, for people; empty when formed.
  [[nodiscard]] std::string waiting_for() const;

  // ---- What others ask this node ---------------------------------------------------------
  cairn::v1::IntroduceResponse Introduce(const cairn::v1::IntroduceRequest& request) const;
  cairn::v1::FormResponse Form(const cairn::v1::FormRequest& request);

 private:
  // Why `answer` of `member` is not what forming needs; "" when it is.
  [[nodiscard]] std::string WhyNot(const InitialMember& member,
                                   const cairn::v1::IntroduceResponse& answer) const;
  // One round of asking these members to be let in. Errors: kFailedPrecondition: one says never.
  absl::StatusOr<bool> Join(const std::vector<std::string>& addresses);
  absl::StatusOr<bool> Coordinate(const std::vector<cairn::v1::IntroduceResponse>& others);
  // Writes `formed` down unless something is written already.
  // Errors: kFailedPrecondition: another cluster, or not this directory; others: the disk's.
  absl::Status Adopt(const cairn::v1::FormRequest& formed);

  const NodeConfig* const config_;
  storage::LogStore* const store_;
  FormationPeers* const peers_;
  std::string (*const draw_cluster_id_)();
  const uint64_t incarnation_;
  const uint64_t hash_;

  absl::Mutex adopt_mutex_;  // Held while the one write is made.
  mutable absl::Mutex mutex_;
  std::optional<cairn::v1::FormRequest> formed_ ABSL_GUARDED_BY(mutex_);
  std::string waiting_for_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
