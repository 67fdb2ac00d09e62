#include "adapter/memcache/front/front_thread.h"

#include <spdlog/spdlog.h>

#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr Millis kTick{50};
constexpr Millis kConnectPatience{1'000};
constexpr std::string_view kTooMany = "ERROR Too many open connections\r\n";
constexpr std::string_view kForwarding = "config get cairn:forwarding\r\n";

// Of the first command to a primary: whatever it says, it has heard it.
class Ignored : public ReplyReceiver {
 public:
  void OnReply(uint64_t, const ReplyPiece&) override {}
  void OnBroken(uint64_t) override {}
};
Ignored ignored;

}  // namespace

FrontThread::FrontThread(const FrontThreadOptions* options, size_t index,
                         std::atomic<size_t>* clients)
    : options_(*options),
      index_(index),
      clients_(clients),
      work_(io_.get_executor()),
      ticker_(io_),
      facts_(std::make_shared<const FrontFacts>()),
      thread_([this] {
        Tick();
        io_.run();
      }) {}

FrontThread::~FrontThread() { Stop(); }

void FrontThread::Stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    stopping_ = true;
    ticker_.cancel();
    for (const auto& [id, session] : sessions_) session->Close();
    for (Peer* const peer : {&engine_, &primary_}) peer->connection.reset();
    work_.reset();
    io_.stop();
  });
  thread_.join();
}

void FrontThread::Adopt(asio::ip::tcp::socket socket, const TlsContext& context) {
  if (stopping_) return;
  const uint64_t id = next_session_++;
  auto owned = std::make_unique<Session>(id, std::move(socket), context, this);
  Session* const session = owned.get();
  sessions_.emplace(id, std::move(owned));
  counters_.clients_total.fetch_add(1, std::memory_order_relaxed);
  if (clients_->fetch_add(1) >= options_.max_clients) return session->TurnAway(kTooMany);
  session->Start();
}

// ---- Peers --------------------------------------------------------------------------------------

EngineConnection* FrontThread::Ready(Peer* peer) {
  return peer->ready && peer->connection->connected() ? peer->connection.get() : nullptr;
}

void FrontThread::Aim(Peer* peer, std::string target, uint64_t life) {
  if (peer->target == target && peer->life == life) return;
  peer->target = std::move(target);
  peer->life = life;
  peer->ready = false;
  // What it owed is told to those who wait; they may ask the next one.
  if (peer->connection != nullptr) peer->connection->Break();
  Join(peer);
}

void FrontThread::Join(Peer* peer) {
  if (peer->target.empty() || peer->connecting || Ready(peer) != nullptr || stopping_) return;
  peer->connecting = true;
  Spawn(io_.get_executor(), Connect(peer, std::make_unique<EngineConnection>(io_.get_executor())));
}

asio::awaitable<void> FrontThread::Connect(Peer* peer,
                                           std::unique_ptr<EngineConnection> connection) {
  const std::string target = peer->target;
  absl::Status status = absl::OkStatus();
  absl::StatusOr<EngineAddress> address = ParseEngineAddress(target);
  if (address.ok()) {
    status = co_await connection->Connect(*std::move(address), kConnectPatience,
                                          [this](const absl::Status&) { Schedule(); });
  } else {
    status = address.status();
  }
  peer->connecting = false;
  if (stopping_) co_return;
  // It may be another one by now; the next tick joins that.
  if (!status.ok() || target != peer->target) co_return;
  peer->connection = std::move(connection);
  if (peer == &primary_) {
    peer->connection->Send(kForwarding, ReplyKind::kLine, &ignored, 0);
  }
  peer->ready = true;
  ResumeAwaiting();
}

void FrontThread::SetFacts(std::shared_ptr<const FrontFacts> facts) {
  asio::post(io_, [this, facts = std::move(facts)]() mutable { OnFacts(std::move(facts)); });
}

void FrontThread::OnFacts(std::shared_ptr<const FrontFacts> facts) {
  if (stopping_) return;
  facts_ = std::move(facts);
  Aim(&engine_, facts_->engine ? facts_->engine->ToString() : "", facts_->engine_life);
  Aim(&primary_, facts_->reigns() ? "" : facts_->primary, 0);
  ResumeAwaiting();
}

// ---- Turns --------------------------------------------------------------------------------------

void FrontThread::Submit(WriteRequest request) {
  submitted_.push_back(std::move(request));
  Schedule();
}

bool FrontThread::WriterFull() const {
  return options_.writer.pending_bytes() > options_.max_pending_bytes;
}

void FrontThread::Touch(Session* session) {
  touched_.push_back(session->id());
  Schedule();
}

void FrontThread::Schedule() {
  if (std::exchange(turn_ends_, true)) return;
  asio::post(io_, [this] { EndTurn(); });
}

void FrontThread::EndTurn() {
  turn_ends_ = false;
  if (stopping_) return;
  if (!submitted_.empty()) options_.writer.submit(std::exchange(submitted_, {}));
  for (Peer* const peer : {&engine_, &primary_}) {
    if (EngineConnection* const connection = Ready(peer); connection != nullptr) {
      connection->Flush();
    }
  }
  for (const uint64_t id : std::exchange(touched_, {})) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) continue;
    it->second->FlushOut();
    if (!it->second->finished()) continue;
    sessions_.erase(it);
    clients_->fetch_sub(1);
  }
}

void FrontThread::Deliver(std::vector<WriteReply> replies) {
  asio::post(io_, [this, replies = std::move(replies)]() mutable {
    if (stopping_) return;
    bool given_back = false;
    for (WriteReply& reply : replies) {
      given_back |= reply.returned.has_value();
      const auto it = sessions_.find(reply.to.session);
      if (it != sessions_.end()) it->second->OnWritten(std::move(reply));
    }
    // Not at once to who has just given it back: new facts are on their way.
    if (!given_back && !awaiting_.empty() && !WriterFull()) ResumeAwaiting();
  });
}

void FrontThread::ResumeAwaiting() {
  for (const uint64_t id : std::exchange(awaiting_, {})) {
    const auto it = sessions_.find(id);
    if (it != sessions_.end()) it->second->Resume();
  }
}

void FrontThread::Tick() {
  ticker_.expires_after(kTick);
  ticker_.async_wait([this](const asio::error_code& error) {
    if (error || stopping_) return;
    for (Peer* const peer : {&engine_, &primary_}) {
      if (peer->connection != nullptr && !peer->connection->connected()) peer->ready = false;
      Join(peer);
    }
    ResumeAwaiting();
    const MonoMicros late = now_us() - options_.hold_timeout_us;
    const std::vector<uint64_t> waiting(awaiting_.begin(), awaiting_.end());
    for (const uint64_t id : waiting) {
      const auto it = sessions_.find(id);
      if (it != sessions_.end()) it->second->GiveUp(late);
    }
    Tick();
  });
}

void FrontThread::AddTo(FrontStats* stats) const {
  stats->clients_total += counters_.clients_total.load(std::memory_order_relaxed);
  stats->reads += counters_.reads.load(std::memory_order_relaxed);
  stats->changes += counters_.changes.load(std::memory_order_relaxed);
  stats->forwarded += counters_.forwarded.load(std::memory_order_relaxed);
  stats->rejected += counters_.rejected.load(std::memory_order_relaxed);
}

}  // namespace cairn::adapter::memcache
