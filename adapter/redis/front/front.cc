#include "adapter/redis/front/front.h"

#include <asio/ip/tcp.hpp>
#include <utility>

#include "adapter/front/io_threads.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {

absl::StatusOr<std::unique_ptr<Front>> Front::Start(FrontOptions options, FrontHost* host) {
  std::unique_ptr<Front> front(new Front(std::move(options), host));
  for (int i = 0; i < CountIoThreads(front->options_.io_threads); ++i) {
    front->threads_.push_back(
        std::make_unique<FrontThread>(&front->options_, &front->threads_, front->threads_.size(),
                                      &front->clients_, &front->next_client_id_));
  }
  const absl::Status opened = front->Open();
  if (!opened.ok()) {
    front->Stop();
    return opened;
  }
  return front;
}

Front::~Front() { Stop(); }

absl::Status Front::Open() {
  std::vector<asio::io_context*> contexts;
  for (const auto& thread : threads_) contexts.push_back(&thread->io());
  doors_ = std::make_unique<Doors>(
      std::move(contexts),
      [this](size_t thread, asio::ip::tcp::socket socket, const ClientTls& tls) {
        threads_[thread]->Adopt(std::move(socket), tls);
      });
  RETURN_IF_ERROR(doors_->Open(
      {options_.listen, options_.tls, options_.tls_listen, options_.handshake_timeout_us}));
  return PlaySentinel();
}

absl::Status Front::PlaySentinel() {
  if (options_.sentinel_listen.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(sentinel_, SentinelServer::Start({.listen = options_.sentinel_listen,
                                                     .own_address = own_address()}));
  return absl::OkStatus();
}

void Front::Stop() {
  if (std::exchange(stopped_, true)) return;
  doors_->Close();
  for (const auto& thread : threads_) thread->Stop();
  if (sentinel_ != nullptr) sentinel_->Stop();
}

// ---- FrontPort --------------------------------------------------------------------------------

void Front::EngineUp(FrontEngine engine) {
  for (const auto& thread : threads_) thread->EngineUp(engine);
}

void Front::EngineDown() {
  for (const auto& thread : threads_) thread->EngineDown();
}

void Front::SetMode(FrontMode mode, FrontReign reign) {
  const bool reigns = mode == FrontMode::kPrimary || mode == FrontMode::kPausing;
  if (reigns && (reign_ == nullptr || reign_->about.epoch != reign.epoch)) {
    reign_ = std::make_shared<Reign>(std::move(reign), options_.lag);
  }
  // A front that only holds goes on with what it has.
  const std::shared_ptr<Reign> of = reigns || mode == FrontMode::kHolding ? reign_ : nullptr;
  for (const auto& thread : threads_) thread->SetMode(mode, of);
}

void Front::Committed(StreamOffset offset, Seq seq) {
  if (reign_ == nullptr) return;
  reign_->Commit(offset, seq);
  for (const auto& thread : threads_) thread->NoteCommit();
}

std::function<void()> Front::OncePerThread(std::function<void()> done) const {
  auto left = std::make_shared<std::atomic<size_t>>(threads_.size());
  return [left, done = std::move(done)] {
    if (left->fetch_sub(1) == 1) done();
  };
}

void Front::Drain(std::function<void()> done) {
  const std::function<void()> one_done = OncePerThread(std::move(done));
  for (const auto& thread : threads_) thread->Drain(one_done);
}

void Front::DrainSlots(SlotRanges slots, std::string target, std::function<void()> done) {
  const std::function<void()> one_done = OncePerThread(std::move(done));
  for (const auto& thread : threads_) thread->DrainSlots(slots, target, one_done);
}

void Front::SetView(CacheView view) {
  if (sentinel_ != nullptr) sentinel_->SetView(view);
  std::optional<ClusterMap> cluster;
  if (options_.discovery == Discovery::kCluster) cluster.emplace(view, own_address());
  auto facts = std::make_shared<const FrontFacts>(FrontFacts{.view = std::move(view),
                                                             .cluster = std::move(cluster),
                                                             .own_address = own_address(),
                                                             .host = host_});
  for (const auto& thread : threads_) thread->SetFacts(facts);
}

FrontStats Front::Stats() const {
  FrontStats stats;
  stats.clients = clients_.load();
  for (const auto& thread : threads_) thread->AddTo(&stats);
  return stats;
}

void Front::SetLogReachable(bool reachable) {
  for (const auto& thread : threads_) thread->SetLogReachable(reachable);
}

}  // namespace cairn::adapter::redis
