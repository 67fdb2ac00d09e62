#include "tests/fuzz/fuzz_node.h"

#include <utility>

#include "base/check.h"

namespace cairn::fuzz {
namespace {

constexpr uint64_t kSegmentBytes = 2048;
constexpr uint64_t kCacheBytes = 4096;
constexpr size_t kMaxSent = 64;
constexpr int kElectionPatienceTicks = 100;
// What one event may set off. More is a loop.
constexpr int kMaxTurns = 10'000;

}  // namespace

FuzzNode::FuzzNode(int voters)
    : voters_(voters),
      worker_(std::make_unique<server::Worker>(
          server::Worker::Options{.cache_bytes = kCacheBytes, .tick_us = kTickUs, .random_seed = 1},
          &clock_, this)) {}

FuzzNode::~FuzzNode() = default;

void FuzzNode::AddGroup(GroupId group, const std::string& name) {
  server::GroupConfig config;
  config.raft.self = NodeId(1);
  config.tick_us = kTickUs;
  config.segment_bytes = kSegmentBytes;
  config.limits.max_leases = 4;
  config.limits.max_producers = 4;
  server::GroupStart start;
  start.group = group;
  start.name = name;
  for (int i = 1; i <= voters_; ++i) start.initial_voters.push_back(NodeId(i));
  worker_->AddGroup(config, std::move(start), group == kCatalogGroup ? &catalog_ : nullptr);
  groups_.push_back(group);
  Run();
}

void FuzzNode::Run() {
  int turns = 0;
  while (worker_->RunOnce() || Serve()) {
    CheckGroups();
    CHECK_LT(++turns, kMaxTurns);
  }
}

void FuzzNode::Tick(int ticks) {
  for (int i = 0; i < ticks; ++i) {
    clock_.now_us += kTickUs;
    Run();
  }
}

void FuzzNode::Elect(GroupId group) {
  for (int i = 0; !worker_->Find(group)->core().LeadsWithCommittedTerm(); ++i) {
    CHECK_LT(i, kElectionPatienceTicks);
    Tick();
  }
}

bool FuzzNode::Serve() {
  if (written_.empty() && wanted_.empty()) return false;
  for (const Written& written : std::exchange(written_, {})) {
    written.sink->OnCommitted(written.ticket);
  }
  for (const Wanted& wanted : std::exchange(wanted_, {})) {
    wanted.sink->OnRead(storage::PerformRead(store_, wanted.request));
  }
  return true;
}

void FuzzNode::CheckGroups() const {
  for (const GroupId id : groups_) {
    const server::Group* group = worker_->Find(id);
    CHECK(group != nullptr);
    group->CheckInvariants();
  }
}

void FuzzNode::Send(std::vector<server::OutMessage> messages) {
  for (server::OutMessage& message : messages) sent_.push_back(std::move(message));
  while (sent_.size() > kMaxSent) sent_.pop_front();
}

std::optional<server::OutMessage> FuzzNode::TakeSent() {
  if (sent_.empty()) return std::nullopt;
  std::optional<server::OutMessage> sent = std::move(sent_.front());
  sent_.pop_front();
  return sent;
}

void FuzzNode::Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) {
  CHECK(store_.Write(batch).ok());
  written_.push_back({sink, ticket});
}

void FuzzNode::Read(storage::ReadRequest request, storage::ReadSink* sink) {
  wanted_.push_back({std::move(request), sink});
}

// Nobody is there to fetch from.
void FuzzNode::Fetch(server::RunRequest request, server::FetchSink* sink) {
  server::Fetched none{.ticket = request.ticket};
  none.status = absl::UnavailableError("it cannot be reached");
  sink->OnFetched(request.group, std::move(none));
}

void FuzzNode::OnCatalogChange(const server::CatalogChange& /*change*/) {}

void FuzzNode::Alarm(const std::string& line) { CHECK(!line.empty()); }

}  // namespace cairn::fuzz
