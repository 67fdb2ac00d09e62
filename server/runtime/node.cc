#include "server/runtime/node.h"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/runtime/metered_store.h"
#include "server/runtime/node_impl.h"
#include "storage/rocks_log_store.h"

namespace cairn::server {
namespace {

// Pauses of the node's own thread: between rounds of asking; while the catalog is empty or replicas
// are being moved; and when there is nothing to hurry for.
constexpr int64_t kFormingPauseMs = 200;
constexpr int64_t kBusyPauseMs = 20;
constexpr int64_t kIdlePauseMs = 1000;
constexpr int64_t kSayWhyEveryUs = 5 * kMicrosPerSecond;
constexpr int64_t kDrainPollMs = 5;
// A node that restarts itself to be repaired does so no more often than this.
constexpr int64_t kMinUptimeUs = 10 * kMicrosPerSecond;

// Whether others have what the node of this directory holds.
bool HasPeers(const std::string& formed) {
  cairn::v1::FormRequest cluster;
  return cluster.ParseFromString(formed) && cluster.members_size() > 1;
}

// Leaderships that somebody else could take over.
bool HasLeaderships(const std::vector<GroupView>& views) {
  return std::any_of(views.begin(), views.end(), [](const GroupView& view) {
    return !view.halted && view.role == consensus::Role::kLeader && view.voters.size() > 1;
  });
}

}  // namespace

uint64_t Node::Impl::FreeBytes() const {
  struct statvfs info;
  if (statvfs(config.data_dir.c_str(), &info) != 0) return 0;
  return uint64_t{info.f_bavail} * info.f_frsize;
}

// ---- Start and stop ---------------------------------------------------------------------------

Node::Node(NodeConfig config, NodeSeams seams)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(seams))) {}

Node::~Node() { Stop(); }

absl::Status Node::Impl::OpenStore() {
  storage::RocksOptions options;
  options.dir = config.data_dir;
  options.memtable_bytes = config.memtable_bytes;
  options.watermark_bytes = config.storage_watermark_bytes;
  options.trash_keep_us = static_cast<int64_t>(config.trash_keep_ms) * 1000;
  options.clock = &clock;
  options.peers_hold_it = HasPeers;
  options.peers_can_spare_it = [this](const storage::NodeIdentity& self) {
    return CanBeSpared(self);
  };
  options.boot_id = seams.boot_id;
  options.hooks = seams.store_hooks;
  watermark_bytes = storage::WatermarkBytes(options);
  ASSIGN_OR_RETURN(auto opened, storage::RocksLogStore::Open(std::move(options)));
  store = std::make_unique<MeteredStore>(std::move(opened), &clock, &metrics);
  const bool sound = store->Verdict() == storage::RecoveryVerdict::kSound;
  spdlog::log(sound ? spdlog::level::info : spdlog::level::warn, "data directory {}: {}",
              config.data_dir, store->VerdictDetail());
  return absl::OkStatus();
}

absl::Status Node::Start() {
  Impl& node = *impl_;
  CHECK(node.store == nullptr);
  RETURN_IF_ERROR(node.audit.Open());
  ASSIGN_OR_RETURN(node.tls, NodeTls::Make(node.config));
  node.formation_client.UseTls(node.tls.get());
  RETURN_IF_ERROR(node.OpenStore());
  node.formation = std::make_unique<Formation>(&node.config, node.store.get(),
                                               &node.formation_client, DrawClusterId);
  RETURN_IF_ERROR(node.formation->Load());
  if (node.formation->formed()) RETURN_IF_ERROR(node.StartHost());
  node.thread = std::thread([&node] { node.Run(); });
  return absl::OkStatus();
}

absl::Status Node::Impl::StartHost() {
  const cairn::v1::FormRequest formed = *formation->formed();
  ASSIGN_OR_RETURN(const NodeId self, FindSelf(formed, config.name, store->Identity().incarnation));
  spdlog::info("node {} ({}) of cluster {}, {} members", self, config.name, formed.cluster_id(),
               formed.members_size());
  host_owner = std::make_unique<GroupHost>(GroupHost::Parts{.config = &config,
                                                            .store = store.get(),
                                                            .clock = &clock,
                                                            .metrics = &metrics,
                                                            .tls = tls.get(),
                                                            .calls = &formation_client,
                                                            .wake = [this] { Wake(); }},
                                           formed, self);
  RETURN_IF_ERROR(host_owner->Start());
  host_ready.store(host_owner.get(), std::memory_order_release);
  return absl::OkStatus();
}

void Node::Drain(int64_t timeout_ms) {
  impl_->draining = true;
  GroupHost* const host = impl_->host();
  if (host == nullptr) return;
  host->DrainAll();
  const MonoMicros deadline = impl_->clock.Mono() + timeout_ms * kMicrosPerMilli;
  while (HasLeaderships(host->Views()) && impl_->clock.Mono() < deadline) {
    absl::SleepFor(absl::Milliseconds(kDrainPollMs));
  }
}

void Node::Stop() {
  impl_->draining = true;
  {
    absl::MutexLock lock(&impl_->mutex);
    impl_->stop_thread = true;
  }
  if (impl_->thread.joinable()) impl_->thread.join();
  if (impl_->host_owner != nullptr) impl_->host_owner->Stop();
}

// ---- The node's own thread ----------------------------------------------------------------------

void Node::Impl::Wake() {
  absl::MutexLock lock(&mutex);
  woken = true;
}

void Node::Impl::Fail(const absl::Status& status) {
  spdlog::critical("{}", ToStd(status.message()));
  absl::MutexLock lock(&mutex);
  failure = status;
}

void Node::Impl::Run() {
  while (true) {
    const int64_t pause_ms = Round();
    absl::MutexLock lock(&mutex);
    if (!failure.ok()) mutex.Await(absl::Condition(&stop_thread));
    mutex.AwaitWithTimeout(absl::Condition(this, &Impl::Awake), absl::Milliseconds(pause_ms));
    woken = false;
    if (stop_thread) return;
  }
}

int64_t Node::Impl::Round() {
  if (tls != nullptr) tls->WatchExpiries();
  if (host() == nullptr) return FormingRound();
  const absl::StatusOr<bool> busy = host_owner->Work();
  if (!busy.ok()) {
    Fail(busy.status());
    return 0;
  }
  RestMemory();
  LookForDamage();
  return *busy ? kBusyPauseMs : kIdlePauseMs;
}

void Node::Impl::RestMemory() {
  const auto read_bytes = static_cast<uint64_t>(metrics.tail_bytes_total.Value());
  if (memory.Look(store->Stats().wal_bytes + read_bytes, clock.Mono())) malloc_trim(/*pad=*/0);
}

void Node::Impl::LookForDamage() {
  const std::string damage = store->Damage();
  if (damage.empty() || wants_restart) return;
  if (!std::exchange(told_of_damage, true)) {
    metrics.alarms_total.Increment();
    spdlog::error("the database is damaged: {}. {}", damage,
                  HasPeers(store->Identity().formed)
                      ? "This node starts again to have it rebuilt, once all nodes are whole"
                      : "No other node has the data: it goes on with what can be read");
  }
  wants_restart = TryToBeSpared();
}

bool Node::Impl::IsWhole() const {
  // Under a verdict that stands, a restart would put all of them in doubt again.
  return host() != nullptr && store->Verdict() == storage::RecoveryVerdict::kSound &&
         AllAreWhole(host()->Views(), host()->keeper().view()->catalog, host()->self());
}

bool Node::Impl::TryToBeSpared() {
  if (clock.Mono() - started_at < kMinUptimeUs || draining || !IsWhole()) return false;
  if (FreeBytes() < store->Stats().disk_bytes) return false;
  if (!repair_turn.Decide(host()->book().Formed(), host()->self())) return false;
  const absl::Status asked = store->RebuildAtNextOpen();
  if (!asked.ok()) Fail(asked);
  return asked.ok();
}

bool Node::Impl::CanBeSpared(const storage::NodeIdentity& self) {
  cairn::v1::FormRequest cluster;
  if (!cluster.ParseFromString(self.formed)) return false;
  const absl::StatusOr<NodeId> id = FindSelf(cluster, config.name, self.incarnation);
  // A turn of its own: what is decided here is over with the start.
  const bool spared = id.ok() && RepairTurn(&formation_client).Decide(cluster, *id);
  if (!spared) spdlog::warn("the damaged database is not rebuilt now: others need it as it is");
  return spared;
}

bool Node::WantsRestart() const { return impl_->wants_restart; }

int64_t Node::Impl::FormingRound() {
  absl::StatusOr<bool> formed = formation->Step();
  if (formed.ok() && *formed) {
    const absl::Status started = StartHost();
    if (!started.ok()) Fail(started);
    return 0;
  }
  if (!formed.ok()) {
    Fail(formed.status());
    return 0;
  }
  const MonoMicros now = clock.Mono();
  if (said_why_at == 0 || now - said_why_at >= kSayWhyEveryUs) {
    said_why_at = now;
    spdlog::info("the cluster is forming; waiting for {}", formation->waiting_for());
  }
  return kFormingPauseMs;
}

absl::Status Node::Failure() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->failure;
}

}  // namespace cairn::server
