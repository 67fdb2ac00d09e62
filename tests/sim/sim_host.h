// SimHost: which groups a simulated node has, and what it does about the cluster's members: the
// real GroupKeeper, Steward and Archiver, in place of the runtime's host
// (server/runtime/group_host.h), whose threads and streams the simulator has no use for.
//
// Threads: the simulator's. Lifetime: the node's process; the worker is destroyed before it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cairn/v1/peer.pb.h"
#include "cairn/v1/store.pb.h"
#include "server/runtime/config.h"
#include "server/runtime/group_keeper.h"
#include "server/runtime/steward.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_archive.h"

namespace cairn::sim {

class SimHost : private server::StewardPorts,
                private server::ArchiverPorts,
                private server::ReplySink {
 public:
  struct Parts {
    NodeId self;
    const Faults* faults;
    // What the founders agreed on; the node is one of them, or joined later and has no say in it.
    const cairn::v1::ClusterFormed* formed;
    storage::LogStore* store;
    server::Worker* worker;
    const Clock* clock;
    std::function<void(GroupId group, server::Event event)> post;
    // To the node that leads the catalog.
    std::function<void(NodeId to, const cairn::v1::SettleRequest& request)> settle;
    std::function<void(std::string)> note;
    SimObjects* objects;  // Where logs are archived; null: they are not.
  };
  explicit SimHost(Parts parts);

  void Open();
  void OnCatalogChange(const server::CatalogChange& change) { keeper_.OnCatalogChange(change); }
  // One round of the node's own thread.
  void Work();
  // After each turn of the worker: lets threads go on that have waited for it.
  void RunThreads();
  // Before the worker goes, and behind it.
  void Stop();
  void Join();
  [[nodiscard]] const server::Catalog& catalog() const;
  // It has read that it is no member any more.
  [[nodiscard]] bool was_removed() const { return catalog().removed().contains(parts_.self); }

 private:
  [[nodiscard]] bool IsFounder() const;
  void ProposeFormed();
  void SettleVerdict();
  // server::StewardPorts; PostUrgent is ArchiverPorts', too.
  void PostUrgent(GroupId group, server::Event event) override;
  absl::Status Settle(NodeId leader, const cairn::v1::SettleRequest& request) override;
  // server::ArchiverPorts.
  [[nodiscard]] std::vector<server::GroupView> Views() const override;
  [[nodiscard]] std::string ClusterId() const override;
  // server::ReplySink.
  void OnReply(uint64_t token, server::Reply reply) override;

  const Parts parts_;
  const server::NodeConfig config_;
  server::GroupKeeper keeper_;
  server::Steward steward_;
  std::unique_ptr<SimArchive> archive_;  // Null: there is none.
  bool proposing_ = false;
  // The keeper's own copy may be replaced while somebody reads it.
  mutable std::shared_ptr<const server::CatalogView> view_;
};

}  // namespace cairn::sim
