// Node's other half: what services and peers ask of it while it runs.

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "server/log_facts.h"
#include "server/runtime/metrics_snapshot.h"
#include "server/runtime/node_impl.h"

namespace cairn::server {
namespace {

Rejection Stopping(std::string_view log) {
  Rejection rejection;
  rejection.info.set_reason(cairn::v1::REASON_SHUTTING_DOWN);
  rejection.info.set_log(std::string(log));
  rejection.message = "the node is stopping";
  return rejection;
}

}  // namespace

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
  status.disk_free_bytes = impl_->FreeBytes();
  if (const GroupHost* host = impl_->host()) {
    status.node_id = host->self();
    status.cluster_id = host->book().cluster_id();
    if (host->archive() != nullptr) status.archive_location = host->archive()->location();
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

Archive* Node::archive() const {
  const GroupHost* host = impl_->host();
  return host != nullptr ? host->archive() : nullptr;
}

bool Node::ReadsArchive(GroupId group) const {
  if (archive() == nullptr) return false;
  const auto view = catalog();
  const CatalogLog* const log = view->catalog.Find(group);
  return log != nullptr && IsArchived(log->settings, config().archive_logs == "all");
}

NodeTls* Node::tls() const { return impl_->tls.get(); }
const NodeConfig& Node::config() const { return impl_->config; }
Metrics& Node::metrics() { return impl_->metrics; }
const Clock& Node::clock() const { return impl_->clock; }

Metrics::Snapshot Node::Impl::LookAtEverything() const {
  Metrics::Snapshot now;
  now.uptime_ms = static_cast<uint64_t>((clock.Mono() - started_at) / kMicrosPerMilli);
  now.disk_free_bytes = FreeBytes();
  now.watermark_bytes = watermark_bytes;
  if (tls != nullptr) {
    for (const TlsExpiry& expiry : tls->Expiries()) {
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
    if (running->archive() != nullptr) now.archive_lag_us = running->archive()->LagUs();
  }
  return now;
}

Metrics::Snapshot Node::Measure() const { return impl_->LookAtEverything(); }

std::string Node::MetricsText() const {
  Metrics::Snapshot now = Measure();
  now.ready = NotReady().empty();
  return impl_->metrics.Text(now);
}

// ---- For the peer service ----------------------------------------------------------------------

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

void Node::SendRun(const cairn::v1::RunFetch& wanted, SocketStream& stream) {
  if (const GroupHost* host = impl_->host()) host->SendRun(wanted, stream);
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
