#include "adapter/redis/front/front_thread.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::chrono::milliseconds kTick{20};
constexpr int64_t kCountEveryUs = kMicrosPerSecond / 2;
constexpr std::string_view kTooMany = "-ERR max number of clients reached\r\n";

}  // namespace

FrontThread::FrontThread(const FrontOptions* options, const FrontCrew* crew, size_t index,
                         std::atomic<size_t>* clients, std::atomic<uint64_t>* next_client_id)
    : options_(*options),
      crew_(crew),
      index_(index),
      clients_(clients),
      next_client_id_(next_client_id),
      work_(io_.get_executor()),
      ticker_(io_),
      limits_(options->limits),
      reign_(std::make_shared<Reign>(FrontReign(), options->lag)),
      facts_(std::make_shared<const FrontFacts>()),
      thread_([this] { io_.run(); }) {
  asio::post(io_, [this] { Tick(); });
}

FrontThread::~FrontThread() { CHECK(!thread_.joinable()); }

void FrontThread::Stop() {
  asio::post(io_, [this] {
    stopping_ = true;
    mode_ = FrontMode::kClosed;
    CutAll();
    sessions_.clear();
    finished_.clear();
    pool_.reset();
    ticker_.cancel();
    work_.reset();
    io_.stop();
  });
  if (thread_.joinable()) thread_.join();
}

// ---- What the agent says ----------------------------------------------------------------------

void FrontThread::EngineUp(const FrontEngine& engine) {
  asio::post(io_, [this, engine] {
    engine_ = engine;
    own_user_ = engine.address.user.empty() ? "default" : engine.address.user;
    setup_ = engine.setup;
    // The engine would answer what passes its own limits by closing a connection of many.
    limits_ = options_.limits;
    if (setup_->max_bulk_bytes != 0) {
      limits_.requests.max_bulk_bytes =
          std::min<size_t>(limits_.requests.max_bulk_bytes, setup_->max_bulk_bytes);
    }
    if (setup_->max_query_buffer_bytes != 0) {
      limits_.requests.max_request_bytes =
          std::min<size_t>(limits_.requests.max_request_bytes, setup_->max_query_buffer_bytes);
    }
    CutAll();
    opening_own_ = false;
    pool_ = std::make_unique<BackendPool>(&io_, engine.address, static_cast<BackendOwner*>(this));
  });
}

void FrontThread::EngineDown() {
  asio::post(io_, [this] {
    CutAll();
    if (pool_ != nullptr) pool_->Clear();
    unknown_.clear();
    covered_by_.clear();
    unblocking_.clear();
  });
}

void FrontThread::SetMode(FrontMode mode, std::shared_ptr<Reign> reign) {
  asio::post(io_, [this, mode, reign = std::move(reign)] { TakeMode(mode, reign); });
}

void FrontThread::TakeMode(FrontMode mode, std::shared_ptr<Reign> reign) {
  drained_ = nullptr;
  slot_drain_.reset();
  const bool other = reign != nullptr && reign != reign_;
  if (mode == FrontMode::kClosed || other) CutAll();
  // A replica answers nothing that a primary has promised.
  if (mode == FrontMode::kReplica && mode_ != FrontMode::kReplica) CutAll();
  mode_ = mode;
  if (other) {
    reign_ = std::move(reign);
    committed_ = reign_->committed();
    batch_waiters_.clear();
    through_waiters_.clear();
    unblocking_.clear();
    unknown_.clear();
    covered_by_.clear();
  }
  ResumeWaiting();
}

// Whoever still has to wait says so again.
void FrontThread::ResumeWaiting() {
  std::vector<uint64_t> waiting;
  waiting.swap(await_mode_);
  for (const uint64_t id : waiting) {
    if (Session* session = Find(id)) session->Resume();
  }
}

void FrontThread::ResumeThoseAwaitingCommit() {
  absl::flat_hash_set<uint64_t> waiting;
  waiting.swap(await_commit_);
  for (const uint64_t id : waiting) {
    Session* const session = Find(id);
    if (session != nullptr && session->awaits_commit()) session->Resume();
  }
}

void FrontThread::NoteCommit() {
  if (commit_posted_.exchange(true)) return;
  asio::post(io_, [this] {
    commit_posted_ = false;
    TakeCommit();
  });
}

void FrontThread::Drain(std::function<void()> done) {
  asio::post(io_, [this, done = std::move(done)]() mutable {
    drained_ = std::move(done);
    CheckDrained();
  });
}

void FrontThread::CheckDrained() {
  if (!drained_) return;
  const bool busy = std::any_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
    return session.second->has_writes_under_way();
  });
  if (!busy) std::exchange(drained_, nullptr)();
}

void FrontThread::SetLogReachable(bool reachable) {
  asio::post(io_, [this, reachable] {
    if (reachable) {
      log_lost_us_.reset();
    } else if (!log_lost_us_) {
      log_lost_us_ = now_us();
    }
  });
}

void FrontThread::SetFacts(std::shared_ptr<const FrontFacts> facts) {
  asio::post(io_, [this, facts = std::move(facts)] {
    facts_ = facts;
    ForgetVainDrain();
    ResumeWaiting();
  });
}

// ---- Clients ----------------------------------------------------------------------------------

void FrontThread::Adopt(ClientStream::Socket socket, const ClientTls& tls) {
  asio::error_code ignored;
  if (stopping_ || mode_ == FrontMode::kClosed || setup_ == nullptr) {
    socket.close(ignored);
    return;
  }
  if (clients_->fetch_add(1) >= options_.max_clients) {
    clients_->fetch_sub(1);
    return ClientStream::TurnAway(std::move(socket), tls, kTooMany);
  }
  const uint64_t id = next_client_id_->fetch_add(1);
  Session* const session =
      (sessions_[id] = std::make_unique<Session>(id, std::move(socket), tls, this)).get();
  session->Start();
}

Session* FrontThread::Find(uint64_t id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

void FrontThread::OnFinished(Session* session) {
  const auto it = sessions_.find(session->id());
  if (it == sessions_.end()) return;
  // Not now: it is one of its own methods that says so.
  finished_.push_back(std::move(it->second));
  sessions_.erase(it);
  waits_.Remove(session->id());
  clients_->fetch_sub(1);
  Schedule();
}

void FrontThread::CutAll() {
  std::vector<uint64_t> ids;
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  for (const uint64_t id : ids) {
    if (Session* session = Find(id)) session->Cut();
  }
}

MonoMicros FrontThread::now_us() const { return SystemClock().Mono(); }

bool FrontThread::MayAnswer() const {
  switch (mode_) {
    case FrontMode::kReplica:
      return true;
    case FrontMode::kPrimary:
    case FrontMode::kPausing:
      return reign_->about.lease != nullptr && reign_->about.lease->IsSafe();
    case FrontMode::kHolding:
    case FrontMode::kClosed:
      return false;
  }
  CHECK_UNREACHABLE();
}

std::optional<std::string> FrontThread::RefuseWrite(Durability durability) {
  if (durability == Durability::kAsync) return reign_->lag.Refuse(now_us());
  // An election of the log is waited out, for as long as a reply may be held.
  if (log_lost_us_ && now_us() - *log_lost_us_ >= options_.hold_timeout_us) {
    return "NOREPLICAS the log cannot be reached, so no write can be made durable; try again";
  }
  // One that can be reached may take nothing all the same: its disks are full.
  if (reign_->lag.lag_us(now_us()) < options_.hold_timeout_us) return std::nullopt;
  return "NOREPLICAS the log takes no records, so no write can be made durable; try again";
}

void FrontThread::ForEachClient(const std::function<void(Session&)>& take) {
  std::vector<uint64_t> ids;
  ids.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  for (const uint64_t id : ids) {
    Session* const session = Find(id);
    if (session != nullptr && !session->closed()) take(*session);
  }
}

void FrontThread::AskCrew(Session& asker, std::function<CrewAnswer(FrontThread&)> ask,
                          std::function<std::string(CrewAnswer)> tell) {
  struct Question {
    std::function<CrewAnswer(FrontThread&)> ask;
    std::function<std::string(CrewAnswer)> tell;
    CrewAnswer answer;  // Of the asking thread.
    size_t due = 0;
  };
  auto question = std::make_shared<Question>();
  question->ask = std::move(ask);
  question->tell = std::move(tell);
  question->due = crew_->size();
  const auto take = [this, question, id = asker.id()](CrewAnswer one) {
    question->answer.count += one.count;
    for (auto& line : one.lines) question->answer.lines.push_back(std::move(line));
    if (--question->due > 0) return;
    if (Session* session = Find(id)) {
      session->AnswerNow(question->tell(std::move(question->answer)));
    }
  };
  for (const auto& thread : *crew_) {
    asio::post(thread->io_, [this, question, take, other = thread.get()] {
      asio::post(io_, [take, one = question->ask(*other)]() mutable { take(std::move(one)); });
    });
  }
}

Identity FrontThread::OwnIdentity() const {
  return {.user = engine_.address.user, .password = engine_.address.password};
}

void FrontThread::TellEngine(std::string command) {
  const Identity own = OwnIdentity();
  pool_->Open(own, [this, command = std::move(command)](const absl::StatusOr<Backend*>& opened) {
    if (!opened.ok()) return;
    (*opened)->Send(command, &unheard_, 1);
    Schedule();
  });
}

void FrontThread::OnBackendBroken(Backend* backend, const absl::Status& why) {
  if (!absl::IsCancelled(why)) spdlog::warn("{}", ToStd(why.message()));
  if (pool_ != nullptr) pool_->Forget(backend);
}

// ---- Turns ------------------------------------------------------------------------------------

void FrontThread::Schedule() {
  if (std::exchange(turn_ends_, true)) return;
  asio::post(io_, [this] { EndTurn(); });
}

void FrontThread::Touch(Session* session) {
  touched_.push_back(session->id());
  Schedule();
}

void FrontThread::ResumeLater(Session* session) {
  resume_.push_back(session->id());
  Schedule();
}

void FrontThread::EndTurn() {
  turn_ends_ = false;
  std::vector<uint64_t> ids;
  ids.swap(resume_);
  for (const uint64_t id : ids) {
    if (Session* session = Find(id)) session->Resume();
  }
  if (std::exchange(look_for_known_, false)) TakeKnown();
  if (!unknown_.empty()) AskElsewhere();
  if (pool_ != nullptr) pool_->Flush();
  ids.clear();
  ids.swap(touched_);
  for (const uint64_t id : ids) {
    Session* session = Find(id);
    if (session == nullptr) continue;
    session->Release();  // A commit that came before it was filed woke nobody.
    if (mode_ != FrontMode::kHolding) session->FlushOut();
    session = Find(id);  // It may have ended by that.
    if (session != nullptr) waits_.File(id, session->gate());
  }
  finished_.clear();
  CheckDrained();
  CheckSlotsDrained();
}

void FrontThread::Count() {
  const MonoMicros now = now_us();
  if (now - counted_us_ < kCountEveryUs) return;
  counted_us_ = now;
  uint64_t replies = 0;
  uint64_t bytes = 0;
  for (const auto& [id, session] : sessions_) {
    replies += session->gate().size();
    bytes += session->buffered_bytes();
  }
  counters_.held_replies.Set(replies);
  counters_.held_bytes.Set(bytes);
  counters_.backends.Set(pool_ == nullptr ? 0 : pool_->size());
  counters_.lag_bytes.Set(reign_->lag.lag_bytes());
  counters_.lag_us.Set(static_cast<uint64_t>(reign_->lag.lag_us(now)));
}

void FrontThread::Tick() {
  if (stopping_) return;
  for (const uint64_t id : waits_.Expire(now_us())) {
    if (Session* session = Find(id)) session->Cut();
  }
  if (facts_->cluster && !facts_->view.held.empty()) ResumeWaiting();
  if (slot_drain_) EndBlockedCalls();
  Count();
  if (!unknown_.empty()) AskElsewhere();
  TakeKnown();
  ResumeThoseAwaitingCommit();
  ticker_.expires_after(kTick);
  ticker_.async_wait([this](const asio::error_code& error) {
    if (!error) Tick();
  });
}

}  // namespace cairn::adapter::redis
