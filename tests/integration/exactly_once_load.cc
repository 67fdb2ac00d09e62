#include "tests/integration/exactly_once_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::integration {
namespace {

constexpr absl::Duration kCatchUp = absl::Seconds(120);

struct RecordName {
  int producer = 0;
  uint64_t number = 0;
};

// What a payload "PRODUCER:NUMBER:…" says; nullopt when it says nothing of the kind.
std::optional<RecordName> NameOf(std::string_view payload) {
  RecordName name;
  const char* const end = payload.data() + payload.size();
  const auto producer = std::from_chars(payload.data(), end, name.producer);
  if (producer.ec != std::errc() || producer.ptr == end) return std::nullopt;
  const auto number = std::from_chars(producer.ptr + 1, end, name.number);
  if (number.ec != std::errc()) return std::nullopt;
  return name;
}

}  // namespace

// Takes the log's records one by one and compares them with what the producers heard.
class ExactlyOnceLoad::Reader {
 public:
  explicit Reader(const ExactlyOnceLoad& load) : load_(load), next_(load.streams_.size(), 0) {
    for (const auto& stream : load.streams_) {
      absl::MutexLock lock(&stream->mutex);
      if (stream->last.last_seq > newest_.last_seq) newest_ = stream->last;
    }
  }

  [[nodiscard]] Seq next_seq() const { return next_seq_; }
  [[nodiscard]] bool AtEnd() const { return next_seq_ > newest_.last_seq; }

  void Take(const RecordBatch& batch) {
    for (const Record& record : batch.records) Take(record);
    const bool ends_there = batch.last_seq() == newest_.last_seq;
    if (!ends_there || batch.chain == 0 || batch.chain == newest_.chain) return;
    found_.chain_differs = true;
    Note(fmt::format("chain at seq {} is {:016x}; {:016x} was acknowledged", newest_.last_seq,
                     batch.chain, newest_.chain));
  }

  // After the end: everything that was acknowledged was there.
  [[nodiscard]] Comparison Finish() {
    for (const auto& stream : load_.streams_) {
      absl::MutexLock lock(&stream->mutex);
      const uint64_t read = next_[static_cast<size_t>(stream->number)];
      if (read >= stream->seqs.size()) continue;
      found_.missing += stream->seqs.size() - read;
      Note(fmt::format("producer {}: {} records were acknowledged, {} are in the log",
                       stream->number, stream->seqs.size(), read));
    }
    return found_;
  }

 private:
  void Note(std::string difference) {
    if (found_.first.empty()) found_.first = std::move(difference);
  }
  void Changed(std::string difference) {
    ++found_.changed;
    Note(std::move(difference));
  }

  void Take(const Record& record) {
    ++found_.records;
    if (record.seq != next_seq_) {
      Changed(fmt::format("seq {} came where {} was expected", record.seq, next_seq_));
    }
    next_seq_ = record.seq + 1;
    const std::optional<RecordName> name = NameOf(record.payload);
    if (!name || name->producer < 0 || static_cast<size_t>(name->producer) >= next_.size()) {
      return Changed(fmt::format("seq {} holds no record of this load", record.seq));
    }
    Follow(record, *name);
    if (record.payload != load_.RecordOf(name->producer, name->number)) {
      return Changed(fmt::format("seq {}: the payload was changed", record.seq));
    }
    const Stream& stream = *load_.streams_[static_cast<size_t>(name->producer)];
    absl::MutexLock lock(&stream.mutex);
    if (name->number < stream.seqs.size() && stream.seqs[name->number] == record.seq) return;
    Changed(fmt::format("record {} of producer {} stands at seq {}, which was not acknowledged",
                        name->number, name->producer, record.seq));
  }

  // Counts what lies between a producer's records and what comes again.
  void Follow(const Record& record, const RecordName& name) {
    uint64_t& next = next_[static_cast<size_t>(name.producer)];
    if (name.number != next) {
      Note(fmt::format("seq {}: record {} of producer {} came where {} was expected", record.seq,
                       name.number, name.producer, next));
    }
    if (name.number < next) {
      ++found_.repeated;
      return;
    }
    found_.missing += name.number - next;
    next = name.number + 1;
  }

  const ExactlyOnceLoad& load_;
  AppendResult newest_;
  Seq next_seq_{1};
  std::vector<uint64_t> next_;  // Number of each producer's next record.
  Comparison found_;
};

absl::StatusOr<std::unique_ptr<ExactlyOnceLoad>> ExactlyOnceLoad::Start(LoadOptions options) {
  std::unique_ptr<ExactlyOnceLoad> load(new ExactlyOnceLoad(std::move(options)));
  RETURN_IF_ERROR(load->Open());
  return load;
}

absl::Status ExactlyOnceLoad::Open() {
  ClientOptions client;
  client.endpoints = options_.endpoints;
  ASSIGN_OR_RETURN(client_, Client::Connect(std::move(client)));
  OpenLogOptions open;
  open.create_if_missing = true;
  open.call.timeout = absl::Minutes(1);
  ASSIGN_OR_RETURN(Log log, client_->OpenLog(options_.log, open));
  for (int number = 0; number < options_.producers; ++number) {
    streams_.push_back(std::make_unique<Stream>());
    Stream& stream = *streams_.back();
    stream.number = number;
    ProducerOptions producer;
    producer.delivery_timeout = options_.delivery_timeout;
    producer.on_delivery = [this, &stream](const Delivery& d) { OnDelivery(stream, d); };
    ASSIGN_OR_RETURN(stream.producer, Producer::Open(log, std::move(producer)));
  }
  {
    absl::MutexLock lock(&gap_mutex_);
    last_answer_ = absl::Now();
  }
  for (auto& stream : streams_) {
    stream->thread = std::thread([this, s = stream.get()] { Send(*s); });
  }
  return absl::OkStatus();
}

ExactlyOnceLoad::~ExactlyOnceLoad() {
  stop_ = true;
  for (auto& stream : streams_) {
    if (stream->producer != nullptr) stream->producer->Close();
    if (stream->thread.joinable()) stream->thread.join();
  }
  for (auto& stream : streams_) stream->producer.reset();
}

std::string ExactlyOnceLoad::RecordOf(int producer, uint64_t number) const {
  std::string record = fmt::format("{}:{}:", producer, number);
  record.resize(std::max(record.size(), options_.record_bytes), 'x');
  return record;
}

void ExactlyOnceLoad::Send(Stream& stream) {
  const absl::Duration pause = absl::Seconds(1) / options_.records_per_s;
  absl::Time due = absl::Now();
  for (uint64_t number = 0; !stop_; ++number, due += pause) {
    absl::SleepFor(due - absl::Now());
    const auto ticket = stream.producer->Send(RecordOf(stream.number, number));
    if (ticket.ok()) continue;
    absl::MutexLock lock(&stream.mutex);
    stream.failure = ticket.status();
    return;
  }
}

void ExactlyOnceLoad::OnDelivery(Stream& stream, const Delivery& delivery) {
  absl::MutexLock lock(&stream.mutex);
  if (!delivery.status.ok()) {
    if (stream.failure.ok()) stream.failure = delivery.status;
    return;
  }
  for (uint64_t i = 0; i <= delivery.last_ticket - delivery.first_ticket; ++i) {
    stream.seqs.push_back(delivery.result.first_seq + i);
    ++acknowledged_;
  }
  stream.last = delivery.result;
  absl::MutexLock gap(&gap_mutex_);
  const absl::Time now = absl::Now();
  longest_gap_ = std::max(longest_gap_, now - last_answer_);
  last_answer_ = now;
}

absl::Status ExactlyOnceLoad::status() const {
  for (const auto& stream : streams_) {
    absl::MutexLock lock(&stream->mutex);
    RETURN_IF_ERROR(stream->failure);
  }
  return absl::OkStatus();
}

absl::Status ExactlyOnceLoad::Finish() {
  stop_ = true;
  for (auto& stream : streams_) stream->thread.join();
  for (auto& stream : streams_) RETURN_IF_ERROR(stream->producer->Flush());
  return status();
}

absl::Duration ExactlyOnceLoad::TakeLongestGap() {
  absl::MutexLock lock(&gap_mutex_);
  const absl::Duration running = absl::Now() - last_answer_;
  return std::max(std::exchange(longest_gap_, absl::ZeroDuration()), running);
}

absl::StatusOr<ExactlyOnceLoad::Comparison> ExactlyOnceLoad::Compare(
    const std::string& endpoint) const {
  ClientOptions options;
  options.endpoints = {endpoint};
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(std::move(options)));
  ASSIGN_OR_RETURN(Log log, client->OpenLog(options_.log));
  Reader reader(*this);
  const absl::Time deadline = absl::Now() + kCatchUp;
  while (!reader.AtEnd()) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(ToAbsl(
          fmt::format("{} does not get beyond seq {}", endpoint, reader.next_seq().Previous())));
    }
    ReadOptions read;
    read.start_seq = reader.next_seq();
    read.call.timeout = absl::Minutes(2);
    ReadStream stream = log.Read(read);
    const Seq before = reader.next_seq();
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
      if (!batch) break;
      reader.Take(*batch);
    }
    if (reader.next_seq() == before) absl::SleepFor(absl::Milliseconds(20));  // It lags.
  }
  return reader.Finish();
}

absl::Status ExactlyOnceLoad::Verify(const std::string& endpoint) const {
  ASSIGN_OR_RETURN(const Comparison found, Compare(endpoint));
  if (found.first.empty()) return absl::OkStatus();
  return absl::DataLossError(ToAbsl(fmt::format("{}: {}", endpoint, found.first)));
}

}  // namespace cairn::integration
