#include "adapter/redis/discovery/sentinel_server.h"

#include <asio/post.hpp>
#include <utility>
#include <vector>

#include "adapter/redis/discovery/cluster_map.h"
#include "adapter/redis/discovery/sentinel_client.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
SentinelServer::SentinelServer(SentinelOptions options)
    : options_(std::move(options)), work_(io_.get_executor()), acceptor_(&io_) {}

absl::StatusOr<std::unique_ptr<SentinelServer>> SentinelServer::Start(SentinelOptions options) {
  std::unique_ptr<SentinelServer> server(new SentinelServer(std::move(options)));
  RETURN_IF_ERROR(server->acceptor_.Listen(server->options_.listen));
  server->Accept();
  server->thread_ = std::thread([io = &server->io_] { io->run(); });
  return server;
}

SentinelServer::~SentinelServer() { Stop(); }

void SentinelServer::Accept() {
  acceptor_.Next(&io_, [this](asio::ip::tcp::socket socket) {
    if (clients_.size() < options_.max_clients) {
      auto client = std::make_shared<SentinelClient>(next_client_id_++, std::move(socket), this);
      clients_.insert(client);
      client->Start();
    }
    Accept();
  });
}

void SentinelServer::SetView(CacheView view) {
  asio::post(io_, [this, view = std::move(view)]() mutable { TakeView(std::move(view)); });
}

void SentinelServer::TakeView(CacheView view) {
  const std::vector<SentinelEvent> events = news_.Take(view);
  view_ = std::move(view);
  if (events.empty()) return;
  const std::vector<std::shared_ptr<SentinelClient>> clients(clients_.begin(), clients_.end());
  for (const SentinelEvent& event : events) {
    for (const auto& client : clients) client->Publish(event);
  }
}

void SentinelServer::Stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    acceptor_.Close();
    const std::vector<std::shared_ptr<SentinelClient>> clients(clients_.begin(), clients_.end());
    for (const auto& client : clients) client->Close();
    work_.reset();
  });
  thread_.join();
}

}  // namespace cairn::adapter::redis
