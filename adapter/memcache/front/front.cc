#include "adapter/memcache/front/front.h"

#include <utility>

#include "adapter/front/io_threads.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {

absl::StatusOr<std::unique_ptr<Front>> Front::Start(FrontOptions options) {
  RETURN_IF_ERROR(PeerContext(options.thread.peer_tls).status());
  std::unique_ptr<Front> front(new Front(std::move(options)));
  std::vector<asio::io_context*> contexts;
  for (int i = 0; i < CountIoThreads(front->options_.io_threads); ++i) {
    front->threads_.push_back(std::make_unique<FrontThread>(
        &front->options_.thread, front->threads_.size(), &front->clients_));
    contexts.push_back(&front->threads_.back()->io());
  }
  front->doors_ = std::make_unique<Doors>(
      std::move(contexts),
      [front = front.get()](size_t thread, asio::ip::tcp::socket socket, const ClientTls& tls) {
        front->threads_[thread]->Adopt(std::move(socket), tls);
      });
  const absl::Status opened = front->doors_->Open(front->options_.doors);
  if (opened.ok()) return front;
  front->Stop();
  return opened;
}

Front::~Front() { Stop(); }

void Front::SetFacts(FrontFacts facts) {
  const auto shared = std::make_shared<const FrontFacts>(std::move(facts));
  for (const auto& thread : threads_) thread->SetFacts(shared);
}

void Front::Deliver(size_t thread, std::vector<WriteReply> replies) {
  threads_[thread]->Deliver(std::move(replies));
}

FrontStats Front::Stats() const {
  FrontStats stats;
  stats.clients = clients_.load();
  for (const auto& thread : threads_) thread->AddTo(&stats);
  return stats;
}

void Front::Stop() {
  if (std::exchange(stopped_, true)) return;
  doors_->Close();
  for (const auto& thread : threads_) thread->BeginStop();
  for (const auto& thread : threads_) thread->Join();
}

}  // namespace cairn::adapter::memcache
