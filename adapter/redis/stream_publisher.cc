#include "adapter/redis/stream_publisher.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

// A wake-up comes; this only bounds what a lost one would cost.
constexpr Millis kLook{1'000};

}  // namespace

StreamPublisher::StreamPublisher(asio::any_io_executor executor, Log log, Options options,
                                 StreamPublisherOwner* owner)
    : executor_(std::move(executor)),
      log_(std::move(log)),
      options_(std::move(options)),
      owner_(owner),
      source_(executor_, options_.address, {.wait_on = options_.wait_on}),
      moved_(executor_) {}

StreamPublisher::~StreamPublisher() { CHECK(!running_); }

// ---- Attaching ------------------------------------------------------------------------------

absl::Status StreamPublisher::Begin(const Beginning& beginning) {
  RecordBuilder::Options builder;
  builder.engine = options_.engine;
  builder.replid = beginning.from.history;
  ready_.clear();
  handed_.clear();
  cutter_.emplace(beginning.from.offset.value(), beginning.db);
  builder_.emplace(builder);
  from_ = beginning.from;
  appended_ = committed_ = from_.offset;
  LogPublisher::Options log;
  log.lease_name = options_.lease_name;
  log.epoch = beginning.epoch;
  log.buffer_bytes = options_.buffer_bytes;
  failed_ = false;
  ASSIGN_OR_RETURN(log_publisher_, LogPublisher::Start(executor_, log_, log, this));
  StreamRecord opening;
  opening.mark = {.engine = options_.engine,
                  .replid = from_.history,
                  .end_offset = from_.offset.value(),
                  .db = beginning.db};
  return Hand(opening, beginning.adopted).status();
}

asio::awaitable<Attachment> StreamPublisher::Connect(StreamPlace place, StreamOffset committed) {
  const absl::StatusOr<ReplSource::Attachment> attached = co_await source_.Attach(place, committed);
  if (!attached.ok()) {
    spdlog::warn("the engine's stream: {}", ToStd(attached.status().message()));
    co_return Attachment::kFailed;
  }
  const bool same = source_.history() == place.history;
  if (*attached == ReplSource::Attachment::kContinued && same) co_return Attachment::kContinued;
  spdlog::error("the engine's stream does not go on at {} of {}", place.offset, place.history);
  source_.Close();
  co_return Attachment::kGap;
}

asio::awaitable<Attachment> StreamPublisher::Open(Beginning beginning) {
  CHECK(!running_);
  running_ = true;
  Attachment how = co_await Connect(beginning.from, beginning.from.offset);
  if (how == Attachment::kContinued && !stopping_) {
    if (absl::Status begun = Begin(beginning); !begun.ok()) {
      spdlog::error("the log's producer: {}", ToStd(begun.message()));
      failed_ = true;
    }
    while (!handed_.empty() && !failed_ && !stopping_) co_await moved_.Wait(kLook);
  }
  running_ = false;
  if (how != Attachment::kContinued) co_return how;
  if (stopping_ || failed_) {
    source_.Close();
    co_return Attachment::kFailed;
  }
  Spawn(executor_, Pump());
  co_return how;
}

asio::awaitable<Attachment> StreamPublisher::Again() {
  CHECK(!running_);
  CHECK(log_publisher_ != nullptr);
  running_ = true;
  StreamPlace place = from_;
  place.offset = source_.read_offset();
  const Attachment how = co_await Connect(std::move(place), committed_);
  running_ = false;
  if (how != Attachment::kContinued) co_return how;
  if (stopping_) co_return Attachment::kFailed;
  Settle();
  Spawn(executor_, Pump());
  co_return how;
}

asio::awaitable<PublisherStoppedEvent> StreamPublisher::Stop() {
  stopping_ = true;
  WakeUp pause(executor_);
  while (running_) {
    source_.Close();
    moved_.Wake();
    co_await pause.Wait(Millis(1));
  }
  source_.Close();
  log_publisher_.reset();
  stopping_ = false;
  PublisherStoppedEvent stopped;
  if (from_.history.empty()) co_return stopped;
  stopped.history = from_.history;
  stopped.appended = appended_;
  // Whole units that wait have an effect: behind them nothing can be said.
  stopped.read = appended_;
  if (ready_.empty() && builder_->pending_bytes() == 0) {
    stopped.read = std::max(appended_, StreamOffset(builder_->whole_offset()));
  }
  co_return stopped;
}

// ---- The stream -----------------------------------------------------------------------------

asio::awaitable<void> StreamPublisher::Pump() {
  running_ = true;
  absl::Status status;
  while (status.ok() && !stopping_ && !failed_) {
    const bool all = co_await HandOn();
    if (!all) continue;
    if (gathers_) co_await Gather();
    status = co_await ReadSome();
  }
  running_ = false;
  moved_.Wake();
  if (status.ok() || stopping_ || failed_) co_return;
  source_.Close();
  // Bytes that are no commands come again, however often one attaches.
  const bool mad = absl::IsInvalidArgument(status);
  failed_ = mad;
  owner_->OnPublisherFailed(mad ? PublisherTrouble::kUnknown : PublisherTrouble::kConnection,
                            status);
}

asio::awaitable<absl::Status> StreamPublisher::ReadSome() {
  const absl::StatusOr<std::string_view> bytes = co_await source_.Read();
  if (!bytes.ok()) co_return bytes.status();
  gathers_ = options_.gather > Millis(0) && bytes->size() < ReplSource::kReadBytes;
  std::vector<StreamRecord> records;
  for (std::string_view input = *bytes; !input.empty();) {
    const absl::StatusOr<StreamPiece> piece = cutter_->Next(&input);
    if (!piece.ok()) co_return piece.status();
    builder_->Add(*piece, &records);
  }
  builder_->Flush(&records);
  for (StreamRecord& record : records) ready_.push_back(std::move(record));
  if (ready_.empty()) Settle();
  co_return absl::OkStatus();
}

asio::awaitable<void> StreamPublisher::Gather() {
  const auto until = std::chrono::steady_clock::now() + options_.gather;
  while (!stopping_ && !failed_) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) break;
    co_await moved_.Wait(std::chrono::ceil<Millis>(left));
  }
}

// Hands on what is ready. False: not all of it, since it is over.
asio::awaitable<bool> StreamPublisher::HandOn() {
  while (!ready_.empty()) {
    const absl::StatusOr<bool> handed = Hand(ready_.front());
    if (!handed.ok() || stopping_ || failed_) co_return false;
    if (*handed) {
      ready_.pop_front();
    } else {
      co_await moved_.Wait(kLook);
    }
  }
  co_return true;
}

// False: the buffer is full.
absl::StatusOr<bool> StreamPublisher::Hand(const StreamRecord& record, std::optional<Seq> adopted) {
  NewRecord out;
  out.payload = record.payload;
  out.metadata[std::string(kStreamMarkKey)] = record.mark.ToText();
  if (adopted) out.metadata[std::string(kAdoptedKey)] = fmt::to_string(adopted->value());
  absl::StatusOr<uint64_t> ticket = log_publisher_->TryAppend(out);
  if (!ticket.ok()) {
    failed_ = true;  // OnAppendFailed tells why.
    return ticket.status();
  }
  if (*ticket == 0) return false;
  const RunPart part = record.mark.part;
  appended_ = StreamOffset(record.mark.end_offset);
  handed_.push_back({*ticket, appended_, part == RunPart::kNone || part == RunPart::kLast});
  return true;
}

// ---- What the log says ----------------------------------------------------------------------

void StreamPublisher::OnAppended(uint64_t ticket, Seq seq) {
  committed_seq_ = seq;
  const StreamOffset before = committed_;
  while (!handed_.empty() && handed_.front().ticket <= ticket) {
    if (handed_.front().whole) committed_ = std::max(committed_, handed_.front().end);
    handed_.pop_front();
  }
  moved_.Wake();
  if (committed_ > before) {
    source_.Acknowledge(committed_);
    owner_->OnCommitted(committed_, committed_seq_);
  }
  Settle();
}

// With nothing under way, the pings behind the last record are as good as committed.
void StreamPublisher::Settle() {
  if (!handed_.empty() || !ready_.empty() || builder_->pending_bytes() > 0 || failed_) return;
  const StreamOffset whole(builder_->whole_offset());
  if (whole <= committed_) return;
  committed_ = whole;
  source_.Acknowledge(committed_);
  owner_->OnCommitted(committed_, committed_seq_);
}

void StreamPublisher::OnAppendFailed(PublisherTrouble why, const absl::Status& status) {
  failed_ = true;
  source_.Close();
  moved_.Wake();
  owner_->OnPublisherFailed(why, status);
}

}  // namespace cairn::adapter::redis
