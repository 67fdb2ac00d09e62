#include "adapter/memcache/writer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr Millis kConnectPatience{5'000};
// From the end of a reign until the engine has answered what it was told.
constexpr Millis kEnginePatience{2'000};
constexpr Millis kOpenPatience{10'000};
constexpr std::string_view kUnknown =
    "SERVER_ERROR the primary changed: it is unknown whether this was done\r\n";
constexpr std::string_view kTooSlow =
    "SERVER_ERROR the log does not answer: it is unknown whether this will be done\r\n";
constexpr std::string_view kLeaseOver = "SERVER_ERROR the primary changed\r\n";

}  // namespace

Writer::Writer(asio::any_io_executor executor, cairn::Log log, Options options, const Clock* clock,
               DeliverReplies deliver, WriterOwner* owner)
    : executor_(std::move(executor)),
      log_(std::move(log)),
      options_(std::move(options)),
      clock_(clock),
      deliver_(std::move(deliver)),
      owner_(owner),
      self_(std::make_shared<Writer*>(this)),
      gather_(executor_),
      moved_(executor_) {}

Writer::~Writer() {
  CHECK(!reign_);
  *self_ = nullptr;
}

// ---- Reigns -------------------------------------------------------------------------------------

asio::awaitable<Attachment> Writer::Open(Reign reign) {
  CHECK(!reign_);
  reign_ = std::move(reign);
  ++reigns_;
  failed_ = false;
  opened_ = false;
  stopping_ = false;
  const absl::Status connected = co_await Connect(*reign_);
  if (!connected.ok()) {
    spdlog::warn("the writer: {}", ToStd(connected.message()));
    co_return Attachment::kFailed;
  }
  const auto give_up = clock_->Mono() + kOpenPatience.count() * kMicrosPerMilli;
  while (reign_ && !failed_ && !opened_ && clock_->Mono() < give_up) {
    co_await moved_.Wait(Millis(50));
  }
  co_return opened_ ? Attachment::kContinued : Attachment::kFailed;
}

asio::awaitable<absl::Status> Writer::Connect(const Reign& reign) {
  engine_ = std::make_unique<EngineConnection>(executor_);
  const absl::Status connected = co_await engine_->Connect(
      reign.engine, kConnectPatience,
      [this](const absl::Status& why) { Fail(PublisherTrouble::kConnection, why); });
  if (!connected.ok()) co_return connected;
  if (!reign_) co_return absl::CancelledError("the reign is over");
  LogPublisher::Options publisher;
  publisher.lease_name = options_.lease_name;
  publisher.epoch = reign_->epoch;
  publisher.buffer_bytes = options_.lag_bytes;
  auto started = LogPublisher::Start(executor_, log_, publisher, this);
  if (!started.ok()) co_return started.status();
  publisher_ = *std::move(started);
  builder_.emplace(reign_->from);
  committed_ = reign_->from.offset;
  records_.push_back(builder_->Opening());
  HandRecords();
  co_return absl::OkStatus();
}

asio::awaitable<std::optional<Writer::Standing>> Writer::Stop() {
  if (!reign_) co_return std::nullopt;
  stopping_ = true;
  // What the engine was told is waited for, so that it is known what it holds.
  const auto give_up = clock_->Mono() + kEnginePatience.count() * kMicrosPerMilli;
  while (engine_ != nullptr && engine_->connected() && engine_->due() > 0 &&
         clock_->Mono() < give_up) {
    engine_->Flush();
    co_await moved_.Wait(Millis(10));
  }
  publisher_.reset();
  Standing standing = Stand();
  engine_.reset();
  EndOps();
  order_ = KeyOrder();
  ready_.clear();
  records_.clear();
  handed_.clear();
  logged_.clear();
  ahead_ = KeysAhead();
  builder_.reset();
  in_flight_bytes_ = 0;
  begun_ = 0;
  reign_.reset();
  EndTurn();
  co_return standing;
}

// In the order in which they came: who asks again keeps it.
void Writer::EndOps() {
  std::vector<std::pair<OpId, std::unique_ptr<Op>>> ops;
  for (auto& [id, op] : std::exchange(ops_, {})) ops.emplace_back(id, std::move(op));
  std::sort(ops.begin(), ops.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [id, op] : ops) {
    const bool begun = op->stage == Stage::kLogging || op->stage == Stage::kStoring;
    if (begun) {
      Answer(op.get(), std::string(kUnknown));
    } else if (!op->answered && !op->internal) {
      GiveBack(std::move(op->asked));
    }
    pending_bytes_ -= op->bytes;
  }
}

Writer::Standing Writer::Stand() {
  Standing standing;
  if (engine_ == nullptr) return standing;
  standing.drained = engine_->connected() && engine_->due() == 0;
  if (!standing.drained) {
    if (engine_->connected()) standing.undrained = std::move(engine_);
    return standing;
  }
  standing.seq = committed_seq_;
  if (options_.mode == WriteMode::kThrough) return standing;
  for (const Logged& ahead : logged_) {
    if (ahead.all_keys) standing.seq.reset();
    standing.dirty.insert(ahead.keys.begin(), ahead.keys.end());
  }
  return standing;
}

StreamPlace Writer::place() const { return builder_ ? builder_->place() : StreamPlace(); }

void Writer::Fail(PublisherTrouble why, const absl::Status& status) {
  if (std::exchange(failed_, true)) return;
  moved_.Wake();
  owner_->OnWriterFailed(why, status);
}

void Writer::SetClock(EngineClock clock) {
  if (reign_) reign_->rules.clock = clock;
}

void Writer::Pause(bool pause) {
  paused_ = pause;
  BeginReady();
}

bool Writer::drained() const { return begun_ == 0 && logged_.empty() && records_.empty(); }

int64_t Writer::lag_us() const {
  return logged_.empty() ? 0 : clock_->Mono() - logged_.front().at_us;
}

void Writer::Tick() {
  const MonoMicros late = clock_->Mono() - options_.hold_timeout_us;
  for (const auto& [id, op] : ops_) {
    if (op->stage != Stage::kQueued && op->since_us < late && !op->answered) {
      Answer(op.get(), std::string(kTooSlow));
    }
  }
  if (LogIsStuck()) RefuseLate(late);
  // The lag may have become too old, or short enough.
  BeginReady();
  EndTurn();
}

// ---- Replies ------------------------------------------------------------------------------------

void Writer::GiveBack(WriteRequest request) {
  const ReplyAddress to = request.from;
  Send({to, "", std::move(request.request)});
}

// What was not logged was judged by the engine alone: it counts while the lease is safe.
void Writer::Answer(Op* op, std::string bytes) {
  if (std::exchange(op->answered, true) || op->internal) return;
  const bool committed = options_.mode == WriteMode::kThrough && !op->decision.effects.empty();
  if (!committed && reign_ && !reign_->lease->IsSafe() && !bytes.empty()) bytes = kLeaseOver;
  if (op->asked.request->noreply) bytes.clear();
  Send({op->asked.from, std::move(bytes), std::nullopt});
}

void Writer::Send(WriteReply reply) {
  if (replies_.size() <= reply.to.thread) replies_.resize(reply.to.thread + 1);
  replies_[reply.to.thread].push_back(std::move(reply));
  ScheduleEndTurn();
}

void Writer::EndOp(OpId id, std::string bytes) {
  const auto it = ops_.find(id);
  Answer(it->second.get(), std::move(bytes));
  pending_bytes_ -= it->second->bytes;
  ops_.erase(it);
  --begun_;
  Leave(id);
  if (begun_ == 0) moved_.Wake();
}

void Writer::Leave(OpId id) {
  std::vector<OpId> ready;
  order_.Leave(id, &ready);
  ready_.insert(ready_.end(), ready.begin(), ready.end());
}

void Writer::ScheduleEndTurn() {
  if (std::exchange(turn_ends_, true)) return;
  asio::post(executor_, [self = self_] {
    if (*self != nullptr) (*self)->EndTurn();
  });
}

// All that was gathered in a turn leaves at once: records, commands, replies.
void Writer::EndTurn() {
  turn_ends_ = false;
  BeginReady();
  if (builder_ && builder_->pending_bytes() > 0) CutRecord();
  HandRecords();
  if (engine_ != nullptr) engine_->Flush();
  for (size_t thread = 0; thread < replies_.size(); ++thread) {
    if (!replies_[thread].empty()) deliver_(thread, std::exchange(replies_[thread], {}));
  }
}

// ---- Records ------------------------------------------------------------------------------------

bool Writer::MayGather() const {
  return options_.mode == WriteMode::kBehind && !paused_ && !stopping_;
}

void Writer::CutRecord() {
  const MonoMicros now = clock_->Mono();
  if (MayGather() && now - cut_at_us_ < options_.gather_us) {
    if (std::exchange(gathers_, true)) return;
    gather_.expires_after(std::chrono::microseconds(cut_at_us_ + options_.gather_us - now));
    gather_.async_wait([self = self_](const std::error_code& error) {
      if (error || *self == nullptr) return;
      (*self)->gathers_ = false;
      (*self)->EndTurn();
    });
    return;
  }
  cut_at_us_ = now;
  std::vector<EffectRecord> ready;
  builder_->Flush(&ready);
  for (EffectRecord& record : ready) records_.push_back(std::move(record));
}

void Writer::HandRecords() {
  while (publisher_ != nullptr && !records_.empty() && !failed_) {
    const StreamOffset begin = records_.front().mark.offset;
    const StreamOffset end = records_.front().mark.End().offset;
    NewRecord record = std::move(records_.front()).ToNewRecord();
    const absl::StatusOr<uint64_t> ticket = publisher_->TryAppend(record);
    if (!ticket.ok()) return;  // Told by OnAppendFailed.
    if (*ticket == 0) {
      records_.front().payload = std::move(record.payload);
      return;
    }
    handed_.push_back({*ticket, begin, end});
    records_.pop_front();
  }
}

void Writer::OnAppended(uint64_t ticket, Seq seq) {
  committed_seq_ = seq;
  while (!handed_.empty() && handed_.front().ticket <= ticket) {
    const Handed record = handed_.front();
    handed_.pop_front();
    NoteCommitted(record, seq - (ticket - record.ticket));
  }
  HandRecords();
  ScheduleEndTurn();
}

void Writer::OnAppendFailed(PublisherTrouble why, const absl::Status& status) { Fail(why, status); }

void Writer::NoteCommitted(const Handed& record, Seq seq) {
  committed_ = record.end;
  if (!std::exchange(opened_, true)) moved_.Wake();
  while (!logged_.empty() && logged_.front().end <= record.end) {
    const Logged done = std::move(logged_.front());
    logged_.pop_front();
    in_flight_bytes_ -= done.bytes;
    const auto op = ops_.find(done.op);
    if (op == ops_.end() || op->second->stage != Stage::kLogging) continue;
    if (reign_->numbered) {
      // Of the last effect; what gives an item a version has only one.
      const auto index = static_cast<uint32_t>(done.end - record.begin - 1);
      op->second->item_cas = CasTokens::Logged(seq.value(), index);
    }
    Store(done.op, op->second.get());
  }
  std::vector<OpId> ready;
  ahead_.Commit(record.end, &ready);
  for (const OpId id : ready) Spawn(executor_, Fill(id, reigns_));
  if (logged_.empty()) moved_.Wake();
}

}  // namespace cairn::adapter::memcache
