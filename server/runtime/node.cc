#include "server/runtime/node.h"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/runtime/formation.h"
#include "server/runtime/formation_client.h"
#include "server/runtime/group_host.h"
#include "server/runtime/memory_keeper.h"
#include "server/runtime/metered_store.h"
#include "server/runtime/metrics_snapshot.h"
#include "server/runtime/repair_turn.h"
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

std::string DrawClusterId() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

uint64_t FreeBytes(const std::string& dir) {
  struct statvfs info;
  if (statvfs(dir.c_str(), &info) != 0) return 0;
  return uint64_t{info.f_bavail} * info.f_frsize;
}

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

Rejection Stopping(std::string_view log) {
  Rejection rejection;
  rejection.info.set_reason(cairn::v1::REASON_SHUTTING_DOWN);
  rejection.info.set_log(std::string(log));
  rejection.message = "the node is stopping";
  return rejection;
}

}  // namespace

// The node's own thread forms the cluster, then makes the host and keeps it going; it alone
// writes `host`, which everybody else sees once it is complete.
struct Node::Impl {
  Impl(NodeConfig config_in, NodeSeams seams_in)
      : config(std::move(config_in)), seams(std::move(seams_in)) {}

  absl::Status OpenStore();
  absl::Status StartHost();
  void Run();
  // One round of the own thread's work; returns the pause until the next one.
  int64_t Round();
  int64_t FormingRound();
  void RestMemory();
  void LookForDamage();
  [[nodiscard]] bool IsWhole() const;
  bool TryToBeSpared();
  // The same while the store is being opened; blocks for up to a second for each member.
  bool CanBeSpared(const storage::NodeIdentity& self);
  void Wake();
  void Fail(const absl::Status& status);
  [[nodiscard]] GroupHost* host() const { return host_ready.load(std::memory_order_acquire); }
  [[nodiscard]] Metrics::Snapshot LookAtEverything() const;
  [[nodiscard]] bool Awake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return woken || stop_thread;
  }

  NodeConfig config;
  const NodeSeams seams;
  const Clock& clock = SystemClock();
  const MonoMicros started_at = clock.Mono();
  Metrics metrics;
  AuditLog audit{config.name, config.audit_file, &clock};
  std::unique_ptr<storage::LogStore> store;
  uint64_t watermark_bytes = 0;  // From OpenStore on.
  std::unique_ptr<NodeTls> tls;  // Null: everything is in clear.
  FormationClient formation_client;
  RepairTurn repair_turn{&formation_client};
  std::unique_ptr<Formation> formation;
  std::unique_ptr<GroupHost> host_owner;
  std::atomic<GroupHost*> host_ready{nullptr};
  std::atomic<bool> draining{false};
  std::atomic<bool> wants_restart{false};
  std::thread thread;
  // ---- The own thread's ----
  MonoMicros said_why_at = 0;
  MemoryKeeper memory;
  bool told_of_damage = false;

  mutable absl::Mutex mutex;
  bool woken ABSL_GUARDED_BY(mutex) = false;
  bool stop_thread ABSL_GUARDED_BY(mutex) = false;
  absl::Status failure ABSL_GUARDED_BY(mutex);
};

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
  if (FreeBytes(config.data_dir) < store->Stats().disk_bytes) return false;
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

// ---- For services -------------------------------------------------------------------------------

std::variant<GroupId, Rejection> Node::Resolve(std::string_view log, uint64_t log_id) const {
  if (impl_->draining) return Stopping(log);
  if (const GroupHost* host = impl_->host()) return host->keeper().Resolve(log, log_id);
  Rejection rejection;
  rejection.info.set_reason(cairn::v1::REASON_NOT_READY);
  rejection.info.set_log(std::string(log));
  rejection.message = NotReady();
  return rejection;
}

bool Node::Post(GroupId group, Event& event) {
  GroupHost* const host = impl_->host();
  return host != nullptr && host->Post(group, event);
}

bool Node::PostAndRun(GroupId group, Event& event) {
  GroupHost* const host = impl_->host();
  return host != nullptr && host->PostAndRun(group, event);
}

void Node::PostUrgent(GroupId group, Event event) {
  if (GroupHost* host = impl_->host()) host->PostUrgent(group, std::move(event));
}

std::shared_ptr<const CatalogView> Node::catalog() const {
  static const auto* const kEmpty =
      new std::shared_ptr<const CatalogView>(std::make_shared<const CatalogView>());
  const GroupHost* host = impl_->host();
  return host != nullptr ? host->keeper().view() : *kEmpty;
}

const AccessState& Node::access() const {
  static const auto* const kNothingKnown = new AccessState();
  const GroupHost* host = impl_->host();
  return host != nullptr ? host->keeper().access() : *kNothingKnown;
}

AuditLog& Node::audit() { return impl_->audit; }

NodeStatus Node::Status() const {
  NodeStatus status;
  status.name = impl_->config.name;
  status.uptime_ms =
      static_cast<uint64_t>((impl_->clock.Mono() - impl_->started_at) / kMicrosPerMilli);
  status.disk_free_bytes = FreeBytes(impl_->config.data_dir);
  if (const GroupHost* host = impl_->host()) {
    status.node_id = host->self();
    status.cluster_id = host->book().cluster_id();
  }
  const absl::Status failure = Failure();
  status.detail = NotReady();
  if (!failure.ok()) {
    status.state = "failed";
  } else if (impl_->draining) {
    status.state = "draining";
  } else if (!status.detail.empty()) {
    status.state = "forming";
  } else {
    status.state = impl_->store->HasSpace() ? "ready" : "storage_full";
  }
  return status;
}

std::string Node::NotReady() const {
  const absl::Status failure = Failure();
  if (!failure.ok()) return std::string(failure.message());
  if (impl_->draining) return "the node is stopping";
  const GroupHost* host = impl_->host();
  if (host == nullptr) {
    return impl_->formation == nullptr ? "the node is starting"
                                       : fmt::format("the cluster is forming; waiting for {}",
                                                     impl_->formation->waiting_for());
  }
  if (host->keeper().view()->catalog.cluster_id().empty()) {
    return "waiting for a majority of the members, to read the catalog";
  }
  if (access().mode() != AccessState::Mode::kUnknown) return "";
  return "waiting for a leader, to know who may do what";
}

std::vector<GroupView> Node::Groups() const {
  const GroupHost* host = impl_->host();
  return host != nullptr ? host->Views() : std::vector<GroupView>();
}

std::string Node::AddressOf(NodeId node) const {
  const GroupHost* host = impl_->host();
  return host != nullptr ? host->book().AddressOf(node) : "";
}

std::vector<std::string> Node::MemberAddresses() const {
  std::vector<std::string> addresses;
  for (const InitialMember& member : impl_->config.initial_cluster) {
    addresses.push_back(member.address);
  }
  const GroupHost* host = impl_->host();
  if (host == nullptr) return addresses;
  for (std::string& address : host->book().Addresses()) addresses.push_back(std::move(address));
  return addresses;
}

NodeTls* Node::tls() const { return impl_->tls.get(); }
const NodeConfig& Node::config() const { return impl_->config; }
Metrics& Node::metrics() { return impl_->metrics; }
const Clock& Node::clock() const { return impl_->clock; }

Metrics::Snapshot Node::Impl::LookAtEverything() const {
  Metrics::Snapshot now;
  now.uptime_ms = static_cast<uint64_t>((clock.Mono() - started_at) / kMicrosPerMilli);
  now.disk_free_bytes = FreeBytes(config.data_dir);
  now.watermark_bytes = watermark_bytes;
  if (tls != nullptr) {
    for (const TlsExpiry& expiry : tls->Now()->expiries) {
      const int64_t left_s = expiry.not_after_s - clock.Wall() / kMicrosPerSecond;
      now.certificate_seconds.emplace_back(expiry.file, left_s);
    }
  }
  if (const GroupHost* running = host()) {
    const cairn::v1::FormRequest formed = running->book().Formed();
    now.peers = static_cast<uint64_t>(formed.members_size()) - 1;
    now.peers_connected = running->connected_peers();
    AddGroupsTo(running->Views(), formed, running->self(), config.metrics_per_log, now);
    now.has_space = store->HasSpace();
    now.damaged = !store->Damage().empty();
    now.whole = IsWhole();
    AddStoreTo(store->Stats(), now);
  }
  return now;
}

Metrics::Snapshot Node::Measure() const { return impl_->LookAtEverything(); }

std::string Node::MetricsText() const {
  Metrics::Snapshot now = Measure();
  now.ready = NotReady().empty();
  return impl_->metrics.Text(now);
}

// ---- For the peer service
// -------------------------------------------------------------------------

cairn::v1::ExchangeResponse Node::CheckHello(const cairn::v1::PeerHello& hello) {
  cairn::v1::ExchangeResponse answer;
  GroupHost* host = impl_->host();
  if (host == nullptr) {
    answer.set_refusal("this node's cluster is still forming");
    return answer;
  }
  PeerBook::Answer checked = host->book().Check(hello);
  if (checked.news) impl_->Wake();
  answer.set_refusal(std::move(checked.refusal));
  answer.set_removed(checked.removed);
  return answer;
}

bool Node::WasRemoved(NodeId node) const {
  const GroupHost* host = impl_->host();
  return host != nullptr && host->book().WasRemoved(node);
}

void Node::Receive(NodeId from, cairn::v1::ExchangeRequest& request) {
  if (GroupHost* host = impl_->host()) host->Receive(from, request);
}

cairn::v1::IntroduceResponse Node::Introduce(const cairn::v1::IntroduceRequest& request) {
  CHECK(impl_->formation != nullptr);
  cairn::v1::IntroduceResponse response = impl_->formation->Introduce(request);
  response.set_whole(impl_->IsWhole());
  response.set_wants_repair(impl_->repair_turn.intends());
  return response;
}

cairn::v1::FormResponse Node::Form(const cairn::v1::FormRequest& request) {
  CHECK(impl_->formation != nullptr);
  cairn::v1::FormResponse response = impl_->formation->Form(request);
  impl_->Wake();
  return response;
}

}  // namespace cairn::server
