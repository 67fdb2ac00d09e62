#include "tests/fault/retained_load.h"

#include <fmt/format.h>

#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "tests/integration/process_cluster.h"

namespace cairn::fault {
namespace {

struct Kind {
  size_t bytes;
  int records_per_s;
};
// Some 330 kB a second in all.
constexpr Kind kProducers[] = {{100, 500}, {1024, 150}, {16 * 1024, 8}};
constexpr size_t kSingleBytes = 200;
constexpr absl::Duration kSinglePause = absl::Milliseconds(50);
constexpr absl::Duration kCallTimeout = absl::Seconds(3);
// A fault and the recovery from it may take that long.
constexpr absl::Duration kDeliveryTimeout = absl::Minutes(5);
// Often, so that the block cache is full before samples count.
constexpr absl::Duration kColdPause = absl::Milliseconds(500);
constexpr absl::Duration kColdTimeout = absl::Seconds(10);
constexpr uint64_t kColdRecords = 5000;
constexpr absl::Duration kLookAround = absl::Milliseconds(100);
constexpr uint64_t kSegmentBytes = 4 << 20;
constexpr int kCatchUpSeconds = 60;
constexpr size_t kMaxFindings = 10;

absl::StatusOr<std::unique_ptr<Client>> Connect(std::vector<std::string> endpoints) {
  ClientOptions options;
  options.endpoints = std::move(endpoints);
  return Client::Connect(std::move(options));
}

}  // namespace

void LatencyBook::Record(absl::Duration latency) {
  const auto nanos = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Nanoseconds(latency)));
  absl::MutexLock lock(&mutex_);
  histogram_.Record(nanos);
}

cli::Histogram LatencyBook::Take() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(histogram_, cli::Histogram());
}

absl::StatusOr<std::unique_ptr<RetainedLoad>> RetainedLoad::Start(
    std::vector<std::string> endpoints, std::string log, uint64_t retention_bytes) {
  std::unique_ptr<RetainedLoad> load(new RetainedLoad());
  RETURN_IF_ERROR(load->Open(endpoints, log, retention_bytes));
  return load;
}

absl::Status RetainedLoad::Open(const std::vector<std::string>& endpoints, const std::string& log,
                                uint64_t retention_bytes) {
  ASSIGN_OR_RETURN(client_, Connect(endpoints));
  OpenLogOptions open;
  open.create_if_missing = true;
  open.settings.retention_bytes = retention_bytes;
  open.settings.segment_bytes = kSegmentBytes;
  open.call.timeout = absl::Minutes(1);
  ASSIGN_OR_RETURN(Log opened, client_->OpenLog(log, open));
  log_ = std::make_unique<Log>(std::move(opened));
  for (const Kind& kind : kProducers) {
    streams_.push_back(std::make_unique<Stream>());
    Stream& stream = *streams_.back();
    stream.writer = streams_.size() - 1;
    stream.bytes = kind.bytes;
    stream.records_per_s = kind.records_per_s;
    ProducerOptions producer;
    producer.delivery_timeout = kDeliveryTimeout;
    producer.on_delivery = [this, &stream](const Delivery& d) { OnDelivery(stream, d); };
    ASSIGN_OR_RETURN(stream.producer, Producer::Open(*log_, std::move(producer)));
  }
  for (const std::string& endpoint : endpoints) {
    ASSIGN_OR_RETURN(std::unique_ptr<Client> one, Connect({endpoint}));
    node_clients_.push_back(std::move(one));
    auto tail = std::make_unique<Tail>();
    tail->endpoint = endpoint;
    {
      absl::MutexLock lock(&tail->mutex);
      tail->check = NewCheck();
    }
    TailerOptions options;
    options.prefer_endpoint = endpoint;
    ASSIGN_OR_RETURN(tail->tailer, Tailer::Open(*log_, std::move(options)));
    tails_.push_back(std::move(tail));
  }
  for (auto& stream : streams_)
    stream->thread = std::thread([this, s = stream.get()] { Send(*s); });
  for (auto& tail : tails_) tail->thread = std::thread([this, t = tail.get()] { Follow(*t); });
  single_thread_ = std::thread([this] { AppendSingly(); });
  cold_thread_ = std::thread([this] { ReadCold(); });
  return absl::OkStatus();
}

RetainedLoad::~RetainedLoad() {
  for (auto& stream : streams_) {
    if (stream->producer != nullptr) stream->producer->Close();
  }
  StopWriting();
  stop_reading_ = true;
  for (auto& tail : tails_) {
    if (tail->thread.joinable()) tail->thread.join();
    tail->tailer.reset();
  }
  if (cold_thread_.joinable()) cold_thread_.join();
  for (auto& stream : streams_) stream->producer.reset();
}

void RetainedLoad::StopWriting() {
  stop_writing_ = true;
  for (auto& stream : streams_) {
    if (stream->thread.joinable()) stream->thread.join();
  }
  if (single_thread_.joinable()) single_thread_.join();
}

std::unique_ptr<StreamCheck> RetainedLoad::NewCheck() const {
  std::vector<const AckBook*> books;
  for (const auto& stream : streams_) books.push_back(&stream->book);
  books.push_back(&single_book_);
  return std::make_unique<StreamCheck>(std::move(books));
}

// ---- Writers ---------------------------------------------------------------------------

void RetainedLoad::Send(Stream& stream) {
  const absl::Duration pause = absl::Seconds(1) / stream.records_per_s;
  absl::Time due = absl::Now();
  for (uint64_t number = 0; !stop_writing_; ++number, due += pause) {
    absl::SleepFor(due - absl::Now());
    {
      absl::MutexLock lock(&stream.mutex);
      stream.sent.push_back(absl::Now());
    }
    const auto ticket = stream.producer->Send(NumberedRecord(stream.writer, number, stream.bytes));
    if (ticket.ok()) continue;
    absl::MutexLock lock(&stream.mutex);
    if (stream.failure.ok()) stream.failure = ticket.status();
    return;
  }
}

void RetainedLoad::OnDelivery(Stream& stream, const Delivery& delivery) {
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&stream.mutex);
  if (!delivery.status.ok()) {
    if (stream.failure.ok()) stream.failure = delivery.status;
    return;
  }
  for (uint64_t ticket = delivery.first_ticket; ticket <= delivery.last_ticket; ++ticket) {
    // Ticket n is number n - 1.
    stream.book.Acknowledge(ticket - 1,
                            delivery.result.first_seq + (ticket - delivery.first_ticket));
    produced_.Record(now - stream.sent.front());
    stream.sent.pop_front();
    ++acknowledged_;
  }
}

void RetainedLoad::AppendSingly() {
  const size_t writer = streams_.size();
  AppendOptions options;
  options.call.timeout = kCallTimeout;
  for (uint64_t number = 0; !stop_writing_; ++number) {
    const absl::Time begin = absl::Now();
    const auto done = log_->Append(NumberedRecord(writer, number, kSingleBytes), options);
    if (done.ok()) {
      single_.Record(absl::Now() - begin);
      single_book_.Acknowledge(number, done->first_seq);
      ++acknowledged_;
    } else {
      ++unanswered_;
    }
    absl::SleepFor(kSinglePause);
  }
}

// ---- Readers ---------------------------------------------------------------------------

void RetainedLoad::Follow(Tail& tail) const {
  while (!stop_reading_) {
    const absl::StatusOr<TailEvent> event = tail.tailer->Next(kLookAround);
    if (absl::IsDeadlineExceeded(event.status())) continue;
    absl::MutexLock lock(&tail.mutex);
    if (!event.ok()) {
      tail.failure = event.status();
      return;
    }
    for (const RecordBatch& batch : event->batches) tail.check->Take(batch);
  }
}

void RetainedLoad::ReadCold() {
  absl::Time due = absl::Now();
  for (size_t turn = 0; !stop_reading_; ++turn) {
    const absl::Status read = ReadOnce(*node_clients_[turn % node_clients_.size()]);
    if (absl::IsDataLoss(read)) {
      absl::MutexLock lock(&findings_mutex_);
      if (cold_findings_.size() < kMaxFindings) {
        cold_findings_.push_back("a cold read: " + std::string(read.message()));
      }
    }
    due += kColdPause;
    while (!stop_reading_ && absl::Now() < due) absl::SleepFor(kLookAround);
  }
}

absl::Status RetainedLoad::ReadOnce(Client& client) {
  Log log = client.LogWithId(log_->name(), log_->id());
  DescribeOptions describe;
  describe.call.timeout = kCallTimeout;
  ASSIGN_OR_RETURN(const LogDescription now, log.Describe(describe));
  ReadOptions options;
  options.start_seq = now.first_seq;
  options.max_records = kColdRecords;
  options.call.timeout = kColdTimeout;
  ReadStream stream = log.Read(options);
  const std::unique_ptr<StreamCheck> check = NewCheck();
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
    if (!batch) break;
    check->Take(*batch);
  }
  ++cold_reads_;
  cold_records_ += check->records();
  if (check->errors() > 0) return absl::DataLossError(ToAbsl(check->first_error()));
  return absl::OkStatus();
}

// ---- The end ---------------------------------------------------------------------------

bool RetainedLoad::HasSeenAll(Tail& tail) const {
  absl::MutexLock lock(&tail.mutex);
  if (!tail.failure.ok()) return true;
  for (const auto& stream : streams_) {
    if (tail.check->last(stream->writer) < stream->book.newest()) return false;
  }
  return tail.check->last(streams_.size()) >= single_book_.newest();
}

void RetainedLoad::JudgeTail(Tail& tail, RetainedLoadResult& result) const {
  const bool seen = integration::Eventually([&] { return HasSeenAll(tail); }, kCatchUpSeconds);
  absl::MutexLock lock(&tail.mutex);
  result.tailed += tail.check->records();
  const auto note = [&](std::string_view what) {
    result.findings.push_back(fmt::format("the tail of {}: {}", tail.endpoint, what));
  };
  if (tail.check->errors() > 0) {
    note(fmt::format("{} records are wrong, the first: {}", tail.check->errors(),
                     tail.check->first_error()));
  }
  if (!tail.failure.ok()) return note(ToStd(tail.failure.message()));
  if (!seen) note("it does not show all that was acknowledged");
}

RetainedLoadResult RetainedLoad::Finish() {
  StopWriting();
  RetainedLoadResult result;
  for (auto& stream : streams_) {
    const absl::Status flushed = stream->producer->Flush(kDeliveryTimeout);
    absl::MutexLock lock(&stream->mutex);
    const absl::Status& failure = stream->failure.ok() ? flushed : stream->failure;
    if (failure.ok()) continue;
    result.findings.push_back(
        fmt::format("producer {}: {}", stream->writer, ToStd(failure.message())));
  }
  for (auto& tail : tails_) JudgeTail(*tail, result);
  result.acknowledged = acknowledged_;
  result.unanswered = unanswered_;
  result.cold_reads = cold_reads_;
  result.cold_records = cold_records_;
  absl::MutexLock lock(&findings_mutex_);
  for (const std::string& finding : cold_findings_) result.findings.push_back(finding);
  return result;
}

}  // namespace cairn::fault
