#include "adapter/memcache/front/front_thread.h"

#include <spdlog/spdlog.h>

#include <asio/post.hpp>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr Millis kTick{50};
constexpr Millis kConnectPatience{1'000};
// Between attempts to reach a peer of which more than one has failed.
constexpr MonoMicros kAgainUs = 200 * kMicrosPerMilli;
// One that lost its lease and can be reached answers as soon as it knows.
constexpr MonoMicros kRetiredPatience = kMicrosPerSecond;
constexpr MonoMicros kLeavePatience = kMicrosPerSecond;
constexpr std::string_view kTooMany = "ERROR Too many open connections\r\n";
constexpr std::string_view kForwarding = "config get cairn:forwarding\r\n";

}  // namespace

absl::StatusOr<TlsContext> PeerContext(const TlsFiles& files) {
  if (files.empty()) return TlsContext();
  ASSIGN_OR_RETURN(const TlsPem pem, ReadTlsFiles(files, SystemClock().Wall()));
  return MakeClientContext(pem, pem.ca);
}

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

FrontThread::~FrontThread() {
  BeginStop();
  Join();
}

void FrontThread::BeginStop() {
  asio::post(io_, [this] { Leave(); });
}

void FrontThread::Join() {
  if (thread_.joinable()) thread_.join();
}

void FrontThread::Leave() {
  if (leave_by_us_ != 0) return;
  leave_by_us_ = now_us() + kLeavePatience;
  // Nothing new is asked of anybody.
  OnFacts(std::make_shared<const FrontFacts>());
  for (const auto& [id, session] : sessions_) session->Leave();
  Schedule();
}

void FrontThread::End() {
  stopping_ = true;
  ticker_.cancel();
  for (const auto& [id, session] : sessions_) session->Close();
  for (Peer* const peer : {&engine_, &primary_}) peer->connection.reset();
  retired_.clear();
  work_.reset();
  io_.stop();
}

void FrontThread::Adopt(asio::ip::tcp::socket socket, const ClientTls& tls) {
  if (leave_by_us_ != 0) return;
  counters_.clients_total.fetch_add(1, std::memory_order_relaxed);
  if (clients_->fetch_add(1) >= options_.max_clients) {
    clients_->fetch_sub(1);
    return ClientStream::TurnAway(std::move(socket), tls, kTooMany);
  }
  const uint64_t id = next_session_++;
  auto owned = std::make_unique<Session>(id, std::move(socket), tls, this);
  Session* const session = owned.get();
  sessions_.emplace(id, std::move(owned));
  session->Start();
}

// ---- Peers --------------------------------------------------------------------------------------

EngineConnection* FrontThread::Ready(Peer* peer) {
  return peer->ready && peer->connection->connected() ? peer->connection.get() : nullptr;
}

void FrontThread::AimAtEngine(std::string target, uint64_t life) {
  if (engine_.target == target && engine_.life == life) return;
  engine_.target = std::move(target);
  engine_.life = life;
  engine_.ready = false;
  engine_.lamented = false;
  engine_.again_us = 0;
  // What it owed is told to those who wait; they may ask the next one.
  if (engine_.connection != nullptr) engine_.connection->Break();
  JoinPeer(&engine_);
}

void FrontThread::AimAtPrimary(std::string target) {
  if (primary_.target == target) return;
  primary_.target = std::move(target);
  primary_.lamented = false;
  primary_.again_us = 0;
  primary_.ready = false;
  if (primary_.connection != nullptr && primary_.connection->connected()) {
    primary_.connection->Flush();
    if (primary_.connection->due() > 0)
      retired_.push_back({std::move(primary_.connection), now_us()});
  }
  primary_.connection.reset();
  JoinPeer(&primary_);
}

void FrontThread::EndRetired(MonoMicros late_us) {
  std::erase_if(retired_, [late_us](const Retired& old) {
    if (old.connection->due() > 0 && old.since_us <= late_us) old.connection->Break();
    return old.connection->due() == 0;
  });
}

void FrontThread::JoinPeer(Peer* peer) {
  if (now_us() < peer->again_us) return;
  if (peer->target.empty() || peer->connecting || Ready(peer) != nullptr || stopping_) return;
  peer->connecting = true;
  Spawn(io_.get_executor(), Connect(peer, std::make_unique<EngineConnection>(io_.get_executor())));
}

asio::awaitable<void> FrontThread::Connect(Peer* peer,
                                           std::unique_ptr<EngineConnection> connection) {
  const std::string target = peer->target;
  const absl::Status status = co_await Reach(peer, connection.get());
  peer->connecting = false;
  // It may be another one by now; the next tick joins that.
  if (stopping_ || target != peer->target) co_return;
  Lament(peer, status);
  if (!status.ok()) co_return;
  peer->connection = std::move(connection);
  if (peer == &primary_) ++primary_number_;
  peer->ready = true;
  ResumeAwaiting();
}

// A primary has to answer as an agent does before a client's request goes there: whatever else
// listens at its address, or hears TLS where it expects none, was then asked for nothing.
asio::awaitable<absl::Status> FrontThread::Reach(Peer* peer, EngineConnection* connection) {
  const bool forwards = peer == &primary_;
  absl::StatusOr<EngineAddress> address = ParseEngineAddress(peer->target);
  if (!address.ok()) co_return address.status();
  absl::StatusOr<TlsContext> tls = PeerContext(forwards ? options_.peer_tls : TlsFiles());
  if (!tls.ok()) co_return tls.status();
  const absl::Status connected = co_await connection->Connect(
      *std::move(address), kConnectPatience, [this](const absl::Status&) { Schedule(); },
      *std::move(tls));
  if (!connected.ok() || !forwards) co_return connected;
  const absl::StatusOr<std::string> said =
      co_await connection->Call(std::string(kForwarding), ReplyKind::kLine, kConnectPatience);
  if (!said.ok() || *said == "OK\r\n") co_return said.status();
  co_return absl::UnavailableError("what listens there is no agent of memcached");
}

// Once for each target, until it is reached: the attempts go on. One io thread speaks for all.
void FrontThread::Lament(Peer* peer, const absl::Status& status) {
  const bool told = std::exchange(peer->lamented, !status.ok());
  peer->again_us = told ? now_us() + kAgainUs : 0;
  if (status.ok() || told || index_ != 0) return;
  spdlog::warn("the {} at {} cannot be asked{}: {}", peer == &primary_ ? "primary" : "engine",
               peer->target, peer == &primary_ && !options_.peer_tls.empty() ? " with TLS" : "",
               ToStd(status.message()));
}

void FrontThread::SetFacts(std::shared_ptr<const FrontFacts> facts) {
  asio::post(io_, [this, facts = std::move(facts)]() mutable {
    if (leave_by_us_ == 0) OnFacts(std::move(facts));
  });
}

void FrontThread::OnFacts(std::shared_ptr<const FrontFacts> facts) {
  facts_ = std::move(facts);
  AimAtEngine(facts_->engine ? facts_->engine->ToString() : "", facts_->engine_life);
  AimAtPrimary(facts_->reigns() ? "" : facts_->primary);
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
  if (!retired_.empty()) EndRetired(now_us() - kRetiredPatience);
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
  if (leave_by_us_ != 0 && sessions_.empty()) End();
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
      JoinPeer(peer);
    }
    if (!retired_.empty()) Schedule();
    ResumeAwaiting();
    const MonoMicros late = leave_by_us_ == 0 ? now_us() - options_.hold_timeout_us
                                              : std::numeric_limits<MonoMicros>::max();
    const std::vector<uint64_t> waiting(awaiting_.begin(), awaiting_.end());
    for (const uint64_t id : waiting) {
      const auto it = sessions_.find(id);
      if (it != sessions_.end()) it->second->GiveUp(late);
    }
    if (leave_by_us_ != 0 && now_us() >= leave_by_us_) return End();
    Tick();
  });
}

void FrontThread::AddTo(FrontStats* stats) const {
  stats->clients_total += counters_.clients_total.load(std::memory_order_relaxed);
  stats->reads += counters_.reads.load(std::memory_order_relaxed);
  stats->changes += counters_.changes.load(std::memory_order_relaxed);
  stats->forwarded += counters_.forwarded.load(std::memory_order_relaxed);
  stats->rejected += counters_.rejected.load(std::memory_order_relaxed);
  stats->errors += counters_.errors.load(std::memory_order_relaxed);
  stats->reply_bytes += counters_.reply_bytes.load(std::memory_order_relaxed);
}

}  // namespace cairn::adapter::memcache
