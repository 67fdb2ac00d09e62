#include "adapter/redis/front/front.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/ip/address.hpp>
#include <asio/post.hpp>
#include <charconv>
#include <future>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr int kMostDefaultThreads = 4;

int ThreadsOf(const FrontOptions& options) {
  if (options.io_threads > 0) return options.io_threads;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostDefaultThreads);
}

absl::StatusOr<asio::ip::tcp::endpoint> ParseListen(const std::string& text) {
  const size_t colon = text.rfind(':');
  uint16_t port = 0;
  if (colon != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, port);
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    asio::error_code wrong;
    const auto address = asio::ip::make_address(host, wrong);
    if (error == std::errc() && at == end && !wrong) return asio::ip::tcp::endpoint(address, port);
  }
  return absl::InvalidArgumentError(
      ToAbsl(fmt::format("\"{}\" is no address to listen at: expected IP:PORT", text)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Front>> Front::Start(FrontOptions options, FrontHost* host) {
  std::unique_ptr<Front> front(new Front(std::move(options), host));
  for (int i = 0; i < ThreadsOf(front->options_); ++i) {
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
  if (!options_.tls.empty()) {
    ASSIGN_OR_RETURN(credentials_, TlsCredentials::Read(options_.tls));
  }
  const bool only_tls = credentials_ != nullptr && options_.tls_listen.empty();
  RETURN_IF_ERROR(Listen(options_.listen, only_tls));
  if (!options_.tls_listen.empty()) {
    RETURN_IF_ERROR(Listen(options_.tls_listen, /*tls=*/true));
  }
  for (const auto& door : doors_) {
    asio::post(threads_.front()->io(), [this, door = door.get()] { Accept(door); });
  }
  return PlaySentinel();
}

absl::Status Front::Listen(const std::string& where, bool tls) {
  ASSIGN_OR_RETURN(const asio::ip::tcp::endpoint endpoint, ParseListen(where));
  auto door = std::make_unique<Door>(threads_.front()->io());
  door->tls = tls;
  asio::error_code error;
  asio::ip::tcp::acceptor& acceptor = door->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(
        ToAbsl(fmt::format("cannot listen at {}: {}", where, error.message())));
  }
  const auto bound = acceptor.local_endpoint(error);
  door->address = fmt::format("{}:{}", bound.address().to_string(), bound.port());
  doors_.push_back(std::move(door));
  return absl::OkStatus();
}

absl::Status Front::PlaySentinel() {
  if (options_.sentinel_listen.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(sentinel_, SentinelServer::Start({.listen = options_.sentinel_listen,
                                                     .own_address = own_address()}));
  return absl::OkStatus();
}

void Front::Accept(Door* door) {
  FrontThread* const thread = threads_[next_thread_++ % threads_.size()].get();
  door->acceptor.async_accept(thread->io(), [this, door, thread](const asio::error_code& error,
                                                                 asio::ip::tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      TlsContext context;
      if (door->tls) context = credentials_->Current(SystemClock().Mono());
      asio::post(thread->io(), [thread, context, taken = std::move(socket)]() mutable {
        thread->Adopt(std::move(taken), context);
      });
    }
    Accept(door);
  });
}

void Front::Stop() {
  if (std::exchange(stopped_, true)) return;
  std::promise<void> closed;
  asio::post(threads_.front()->io(), [&] {
    asio::error_code ignored;
    for (const auto& door : doors_) door->acceptor.close(ignored);
    closed.set_value();
  });
  closed.get_future().wait();
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
    reign_ = std::make_shared<Reign>(std::move(reign));
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

void Front::Drain(std::function<void()> done) {
  auto left = std::make_shared<std::atomic<size_t>>(threads_.size());
  for (const auto& thread : threads_) {
    thread->Drain([left, done] {
      if (left->fetch_sub(1) == 1) done();
    });
  }
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
