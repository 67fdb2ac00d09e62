#include "tests/sim/sim_host.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::sim {
namespace {

constexpr MonoMicros kProposalUs = kMicrosPerSecond;

// As SimNode's groups have it.
server::NodeConfig ConfigOf(const Faults& faults) {
  server::NodeConfig config;
  config.tick_ms = 20;
  config.election_ticks = 10;
  config.lease_reads = faults.lease_nodes > 0;
  config.hibernate_after_ms = uint64_t{faults.hibernate_ticks} * config.tick_ms;
  config.workers = 1;
  config.segment_bytes = faults.segment_bytes;
  if (faults.archive_object_bytes == 0) return config;
  config.archive_logs = "all";
  config.archive_object_bytes = faults.archive_object_bytes;
  config.archive_age_ms = faults.archive_age_ms;
  return config;
}

}  // namespace

SimHost::SimHost(Parts parts)
    : parts_(std::move(parts)),
      config_(ConfigOf(*parts_.faults)),
      keeper_(
          &config_, parts_.self, parts_.store, {parts_.worker}, [] {}, /*run_bytes=*/1),
      steward_(parts_.self, parts_.clock, this) {
  if (parts_.objects == nullptr) return;
  archive_ = std::make_unique<SimArchive>(&config_, static_cast<server::ArchiverPorts*>(this),
                                          parts_.clock, parts_.objects);
}

bool SimHost::IsFounder() const {
  const auto& members = parts_.formed->members();
  return std::any_of(members.begin(), members.end(),
                     [&](const auto& member) { return NodeId(member.node_id()) == parts_.self; });
}

void SimHost::Open() {
  std::vector<NodeId> voters;
  for (const auto& member : parts_.formed->members()) {
    if (IsFounder()) voters.push_back(NodeId(member.node_id()));
  }
  CHECK_EQ(keeper_.Open(voters), absl::OkStatus());
}

const server::Catalog& SimHost::catalog() const {
  view_ = keeper_.view();
  return view_->catalog;
}

void SimHost::Work() {
  for (std::string& alarm : keeper_.Work()) parts_.note(std::move(alarm));
  ProposeFormed();
  SettleVerdict();
  steward_.Work(Views(), catalog());
}

void SimHost::RunThreads() {
  if (archive_ != nullptr) archive_->Run();
}

void SimHost::Stop() {
  if (archive_ != nullptr) archive_->Stop();
}

void SimHost::Join() {
  if (archive_ != nullptr) archive_->Join();
}

void SimHost::ProposeFormed() {
  if (proposing_ || !catalog().cluster_id().empty()) return;
  const std::vector<server::GroupView> views = parts_.worker->Views();
  if (views.empty() || views.front().role != consensus::Role::kLeader) return;
  server::CatalogOp op;
  *op.command.mutable_cluster_formed() = *parts_.formed;
  proposing_ = true;
  PostUrgent(kCatalogGroup, server::Request{.reply_to = {this, 0},
                                            .body = std::move(op),
                                            .deadline = parts_.clock->Mono() + kProposalUs});
}

void SimHost::SettleVerdict() {
  if (parts_.store->Verdict() == storage::RecoveryVerdict::kSound || !keeper_.all_opened()) return;
  if (!server::AllAreWhole(parts_.worker->Views(), catalog(), parts_.self)) return;
  CHECK_EQ(parts_.store->ResolveVerdict(), absl::OkStatus());
}

void SimHost::PostUrgent(GroupId group, server::Event event) {
  parts_.post(group, std::move(event));
}

absl::Status SimHost::Settle(NodeId leader, const cairn::v1::SettleRequest& request) {
  parts_.settle(leader, request);
  return absl::OkStatus();  // Whether it arrives, nobody knows.
}

std::vector<server::GroupView> SimHost::Views() const { return parts_.worker->Views(); }

std::string SimHost::ClusterId() const { return catalog().cluster_id(); }

void SimHost::OnReply(uint64_t, server::Reply) { proposing_ = false; }

}  // namespace cairn::sim
