#include "server/runtime/group_host.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "server/runtime/wire_codec.h"

namespace cairn::server {
namespace {

// Often enough that an election timeout, of three ticks or more, misses none.
constexpr int64_t kPulseTicks = 1;
// Of what replicas are filled with: a moment, or the burst itself would be felt.
constexpr int64_t kFillBurstUs = 50 * kMicrosPerMilli;
constexpr MonoMicros kProposalTimeoutUs = 5 * kMicrosPerSecond;

uint64_t DrawSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

cairn::v1::PeerHello HelloOf(const NodeConfig& config, const cairn::v1::FormRequest& formed,
                             NodeId self, uint64_t incarnation) {
  cairn::v1::PeerHello hello;
  hello.set_from_address(config.advertise);
  hello.set_cluster_id(formed.cluster_id());
  hello.set_from_node_id(self.value());
  hello.set_from_incarnation(incarnation);
  hello.set_protocol(kPeerProtocol);
  return hello;
}

PeerLinkOptions LinkOptions(const NodeConfig& config, const cairn::v1::FormRequest& formed,
                            NodeId self, uint64_t incarnation, NodeTls* tls) {
  PeerLinkOptions options;
  options.hello = HelloOf(config, formed, self, incarnation);
  options.tls = tls;
  options.queue_bytes = config.peer_queue_bytes;
  options.request_bytes = config.peer_message_bytes;
  options.random_seed = DrawSeed();
  return options;
}

}  // namespace

GroupHost::GroupHost(Parts parts, cairn::v1::FormRequest formed, NodeId self)
    : parts_(std::move(parts)),
      formed_(std::move(formed)),
      self_(self),
      store_(parts_.store),
      clock_(parts_.clock),
      metrics_(parts_.metrics),
      book_(formed_, self),
      steward_(self, clock_, static_cast<StewardPorts*>(this)),
      saved_(store_->Identity().formed),
      pulse_(parts_.config->workers, kPulseTicks * parts_.config->tick_us(),
             parts_.config->election_ticks * parts_.config->tick_us()),
      filling_(kFillBurstUs),
      commits_(store_),
      reads_(store_, &filling_),
      run_sender_(store_, &filling_, metrics_),
      run_fetcher_({.hello = HelloOf(*parts_.config, formed_, self, store_->Identity().incarnation),
                    .tls = parts_.tls,
                    .address_of = [this](NodeId node) { return book_.AddressOf(node); },
                    .gives_way = parts_.config->fill_bytes_per_second != 0},
                   store_),
      archive_(Archive::Make(parts_.config, static_cast<ArchiverPorts*>(this), clock_, metrics_)) {
  filling_.SetRate(parts_.config->fill_bytes_per_second);
  const NodeConfig* const config = parts_.config;
  std::vector<Worker*> workers;
  for (uint32_t i = 0; i < config->workers; ++i) {
    const Worker::Options options{.number = i,
                                  .mailbox_capacity = config->mailbox_events,
                                  .cache_bytes = config->cache_bytes / config->workers,
                                  .tick_us = config->tick_us(),
                                  .random_seed = DrawSeed()};
    workers_.push_back(std::make_unique<Worker>(options, clock_, static_cast<WorkerPorts*>(this)));
    workers.push_back(workers_.back().get());
  }
  keeper_ = std::make_unique<GroupKeeper>(config, self, store_, std::move(workers), parts_.wake);
  transport_ = std::make_unique<PeerTransport>(
      LinkOptions(*config, formed_, self, store_->Identity().incarnation, parts_.tls),
      static_cast<LinkListener*>(this), metrics_);
}

GroupHost::~GroupHost() { Stop(); }

absl::Status GroupHost::Start() {
  // Who joins later is made a learner of the catalog by those who hold it.
  std::vector<NodeId> voters;
  for (const cairn::v1::FormMember& member : formed_.members()) {
    if (!formed_.joined()) voters.push_back(NodeId(member.node_id()));
  }
  std::sort(voters.begin(), voters.end());
  RETURN_IF_ERROR(keeper_->Open(voters));
  for (const std::unique_ptr<Worker>& worker : workers_) worker->Start();
  if (archive_ != nullptr) archive_->Start();
  return FollowMembers();
}

void GroupHost::Stop() {
  if (std::exchange(stopped_, true)) return;
  if (archive_ != nullptr) archive_->Stop();
  run_fetcher_.Stop();  // Runs that are not taken go, before the store does.
  for (const std::unique_ptr<Worker>& worker : workers_) worker->Stop();
  if (archive_ != nullptr) archive_->Join();
  transport_->Stop();
  reads_.Stop();
  commits_.Stop();
}

absl::Status GroupHost::FollowMembers() {
  book_.Update(keeper_->view()->catalog);
  if (book_.WasRemoved(self_)) OnRemoved("the catalog says so");
  std::vector<Peer> peers = book_.Peers();
  if (peers != connected_to_) {
    transport_->SetPeers(peers);
    connected_to_ = std::move(peers);
  }
  const bool knows = keeper_->access().mode() != AccessState::Mode::kUnknown;
  std::string now = book_.Formed().SerializeAsString();
  if (!knows || now == saved_ || book_.WasRemoved(self_)) return absl::OkStatus();
  RETURN_IF_ERROR(store_->SetFormed(now));
  saved_ = std::move(now);
  return absl::OkStatus();
}

absl::Status GroupHost::Settle(NodeId leader, const cairn::v1::SettleRequest& request) {
  return parts_.calls->Settle(book_.AddressOf(leader), request);
}

// ---- Events in ------------------------------------------------------------------------------

bool GroupHost::Post(GroupId group, Event& event) {
  GroupEvent posted{group, std::move(event)};
  if (keeper_->WorkerOf(group).Post(posted)) return true;
  event = std::move(posted.event);
  return false;
}

bool GroupHost::PostAndRun(GroupId group, Event& event) {
  GroupEvent posted{group, std::move(event)};
  Worker& worker = keeper_->WorkerOf(group);
  if (!worker.Post(posted, Wake::kNo)) {
    event = std::move(posted.event);
    return false;
  }
  worker.RunHere();
  return true;
}

void GroupHost::PostUrgent(GroupId group, Event event) {
  keeper_->WorkerOf(group).PostUrgent({group, std::move(event)});
}

void GroupHost::Receive(NodeId from, cairn::v1::ExchangeRequest& request) {
  if (request.pulse()) {
    absl::MutexLock lock(&pulse_mutex_);
    pulse_.OnPulse(from, clock_->Mono());
  }
  metrics_->peer_messages_received_total.Increment(request.messages_size());
  std::vector<Worker*> posted;
  for (cairn::v1::WireMessage& wire : *request.mutable_messages()) {
    auto message = DecodeMessage(std::move(wire));
    if (!message.ok() || message->message.to != self_) {
      metrics_->peer_undecodable_total.Increment();
      continue;
    }
    GroupEvent event{message->group, PeerMessage{std::move(message->message)}};
    Worker& worker = keeper_->WorkerOf(event.group);
    if (!worker.Post(event, Wake::kNo)) {
      metrics_->peer_dropped_mailbox_total.Increment();
    } else if (std::find(posted.begin(), posted.end(), &worker) == posted.end()) {
      posted.push_back(&worker);
    }
  }
  for (Worker* worker : posted) worker->RunHere();
}

void GroupHost::DrainAll() {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->DrainAll();
}

std::vector<GroupView> GroupHost::Views() const {
  std::vector<GroupView> all;
  for (const std::unique_ptr<Worker>& worker : workers_) {
    std::vector<GroupView> views = worker->Views();
    std::move(views.begin(), views.end(), std::back_inserter(all));
  }
  std::sort(all.begin(), all.end(),
            [](const GroupView& a, const GroupView& b) { return a.group < b.group; });
  return all;
}

// ---- Ports ------------------------------------------------------------------------------------

void GroupHost::Send(std::vector<OutMessage> messages) { transport_->Send(std::move(messages)); }

void GroupHost::Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) {
  commits_.Submit(std::move(batch), sink, ticket);
}

void GroupHost::Read(storage::ReadRequest request, storage::ReadSink* sink) {
  metrics_->cold_reads_total.Increment();
  reads_.Submit(std::move(request), sink);
}

void GroupHost::Fetch(RunRequest request, FetchSink* sink) {
  run_fetcher_.Submit(std::move(request), sink);
}

void GroupHost::OnCatalogChange(const CatalogChange& change) { keeper_->OnCatalogChange(change); }

void GroupHost::Alarm(const std::string& line) {
  metrics_->alarms_total.Increment();
  spdlog::error("{}", line);
}

storage::Room GroupHost::FreeRoom() const { return store_->FreeRoom(); }

void GroupHost::OnLink(LinkChange change) {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->Broadcast(change);
}

void GroupHost::OnTicked(uint32_t worker) {
  NodePulse::Due due;
  {
    absl::MutexLock lock(&pulse_mutex_);
    due = pulse_.OnTick(worker, clock_->Mono());
  }
  for (const LinkChange& change : due.changes) OnLink(change);
  if (due.pulse) transport_->Pulse();
}

void GroupHost::OnRemoved(const std::string& refusal) {
  {
    absl::MutexLock lock(&mutex_);
    removed_ = fmt::format(
        "this node is told that it is no member any more ({}): its data directory is of no more "
        "use. To have a node here again: `cairn cluster add`, an empty data directory, --join",
        refusal);
  }
  parts_.wake();
}

// ---- The node's own thread ----------------------------------------------------------------------

absl::StatusOr<bool> GroupHost::Work() {
  {
    absl::MutexLock lock(&mutex_);
    if (!removed_.empty()) return absl::FailedPreconditionError(ToAbsl(removed_));
  }
  for (const std::string& line : keeper_->Work()) Alarm(line);
  ProposeFormed();
  SettleVerdict();
  RETURN_IF_ERROR(FollowMembers());
  const bool young = keeper_->view()->catalog.cluster_id().empty();
  return steward_.Work(Views(), keeper_->view()->catalog) || young;
}

void GroupHost::ProposeFormed() {
  if (proposing_ || !keeper_->view()->catalog.cluster_id().empty()) return;
  const std::vector<GroupView> views = keeper_->WorkerOf(kCatalogGroup).Views();
  if (views.empty() || views.front().role != consensus::Role::kLeader) return;
  CatalogOp op;
  cairn::v1::ClusterFormed& cluster = *op.command.mutable_cluster_formed();
  cluster.set_cluster_id(formed_.cluster_id());
  for (const cairn::v1::FormMember& in : formed_.members()) {
    cairn::v1::Member& member = *cluster.add_members();
    member.set_node_id(in.node_id());
    member.set_name(in.name());
    member.set_address(in.address());
    member.set_zone(in.zone());
    member.set_incarnation(in.incarnation());
  }
  proposing_ = true;
  PostUrgent(kCatalogGroup, Request{.reply_to = {this, 0},
                                    .body = std::move(op),
                                    .deadline = clock_->Mono() + kProposalTimeoutUs});
}

void GroupHost::OnReply(uint64_t, Reply reply) {
  // A refusal means that leadership moved or time ran out: the next round looks again.
  if (const auto* refused = std::get_if<Rejection>(&reply)) {
    spdlog::debug("the cluster was not written into the catalog: {}", refused->message);
  }
  proposing_ = false;
}

void GroupHost::SettleVerdict() {
  if (store_->Verdict() == storage::RecoveryVerdict::kSound || !keeper_->all_opened()) return;
  const std::vector<GroupView> views = Views();
  if (!AllAreWhole(views, keeper_->view()->catalog, self_)) return;
  const absl::Status status = store_->ResolveVerdict();
  if (!status.ok()) {
    Alarm(fmt::format("the disk was made whole, but that cannot be noted: {}",
                      ToStd(status.message())));
    return;
  }
  spdlog::info("all groups are whole again: the disk is trusted");
}

}  // namespace cairn::server
