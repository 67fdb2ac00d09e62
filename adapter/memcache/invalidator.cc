#include "adapter/memcache/invalidator.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "adapter/cache_kind.h"
#include "adapter/snapshot_fetch.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter::memcache {
namespace {

constexpr absl::Duration kOpenTimeout = absl::Seconds(15);
constexpr absl::Duration kNextPatience = absl::Seconds(1);
// So long a log may be without a connection before it counts as not read.
constexpr absl::Duration kDisconnectedPatience = absl::Seconds(5);
constexpr Millis kSaveEvery{1'000};
constexpr Millis kLookEvery{200};

bool IsTrimmed(const absl::Status& status) { return GetReason(status) == Reason::kTrimmed; }

}  // namespace

Invalidator::Invalidator(InvalidatorOptions options)
    : options_(std::move(options)),
      background_(options_.logs.size() + 1),
      stopped_(io_.get_executor()) {}

Invalidator::~Invalidator() = default;

absl::Status Invalidator::Run() {
  RETURN_IF_ERROR(Prepare());
  for (const auto& target : targets_) target->Start();
  for (const auto& source : sources_) {
    ++running_;
    Spawn(io_.get_executor(), Follow(source.get()));
  }
  running_ += 2;
  Spawn(io_.get_executor(), KeepPositions());
  Spawn(io_.get_executor(), Watch());
  io_.run();
  return status_;
}

void Invalidator::RequestStop() {
  asio::post(io_, [this] {
    stopping_ = true;
    stopped_.Wake();
  });
}

void Invalidator::Fail(const absl::Status& why) {
  if (status_.ok()) status_ = why;
  stopping_ = true;
  stopped_.Wake();
}

absl::Status Invalidator::Prepare() {
  ASSIGN_OR_RETURN(loaded_, LoadPositions(options_.directory));
  saved_ = loaded_;
  ASSIGN_OR_RETURN(client_, Client::Connect(options_.cluster));
  for (const std::string& log : options_.logs) RETURN_IF_ERROR(OpenSource(log, loaded_));
  return MakeTargets();
}

absl::Status Invalidator::OpenSource(const std::string& name, const InvalidationPositions& stored) {
  OpenLogOptions open;
  open.call.timeout = kOpenTimeout;
  ASSIGN_OR_RETURN(const Log log, client_->OpenLog(name, open));
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log));
  if (log_now.last_seq) {
    ASSIGN_OR_RETURN(const CacheKind kind, KindOfLog(log));
    if (kind != CacheKind::kMemcached) {
      return absl::FailedPreconditionError(
          fmt::format("the log {} is of a {}: expected a memcached", name, Name(kind)));
    }
  }
  auto source = std::make_unique<Source>();
  source->log = std::make_unique<Log>(log);
  for (const std::string& target : options_.targets) {
    const auto known = stored.find({log.id().value(), target});
    const Seq position = known == stored.end() ? log_now.last_seq : known->second.seq;
    source->lanes.push_back(std::make_unique<InvalidationLane>(options_.lane, position));
    spdlog::info("target {}: the log {} from record {} on{}", target, name, position + 1,
                 known == stored.end() ? ", which is its end" : "");
  }
  source->read_seq = OldestPosition(*source);
  sources_.push_back(std::move(source));
  return absl::OkStatus();
}

absl::Status Invalidator::MakeTargets() {
  for (size_t i = 0; i < options_.targets.size(); ++i) {
    InvalidationTarget::Options target{
        .address = {}, .name = options_.targets[i], .marker_prefix = options_.marker_prefix};
    ASSIGN_OR_RETURN(target.address, ParseEngineAddress(target.name));
    std::vector<InvalidationLane*> lanes;
    for (const auto& source : sources_) lanes.push_back(source->lanes[i].get());
    targets_.push_back(std::make_unique<InvalidationTarget>(io_.get_executor(), std::move(target),
                                                            std::move(lanes)));
  }
  return absl::OkStatus();
}

// ---- Logs ---------------------------------------------------------------------------------------

Seq Invalidator::OldestPosition(const Source& source) const {
  Seq oldest(UINT64_MAX);
  for (const auto& lane : source.lanes) oldest = std::min(oldest, lane->position());
  return oldest;
}

asio::awaitable<void> Invalidator::Follow(Source* source) {
  absl::Status status;
  while (!stopping_ && status.ok()) {
    status = co_await Tail(source);
    if (IsTrimmed(status)) status = co_await SkipTrimmed(source);
  }
  if (!stopping_) Fail(status);
  --running_;
}

asio::awaitable<absl::Status> Invalidator::Tail(Source* source) {
  TailerOptions tail;
  tail.start = TailStart::AtSeq(source->read_seq + 1);
  tail.on_denied = [this](const absl::Status& why) { denial_.Note("a log is not followed", why); };
  absl::StatusOr<std::unique_ptr<Tailer>> opened = Tailer::Open(*source->log, std::move(tail));
  if (!opened.ok()) co_return opened.status();
  const std::shared_ptr<Tailer> tailer = *std::move(opened);
  source->tailer = tailer;
  ChangeReader reader(source->read_seq);
  while (!stopping_) {
    auto next = [tailer] { return tailer->Next(kNextPatience); };
    const absl::StatusOr<TailEvent> event = co_await background_.Run(std::move(next));
    source->connected = tailer->Disconnected() < kDisconnectedPatience;
    if (absl::IsDeadlineExceeded(event.status())) continue;
    if (!event.ok()) co_return event.status();
    const absl::Status taken = Take(source, &reader, *event);
    if (!taken.ok()) co_return taken;
  }
  co_return absl::OkStatus();
}

absl::Status Invalidator::Take(Source* source, ChangeReader* reader, const TailEvent& event) {
  for (const RecordBatch& batch : event.batches) {
    for (const Record& record : batch.records) {
      RETURN_IF_ERROR(reader->Next(record, batch.timestamp_us, [&](const ItemChange& change) {
        for (const auto& lane : source->lanes) lane->Add(change, batch.timestamp_us);
      }));
      source->read_seq = reader->settled();
      for (const auto& lane : source->lanes) lane->ReadThrough(source->read_seq);
    }
  }
  if (!event.batches.empty()) {
    for (const auto& target : targets_) target->Wake();
  }
  return absl::OkStatus();
}

// What is between the positions and the first record that is kept is a gap.
asio::awaitable<absl::Status> Invalidator::SkipTrimmed(Source* source) {
  auto describe = [log = *source->log] { return DescribeNow(log); };
  const absl::StatusOr<LogDescription> log_now = co_await background_.Run(std::move(describe));
  if (!log_now.ok()) co_return log_now.status();
  const Seq last = log_now->first_seq.Previous();
  spdlog::error("the log {} was trimmed through record {}, and only {} was read", log_now->name,
                last, source->read_seq);
  for (const auto& lane : source->lanes) lane->Trimmed(last, SystemClock().Wall());
  source->read_seq = std::max(source->read_seq, last);
  for (const auto& target : targets_) target->Wake();
  co_return absl::OkStatus();
}

// ---- Positions, status and the end --------------------------------------------------------------

InvalidationPositions Invalidator::Positions() const {
  InvalidationPositions positions;
  for (const auto& source : sources_) {
    for (size_t i = 0; i < targets_.size(); ++i) {
      const InvalidationLane& lane = *source->lanes[i];
      const std::pair<uint64_t, std::string> name(source->log->id().value(), targets_[i]->name());
      const auto before = loaded_.find(name);
      const StoredPosition known = before == loaded_.end() ? StoredPosition() : before->second;
      positions[name] = {lane.position(), known.gaps + lane.gaps(),
                         lane.last_gap() ? lane.last_gap() : known.last_gap};
    }
  }
  return positions;
}

asio::awaitable<absl::Status> Invalidator::Save() {
  InvalidationPositions positions = Positions();
  if (positions == saved_) co_return absl::OkStatus();
  auto save = [directory = options_.directory, positions] {
    return SavePositions(directory, positions);
  };
  const absl::Status saved = co_await background_.Run(std::move(save));
  if (saved.ok()) saved_ = std::move(positions);
  co_return saved;
}

// A disk that is full or gone for a while costs repetition only.
asio::awaitable<void> Invalidator::KeepPositions() {
  WakeUp pause(io_.get_executor());
  while (!stopping_) {
    const absl::Status saved = co_await Save();
    if (!saved.ok()) spdlog::error("positions: {}", ToStd(saved.message()));
    co_await pause.Wait(stopping_ ? Millis(0) : kSaveEvery);
  }
  --running_;
}

asio::awaitable<void> Invalidator::Watch() {
  while (!stopping_) {
    RefreshStatus();
    co_await stopped_.Wait(kLookEvery);
  }
  --running_;
  co_await StopAll();
  io_.stop();
}

asio::awaitable<void> Invalidator::StopAll() {
  for (const auto& source : sources_) {
    if (source->tailer != nullptr) source->tailer->Close();
  }
  WakeUp look(io_.get_executor());
  while (running_ > 0) co_await look.Wait(Millis(5));
  for (const auto& target : targets_) co_await target->Stop();
  const absl::Status saved = co_await Save();
  if (status_.ok()) status_ = saved;
}

void Invalidator::RefreshStatus() {
  InvalidatorStatus status;
  status.began = true;
  const WallMicros now_us = SystemClock().Wall();
  const InvalidationPositions positions = Positions();
  for (const auto& target : targets_) {
    status.targets.push_back({target->name(), target->up(), target->trouble(), target->batches(),
                              target->failures(), target->refused()});
  }
  for (const auto& source : sources_) {
    const std::string& log = source->log->name();
    if (!source->connected) status.unread.push_back(log);
    for (size_t i = 0; i < targets_.size(); ++i) {
      const InvalidationLane& lane = *source->lanes[i];
      const Seq at = lane.position();
      status.lanes.push_back(
          {.log = log,
           .target = targets_[i]->name(),
           .position = at.value(),
           .lag_records = source->read_seq > at ? source->read_seq - at : 0,
           .lag_us = lane.keys() == 0 ? 0 : std::max<int64_t>(0, now_us - lane.oldest_us()),
           .backlog_keys = lane.keys(),
           .backlog_bytes = lane.bytes(),
           .told = lane.told(),
           .lost = lane.lost(),
           .gaps = positions.at({source->log->id().value(), targets_[i]->name()}).gaps});
    }
  }
  const absl::MutexLock lock(&mutex_);
  told_ = std::move(status);
}

InvalidatorStatus Invalidator::Status() const {
  const absl::MutexLock lock(&mutex_);
  return told_;
}

}  // namespace cairn::adapter::memcache
