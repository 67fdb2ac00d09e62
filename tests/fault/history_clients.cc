#include "tests/fault/history_clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/v1/log.pb.h"
#include "cli/raw_reader.h"
#include "storage/entry_codec.h"
#include "tests/history/committed_record.h"
#include "tests/history/history_text.h"
#include "tests/history/linearizability.h"
#include "tests/support/client_outcome.h"

namespace cairn::fault {
namespace {

using history::Call;
using history::LeaseSeen;
using history::Operation;
using history::Outcome;

constexpr size_t kMaxOperations = 10'000;
constexpr absl::Duration kCallTimeout = absl::Seconds(3);
constexpr absl::Duration kPause = absl::Milliseconds(40);
constexpr absl::Duration kLeaseTtl = absl::Seconds(2);
constexpr const char* kLease = "primary";

// As the library says, but two answers leave more open.
void NoteCautiously(const absl::Status& status, Operation& operation) {
  NoteOutcome(status, operation);
  const Reason reason = GetReason(status);
  const bool no_reason = !status.ok() && reason == Reason::kUnspecified;
  // The library repeats a release whose answer was lost: the first try may have done it.
  const bool lost_at_release = operation.call == Call::kRelease && reason == Reason::kLeaseLost;
  if (!no_reason && !lost_at_release) return;
  operation.outcome = Outcome::kUnknown;
  operation.lease.reset();
}

LeaseSeen Seen(const LeaseInfo& lease) { return {lease.epoch, lease.holder}; }

// Appends the record that is stored as `bytes`; `chain` is that after it.
absl::Status Take(const std::string& bytes, uint64_t chain, history::CommittedLog& committed) {
  cairn::v1::Record stored;
  if (!stored.ParseFromString(bytes)) return absl::DataLossError("a record does not parse");
  committed.records.push_back(
      history::ToCommitted(Seq(committed.records.size() + 1), chain, stored));
  return absl::OkStatus();
}

// The whole log, as bytes, since the chain after each record is computed from them.
absl::StatusOr<history::CommittedLog> ReadCommitted(const Client& client, Log& log) {
  DescribeOptions describe;
  describe.linearizable = true;
  describe.call.timeout = absl::Minutes(1);
  ASSIGN_OR_RETURN(const LogDescription now, log.Describe(describe));
  history::CommittedLog committed;
  uint64_t chain = storage::ChainSeed(log.id());
  // A node that has a replica.
  const cli::RawReadOptions read = {.endpoint = now.leader_address,
                                    .log = log.name(),
                                    .log_id = log.id(),
                                    .start_seq = Seq(1),
                                    .end_seq = now.last_seq,
                                    .timeout = absl::Minutes(1)};
  RETURN_IF_ERROR(cli::ReadRaw(client.options(), read, [&](const cli::RawRecordBatch& batch) {
    for (const std::string& bytes : batch.records()) {
      chain = storage::ChainNext(chain, bytes);
      RETURN_IF_ERROR(Take(bytes, chain, committed));
    }
    return absl::OkStatus();
  }));
  if (chain != now.chain) return absl::DataLossError("its chain is not that of its records");
  return committed;
}

}  // namespace

// One client of one slot: asks one thing after another.
class HistoryClients::Caller {
 public:
  Caller(HistoryClients* owner, size_t slot, uint64_t number)
      : owner_(owner),
        slot_(slot),
        number_(number),
        random_(owner->options_.seed * 1000 + slot * 100 + number) {}

  void Run() {
    while (!owner_->stop_) {
      book_ = owner_->Current(slot_);
      Operation operation;
      operation.client = number_;
      operation.begin_us = SystemClock().Mono();
      Ask(operation);
      operation.end_us = SystemClock().Mono();
      {
        absl::MutexLock lock(&book_->mutex);
        book_->operations.push_back(std::move(operation));
      }
      absl::SleepFor(kPause * (2 * random_.Fraction()));
    }
  }

 private:
  Log& log() { return book_->log; }
  [[nodiscard]] Epoch KnownEpoch() const { return Epoch(book_->epoch); }
  [[nodiscard]] Seq KnownSeq() const { return Seq(book_->last_seq); }

  void Ask(Operation& operation) {
    const uint64_t die = random_.Below(100);
    if (die < 60) return Append(operation);
    if (die < 78) return Describe(operation);
    if (die < 83) return GetLease(operation);
    if (die < 90) return Acquire(operation);
    if (die < 95) return Renew(operation);
    if (die < 98) return Release(operation);
    return Transfer(operation);
  }

  void Finish(Operation& operation, const absl::Status& status) {
    NoteCautiously(status, operation);
    if (status.ok()) return;
    if (operation.last_seq) book_->last_seq = operation.last_seq->value();
    if (operation.lease) book_->epoch = operation.lease->epoch.value();
  }

  void Append(Operation& operation) {
    operation.call = Call::kAppend;
    std::vector<NewRecord> records(random_.Chance(0.2) ? random_.Between(2, 3) : 1);
    for (NewRecord& record : records) {
      record.payload = fmt::format("{}_{}", number_, ++appended_);
      operation.payloads.push_back(record.payload);
    }
    AppendOptions options;
    options.call.timeout = kCallTimeout;
    if (random_.Chance(0.4)) operation.if_last_seq = options.if_last_seq = KnownSeq();
    if (random_.Chance(0.3) && KnownEpoch() != Epoch{}) {
      operation.epoch = options.if_lease_epoch = KnownEpoch();
    }
    const absl::StatusOr<AppendResult> result = log().Append(records, options);
    Finish(operation, result.status());
    if (!result.ok()) return;
    operation.first_seq = result->first_seq;
    operation.last_seq = result->last_seq;
    operation.chain = result->chain;
    book_->last_seq = result->last_seq.value();
  }

  void Describe(Operation& operation) {
    operation.call = Call::kRead;
    DescribeOptions options;
    options.call.timeout = kCallTimeout;
    options.linearizable = true;
    const absl::StatusOr<LogDescription> seen = log().Describe(options);
    Finish(operation, seen.status());
    if (!seen.ok()) return;
    operation.last_seq = seen->last_seq;
    operation.chain = seen->chain;
    operation.lease = LeaseSeen();
    for (const LeaseInfo& lease : seen->leases) {
      if (lease.name == kLease) operation.lease = Seen(lease);
    }
    book_->last_seq = seen->last_seq.value();
    book_->epoch = operation.lease->epoch.value();
  }

  void GetLease(Operation& operation) {
    operation.call = Call::kRead;
    const absl::StatusOr<LeaseInfo> lease = log().GetLease(kLease, {kCallTimeout});
    Finish(operation, lease.status());
    if (lease.ok()) operation.lease = Seen(*lease);
  }

  void Acquire(Operation& operation) {
    operation.call = Call::kAcquire;
    operation.holder = fmt::format("h{}_{}", number_, ++acquired_);
    if (random_.Chance(0.3)) operation.if_last_seq = KnownSeq();
    const absl::StatusOr<Epoch> epoch = log().AcquireLease(kLease, operation.holder, kLeaseTtl,
                                                           operation.if_last_seq, {kCallTimeout});
    Granted(operation, epoch);
  }

  void Transfer(Operation& operation) {
    operation.call = Call::kTransfer;
    operation.holder = fmt::format("h{}_{}", number_, ++acquired_);
    operation.epoch = KnownEpoch();
    const absl::StatusOr<Epoch> epoch =
        log().TransferLease(kLease, *operation.epoch, operation.holder, absl::ZeroDuration(),
                            std::nullopt, {kCallTimeout});
    Granted(operation, epoch);
  }

  void Granted(Operation& operation, const absl::StatusOr<Epoch>& epoch) {
    Finish(operation, epoch.status());
    if (!epoch.ok()) return;
    operation.granted = *epoch;
    book_->epoch = epoch->value();
  }

  void Renew(Operation& operation) {
    operation.call = Call::kRenew;
    operation.epoch = KnownEpoch();
    Finish(operation, log().RenewLease(kLease, *operation.epoch, {kCallTimeout}).status());
  }

  void Release(Operation& operation) {
    operation.call = Call::kRelease;
    operation.epoch = KnownEpoch();
    Finish(operation, log().ReleaseLease(kLease, *operation.epoch, {kCallTimeout}));
  }

  HistoryClients* const owner_;
  const size_t slot_;
  const uint64_t number_;
  Random random_;
  std::shared_ptr<Book> book_;
  uint64_t appended_ = 0;
  uint64_t acquired_ = 0;
};

absl::StatusOr<std::unique_ptr<HistoryClients>> HistoryClients::Start(HistoryOptions options) {
  std::unique_ptr<HistoryClients> clients(new HistoryClients(std::move(options)));
  RETURN_IF_ERROR(clients->Open());
  return clients;
}

absl::Status HistoryClients::Open() {
  ClientOptions client;
  client.endpoints = options_.endpoints;
  ASSIGN_OR_RETURN(client_, Client::Connect(std::move(client)));
  {
    absl::MutexLock lock(&mutex_);
    for (size_t slot = 0; slot < options_.logs; ++slot) {
      ASSIGN_OR_RETURN(std::shared_ptr<Book> book, NewBook(slot));
      current_.push_back(std::move(book));
    }
  }
  for (size_t slot = 0; slot < options_.logs; ++slot) {
    for (size_t i = 0; i < options_.clients_per_log; ++i) {
      threads_.emplace_back([this, slot, i] { Caller(this, slot, i + 1).Run(); });
    }
  }
  return absl::OkStatus();
}

HistoryClients::~HistoryClients() { Stop(); }

void HistoryClients::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

absl::StatusOr<std::shared_ptr<HistoryClients::Book>> HistoryClients::NewBook(size_t slot) {
  OpenLogOptions open;
  open.create_if_missing = true;
  open.call.timeout = absl::Minutes(1);
  ASSIGN_OR_RETURN(Log log,
                   client_->OpenLog(fmt::format("{}{}-{}", kHistoryLogs, slot, all_.size()), open));
  all_.push_back(std::make_shared<Book>(std::move(log)));
  return all_.back();
}

std::shared_ptr<HistoryClients::Book> HistoryClients::Current(size_t slot) {
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Book>& book = current_[slot];
  size_t operations = 0;
  {
    absl::MutexLock book_lock(&book->mutex);
    operations = book->operations.size();
  }
  if (operations < kMaxOperations) return book;
  // While no log can be made, the old one goes on.
  auto next = NewBook(slot);
  if (next.ok()) book = *next;
  return book;
}

HistoryJudgement HistoryClients::Judge(const std::string& dir) {
  HistoryJudgement judgement;
  std::vector<std::shared_ptr<Book>> books;
  {
    absl::MutexLock lock(&mutex_);
    books = all_;
  }
  for (const auto& book : books) JudgeBook(*book, dir, judgement);
  return judgement;
}

void HistoryClients::JudgeBook(Book& book, const std::string& dir, HistoryJudgement& judgement) {
  history::History history;
  history.log_id = book.log.id();
  {
    absl::MutexLock lock(&book.mutex);
    history.operations = book.operations;
  }
  ++judgement.histories;
  judgement.operations += history.operations.size();
  judgement.done += static_cast<uint64_t>(
      std::count_if(history.operations.begin(), history.operations.end(),
                    [](const Operation& o) { return o.outcome == Outcome::kDone; }));
  absl::StatusOr<history::CommittedLog> committed = ReadCommitted(*client_, book.log);
  if (!committed.ok()) {
    ++judgement.not_linearizable;
    judgement.findings.push_back(fmt::format("log {} cannot be read: {}", book.log.name(),
                                             ToStd(committed.status().message())));
    return;
  }
  history.committed = std::move(*committed);
  const history::Verdict verdict = CheckLinearizable(history, {.refusals_may_show_the_past = true});
  if (verdict.ok()) return;
  ++judgement.not_linearizable;
  const std::string file = fmt::format("{}/{}.history", dir, book.log.name());
  std::ofstream(file) << history::FormatHistory(history);
  judgement.findings.push_back(
      fmt::format("log {} is not linearizable ({}): {}", book.log.name(), file, verdict.Text()));
}

}  // namespace cairn::fault
