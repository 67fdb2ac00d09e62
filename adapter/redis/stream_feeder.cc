#include "adapter/redis/stream_feeder.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

// Next waits at most that long for a message; Close ends it sooner.
constexpr absl::Duration kNextPatience = absl::Seconds(1);
constexpr absl::Duration kReadTimeout = absl::Seconds(60);
constexpr Millis kLook{1'000};

ReplSinkOptions SinkOptions(std::string password) {
  ReplSinkOptions options;
  options.password = std::move(password);
  return options;
}

}  // namespace

StreamFeeder::StreamFeeder(asio::any_io_executor executor, Background* background, Log log,
                           Options options, StreamFeederOwner* owner)
    : executor_(std::move(executor)),
      background_(background),
      log_(std::move(log)),
      options_(std::move(options)),
      owner_(owner),
      sink_(executor_, this, SinkOptions(options_.sink_password)),
      bound_moved_(executor_) {}

StreamFeeder::~StreamFeeder() { CHECK_EQ(feeding_, size_t{0}); }

void StreamFeeder::Resync(std::optional<Meeting> meeting) {
  ordered_ = Ordered{std::move(meeting)};
  through_.reset();
  sink_.Reset();
}

void StreamFeeder::Bound(std::optional<Seq> through) {
  through_ = through;
  bound_moved_.Wake();
}

void StreamFeeder::Release() {
  ordered_.reset();
  sink_.Reset();
  if (tailer_ != nullptr) tailer_->Close();
  bound_moved_.Wake();
}

asio::awaitable<void> StreamFeeder::Stop() {
  stopping_ = true;
  WakeUp pause(executor_);
  sink_.Close();
  while (feeding_ > 0) {
    Release();
    co_await pause.Wait(Millis(2));
  }
}

// ---- The sink's questions ---------------------------------------------------------------------

asio::awaitable<SinkDecision> StreamFeeder::Decide(StreamPlace asked) {
  if (stopping_) co_return SinkRefuse{};
  if (!ordered_) {
    owner_->OnMemoryLost();
    co_return SinkRefuse{};
  }
  const std::optional<Meeting> meeting = ordered_->meeting;
  if (meeting && meeting->place == asked) {
    spdlog::info("the engine keeps its memory: it equals the log through {}", meeting->seq);
    co_return SinkDecision(SinkContinue{meeting->seq});
  }
  if (!options_.snapshots) {
    spdlog::info("the engine begins anew, with the log's first record");
    co_return SinkFull{EmptyRdb(), Seq()};
  }
  ++feeding_;  // Stop waits for it.
  absl::StatusOr<SinkFull> full = co_await options_.snapshots(engine_);
  --feeding_;
  TellRefusal(full.status());
  if (!full.ok() || stopping_) co_return SinkRefuse{};
  spdlog::info("the engine begins anew, with the log as of {}", full->seq);
  co_return *std::move(full);
}

// The engine asks each second: the same reason is told once.
void StreamFeeder::TellRefusal(const absl::Status& why) {
  if (told_refusal_ == ToStd(why.message())) return;
  told_refusal_ = ToStd(why.message());
  if (why.ok() || absl::IsCancelled(why)) return;
  spdlog::critical("the engine cannot be filled, and waits: {}", told_refusal_);
}

void StreamFeeder::OnStream(uint64_t stream, Seq seq) {
  if (tailer_ != nullptr) tailer_->Close();
  tailer_ = nullptr;
  if (stopping_) return;
  ++feeding_;
  Spawn(executor_, Feed(stream, seq));
}

void StreamFeeder::OnFed(uint64_t stream, const EngineFedEvent& fed) {
  if (stream != sink_.stream() || stopping_) return;
  if (ordered_) {
    ordered_.reset();
    owner_->OnResynced(fed.acked_seq, fed.acked_offset);
  }
  owner_->OnFed(fed);
}

void StreamFeeder::OnLink(bool up) {
  spdlog::info("the engine is {}", up ? "being fed" : "not fed at the moment");
}

// ---- Feeding ----------------------------------------------------------------------------------

asio::awaitable<void> StreamFeeder::Feed(uint64_t stream, Seq seq) {
  const absl::Status status = co_await FeedAll(stream, seq);
  --feeding_;
  const bool overtaken = absl::IsAborted(status) || absl::IsCancelled(status);
  if (overtaken || stopping_ || stream != sink_.stream()) co_return;
  owner_->OnFeedFailed(status);
}

asio::awaitable<absl::Status> StreamFeeder::FeedAll(uint64_t stream, Seq seq) {
  RecordReader::Options reading;
  reading.engine = engine_;
  reading.lease_name = options_.lease_name;
  RecordReader reader(std::move(reading), seq);
  TailerOptions options;
  options.start = TailStart::AtSeq(seq + 1);
  if (options_.outlives_denials) options.on_denied = [](const absl::Status&) {};
  absl::StatusOr<std::unique_ptr<Tailer>> opened = Tailer::Open(log_, std::move(options));
  if (!opened.ok()) co_return opened.status();
  const std::shared_ptr<Tailer> tailer = *std::move(opened);
  tailer_ = tailer;
  began_seq_ = seq;
  progress_ = FeedProgress();
  progress_.read = progress_.applied = seq;
  while (stream == sink_.stream() && !stopping_) {
    auto next = [tailer] { return tailer->Next(kNextPatience); };
    absl::StatusOr<TailEvent> event = co_await background_->Run(std::move(next));
    if (absl::IsDeadlineExceeded(event.status())) continue;
    if (!event.ok()) co_return event.status();
    for (RecordBatch& batch : event->batches) {
      for (Record& record : batch.records) {
        absl::Status fed = co_await FeedRecord(stream, &reader, std::move(record));
        if (!fed.ok()) co_return fed;
      }
    }
  }
  co_return absl::AbortedError("overtaken");
}

asio::awaitable<absl::Status> StreamFeeder::AwaitBound(uint64_t stream, Seq seq) {
  while (through_ && seq > *through_) {
    if (stream != sink_.stream() || stopping_) co_return absl::AbortedError("overtaken");
    co_await bound_moved_.Wait(kLook);
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> StreamFeeder::FeedRecord(uint64_t stream, RecordReader* reader,
                                                       Record record) {
  const Seq seq = record.seq;
  absl::Status allowed = co_await AwaitBound(stream, seq);
  if (allowed.ok()) allowed = CheckAdopted(record);
  if (!allowed.ok()) co_return allowed;
  absl::StatusOr<FeedStep> step = reader->Next(&record);
  if (!step.ok()) co_return step.status();
  if (step->voided) spdlog::info("a run without an end before record {} counts no more", seq);
  NoteProgress(*reader, record);
  switch (step->kind) {
    case FeedStep::Kind::kHold:
      co_return absl::OkStatus();
    case FeedStep::Kind::kFeedRun:
      co_return co_await FeedRun(stream, *std::move(step));
    case FeedStep::Kind::kFeed:
      co_return co_await sink_.Push(stream, step->select + record.payload, seq);
    case FeedStep::Kind::kSkip:
      // Within a run the engine does not have the log through here.
      if (reader->applied_seq() != seq) co_return absl::OkStatus();
      co_return co_await sink_.Push(stream, std::string(), seq);
  }
  CHECK_UNREACHABLE();
}

absl::Status StreamFeeder::CheckAdopted(const Record& record) const {
  const auto found = record.metadata.find(std::string(kAdoptedKey));
  if (found == record.metadata.end()) return absl::OkStatus();
  uint64_t adopted = 0;
  const char* const end = found->second.data() + found->second.size();
  const auto [parsed, error] = std::from_chars(found->second.data(), end, adopted);
  if (error != std::errc() || parsed != end) {
    return absl::DataLossError(fmt::format("record {}: '{}' under the key '{}' is no seq",
                                           record.seq, found->second, kAdoptedKey));
  }
  if (began_seq_ >= Seq(adopted)) return absl::OkStatus();
  return absl::OutOfRangeError(fmt::format(
      "data were adopted as of record {}, which only a snapshot holds; the engine began with the "
      "log as of {}",
      adopted, began_seq_));
}

// Before it is fed: nobody asks between here and the Push.
void StreamFeeder::NoteProgress(const RecordReader& reader, const Record& record) {
  progress_.read = record.seq;
  progress_.applied = reader.applied_seq();
  progress_.position = reader.position();
  if (!record.lease || record.lease->name != options_.lease_name) return;
  const bool held =
      record.kind == RecordKind::kLeaseAcquired || record.kind == RecordKind::kLeaseTransferred;
  progress_.epoch = held ? Epoch(record.seq.value()) : Epoch();
}

asio::awaitable<absl::Status> StreamFeeder::FeedRun(uint64_t stream, FeedStep step) {
  absl::Status pushed = co_await sink_.Push(stream, std::move(step.select), std::nullopt);
  for (std::string& payload : step.held) {
    if (pushed.ok()) pushed = co_await sink_.Push(stream, std::move(payload), std::nullopt);
  }
  const bool read_again = step.held.empty();
  ReadOptions read;
  read.call.timeout = kReadTimeout;
  read.start_seq = step.first_seq;
  read.end_seq = step.last_seq;
  auto records = std::make_shared<ReadStream>(log_.Read(read));
  while (pushed.ok() && read_again) {
    auto next = [records] { return records->Next(); };
    absl::StatusOr<std::optional<RecordBatch>> batch = co_await background_->Run(std::move(next));
    if (!batch.ok()) co_return batch.status();
    if (!batch->has_value()) break;
    for (Record& record : (*batch)->records) {
      if (record.kind != RecordKind::kData || !pushed.ok()) continue;
      pushed = co_await sink_.Push(stream, std::move(record.payload), std::nullopt);
    }
  }
  if (pushed.ok()) pushed = co_await sink_.Push(stream, std::string(), step.last_seq);
  co_return pushed;
}

}  // namespace cairn::adapter::redis
