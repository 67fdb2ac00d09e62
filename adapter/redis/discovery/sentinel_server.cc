#include "adapter/redis/discovery/sentinel_server.h"

#include <fmt/format.h>

#include <asio/ip/address.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "adapter/redis/discovery/cluster_map.h"
#include "adapter/redis/discovery/sentinel_client.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

SentinelServer::SentinelServer(SentinelOptions options)
    : options_(std::move(options)), work_(io_.get_executor()), acceptor_(io_), pause_(io_) {}

absl::StatusOr<std::unique_ptr<SentinelServer>> SentinelServer::Start(SentinelOptions options) {
  std::unique_ptr<SentinelServer> server(new SentinelServer(std::move(options)));
  RETURN_IF_ERROR(server->Listen());
  server->Accept();
  server->thread_ = std::thread([io = &server->io_] { io->run(); });
  return server;
}

SentinelServer::~SentinelServer() { Stop(); }

absl::Status SentinelServer::Listen() {
  const HostPort at = ReadHostPort(options_.listen);
  asio::error_code error;
  const asio::ip::address host =
      asio::ip::make_address(at.host == "localhost" ? "127.0.0.1" : at.host, error);
  if (error) {
    return absl::InvalidArgumentError(ToAbsl(
        fmt::format("\"{}\" is no address to listen at: expected IP:PORT", options_.listen)));
  }
  const asio::ip::tcp::endpoint endpoint(host, at.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(
        ToAbsl(fmt::format("cannot listen at {}: {}", options_.listen, error.message())));
  }
  const auto bound = acceptor_.local_endpoint(error);
  address_ = fmt::format("{}:{}", bound.address().to_string(), bound.port());
  return absl::OkStatus();
}

void SentinelServer::Accept() {
  acceptor_.async_accept([this](const asio::error_code& error, asio::ip::tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) return AcceptLater();
    if (clients_.size() < options_.max_clients) {
      auto client = std::make_shared<SentinelClient>(next_client_id_++, std::move(socket), this);
      clients_.insert(client);
      client->Start();
    }
    Accept();
  });
}

// Out of descriptors, most likely: at once it would only fail again.
void SentinelServer::AcceptLater() {
  pause_.expires_after(kAcceptPause);
  pause_.async_wait([this](const asio::error_code& error) {
    if (!error && acceptor_.is_open()) Accept();
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
    asio::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    const std::vector<std::shared_ptr<SentinelClient>> clients(clients_.begin(), clients_.end());
    for (const auto& client : clients) client->Close();
    work_.reset();
  });
  thread_.join();
}

}  // namespace cairn::adapter::redis
