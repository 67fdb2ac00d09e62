#include "adapter/memcache/view_feeder.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "adapter/memcache/engine_warmup.h"
#include "base/check.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter::memcache {
namespace {

// Next waits at most that long for a message; Close ends it sooner.
constexpr absl::Duration kNextPatience = absl::Seconds(1);
constexpr absl::Duration kReadTimeout = absl::Seconds(30);
constexpr absl::Duration kDescribeTimeout = absl::Seconds(5);
constexpr uint64_t kGapRecords = 1'024;
// Above that, whoever waits is told how far it is.
constexpr uint64_t kLongReplayRecords = 1'000;

}  // namespace

ViewFeeder::ViewFeeder(asio::any_io_executor executor, Background* background, Log log, View* view,
                       Options options, ViewFeederOwner* owner)
    : executor_(std::move(executor)),
      background_(background),
      log_(std::move(log)),
      view_(view),
      options_(std::move(options)),
      owner_(owner),
      filler_(executor_),
      view_moved_(executor_),
      freed_(executor_),
      ended_(executor_) {}

ViewFeeder::~ViewFeeder() { CHECK(!running_ && filling_ == 0); }

void ViewFeeder::Start() {
  CHECK(!running_);
  running_ = true;
  busy_ = true;  // Until the view has begun.
  Spawn(executor_, Run());
}

asio::awaitable<void> ViewFeeder::Stop() {
  stopping_ = true;
  ++following_;
  filler_.Close();
  if (tailer_ != nullptr) tailer_->Close();
  view_moved_.cancel();
  while (running_ || filling_ > 0) {
    freed_.Wake();
    co_await ended_.Wait(Millis(5));
  }
}

asio::awaitable<void> ViewFeeder::Run() {
  absl::Status status = co_await Begin();
  busy_ = false;
  freed_.Wake();
  while (!stopping_ && status.ok()) {
    status = co_await Tail();
    if (GetReason(status) == Reason::kTrimmed && !stopping_) status = co_await BeginAnew();
  }
  running_ = false;
  ended_.Wake();
  if (!stopping_) owner_->OnViewFailed(status);
}

// A new view need not read the log's past if there is a snapshot; nor need it fail if there is
// none.
asio::awaitable<absl::Status> ViewFeeder::Begin() {
  co_await SeeLogEnd();
  if (view_->position().read.seq && !view_->incomplete()) co_return absl::OkStatus();
  absl::Status restored = absl::NotFoundError("there is no store");
  if (options_.restore != nullptr) restored = co_await Restore();
  if (restored.ok() || stopping_) co_return absl::OkStatus();
  spdlog::info("no snapshot was loaded: {}", ToStd(restored.message()));
  auto reset = [view = view_] { return view->Reset(); };
  co_return co_await background_->Run(std::move(reset));
}

asio::awaitable<void> ViewFeeder::SeeLogEnd() {
  auto describe = [log = log_]() mutable { return log.Describe({.call = {kDescribeTimeout}}); };
  const absl::StatusOr<LogDescription> log = co_await background_->Run(std::move(describe));
  // Whoever does not know it does not wait for it.
  if (log.ok()) replayed_at_ = log->last_seq;
}

asio::awaitable<absl::Status> ViewFeeder::Tail() {
  NoteViewSeq();
  spdlog::info("the view reads the log from record {}; the log ends at {}", view_seq_ + 1,
               replayed_at_);
  long_replay_ = replayed_at_ > view_seq_ + kLongReplayRecords;
  TailerOptions tail;
  tail.start = TailStart::AtSeq(view_seq_ + 1);
  tail.on_denied = [](const absl::Status&) {};  // Told by whoever heads the log.
  absl::StatusOr<std::unique_ptr<Tailer>> opened = Tailer::Open(log_, std::move(tail));
  if (!opened.ok()) co_return opened.status();
  const std::shared_ptr<Tailer> tailer = *std::move(opened);
  tailer_ = tailer;
  while (!stopping_) {
    auto next = [tailer] { return tailer->Next(kNextPatience); };
    absl::StatusOr<TailEvent> event = co_await background_->Run(std::move(next));
    if (absl::IsDeadlineExceeded(event.status())) continue;
    if (!event.ok()) co_return event.status();
    if (event->batches.empty()) continue;
    const absl::Status taken = co_await TakeMessage(*std::move(event));
    if (!taken.ok()) co_return taken;
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> ViewFeeder::TakeMessage(TailEvent event) {
  while (busy_ && !stopping_) co_await freed_.Wait(Millis(20));
  if (stopping_) co_return absl::OkStatus();
  busy_ = true;
  auto batches = std::make_shared<std::vector<RecordBatch>>(std::move(event.batches));
  auto apply = [batches, view = view_] { return view->Apply(*batches); };
  const absl::Status applied = co_await background_->Run(std::move(apply));
  NoteViewSeq();
  TellReplay();
  if (applied.ok()) co_await FeedMessage(std::move(*batches));
  busy_ = false;
  freed_.Wake();
  co_return applied;
}

void ViewFeeder::NoteViewSeq() {
  view_seq_ = view_->position().read.seq;
  view_moved_.cancel();
}

// A thread that waited would be one less to fold what it waits for.
asio::awaitable<bool> ViewFeeder::AwaitViewSeq(Seq seq, Millis patience) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  while (view_seq_ < seq) {
    const auto now = std::chrono::steady_clock::now();
    if (stopping_ || now >= give_up) co_return false;
    if (view_moved_.expiry() <= now) view_moved_.expires_at(give_up);
    asio::error_code ignored;
    co_await view_moved_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return true;
}

void ViewFeeder::TellReplay() {
  if (!long_replay_ || options_.report == nullptr) return;
  options_.report->Update(Phase::kReplay, view_seq_.value(), replayed_at_.value());
  long_replay_ = view_seq_ < replayed_at_;
  if (!long_replay_) options_.report->Clear();
}

// The records that the view lacks are gone from the log.
asio::awaitable<absl::Status> ViewFeeder::BeginAnew() {
  spdlog::warn("the view stands at {}, which the log has trimmed: it begins anew from a snapshot",
               view_seq_);
  Lost(absl::UnavailableError("the view begins anew"));
  if (options_.restore == nullptr) {
    co_return absl::OutOfRangeError(
        "records that the view needs were trimmed, and there is no store");
  }
  // Nobody fills an engine from a view that is going.
  while (busy_ && !stopping_) co_await freed_.Wait(Millis(20));
  if (stopping_) co_return absl::OkStatus();
  busy_ = true;
  const absl::Status restored = co_await Restore();
  busy_ = false;
  freed_.Wake();
  if (!absl::IsFailedPrecondition(restored)) co_return restored;
  co_return absl::OutOfRangeError(restored.message());  // None serves.
}

asio::awaitable<absl::Status> ViewFeeder::Restore() {
  auto restore = [restore = options_.restore, view = view_] { return restore(view); };
  const absl::Status restored = co_await background_->Run(std::move(restore));
  NoteViewSeq();
  if (options_.report != nullptr) options_.report->Clear();
  co_return restored;
}

// ---- The engine that follows ------------------------------------------------------------------

Seq ViewFeeder::BoundSeq() const { return through_ ? std::min(*through_, view_seq_) : view_seq_; }

asio::awaitable<void> ViewFeeder::FeedMessage(std::vector<RecordBatch> batches) {
  if (!follows_) co_return;
  const uint64_t following = following_;
  absl::Status status;
  const std::vector<Record>& first = batches.front().records;
  const bool next_in_line = !first.empty() && first.front().seq == reader_->read_seq() + 1;
  if (next_in_line && BoundSeq() == view_seq_) {
    status = co_await FeedRecords(std::move(batches));
  } else if (reader_->read_seq() < BoundSeq()) {
    status = co_await FeedGap();
  } else {
    co_return;
  }
  if (following != following_) co_return;
  if (!status.ok()) co_return Lost(status);
  owner_->OnFed(fed_seq_);
}

// What the view has read and the engine has not, from the log.
asio::awaitable<absl::Status> ViewFeeder::FeedGap() {
  const uint64_t following = following_;
  while (following == following_ && reader_->read_seq() < BoundSeq()) {
    const Seq first = reader_->read_seq() + 1;
    auto read = [log = log_, first,
                 last = std::min(BoundSeq(), first + (kGapRecords - 1))]() mutable
        -> absl::StatusOr<std::vector<RecordBatch>> {
      ReadOptions options;
      options.call.timeout = kReadTimeout;
      options.start_seq = first;
      options.end_seq = last;
      ReadStream stream = log.Read(options);
      std::vector<RecordBatch> batches;
      while (true) {
        absl::StatusOr<std::optional<RecordBatch>> batch = stream.Next();
        if (!batch.ok()) return batch.status();
        if (!batch->has_value()) return batches;
        batches.push_back(**std::move(batch));
      }
    };
    absl::StatusOr<std::vector<RecordBatch>> batches = co_await background_->Run(std::move(read));
    // Not the engine's: kDeadlineExceeded would end it.
    if (!batches.ok()) co_return absl::UnavailableError(batches.status().message());
    if (batches->empty()) co_return absl::UnavailableError("the log gave no records");
    if (following != following_) co_return absl::OkStatus();
    const absl::Status fed = co_await FeedRecords(*std::move(batches));
    if (!fed.ok()) co_return fed;
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> ViewFeeder::FeedRecords(std::vector<RecordBatch> batches) {
  const uint64_t following = following_;
  FillBatch fill;
  const UnixSeconds now = WallSeconds();
  for (const RecordBatch& batch : batches) {
    for (const Record& record : batch.records) {
      if (record.seq <= reader_->read_seq()) continue;
      const absl::Status read = reader_->Next(record, [&](const EffectView& effect, EffectId id) {
        fill.Add(effect, now, NumberFor(id, numbered_));
      });
      if (!read.ok()) co_return read;
    }
  }
  const Seq through = reader_->read_seq();
  const absl::Status put = co_await filler_.Put(std::move(fill));
  if (!put.ok()) co_return put;
  if (following == following_) fed_seq_ = through;
  co_return absl::OkStatus();
}

void ViewFeeder::Lost(const absl::Status& why) {
  const bool had = follows_ || filling_ > 0;
  ++following_;
  follows_ = false;
  filler_.Close();
  if (had && !stopping_) owner_->OnFillFailed(why);
}

EngineHolds ViewFeeder::Release() {
  ++following_;
  filler_.Close();
  if (std::exchange(follows_, false)) return {fed_seq_, {}};
  return std::exchange(unfilled_, {});
}

void ViewFeeder::Follow(EngineAddress engine, EngineHolds holds, bool numbered) {
  follows_ = false;
  numbered_ = numbered;
  // A bound is that of the grant before which the engine followed.
  through_.reset();
  filler_.Close();
  ++filling_;
  Spawn(executor_, Fill(++following_, std::move(engine), std::move(holds)));
}

}  // namespace cairn::adapter::memcache
