// `cairn append`: records from files or stdin into a log, exactly once.
#include <unistd.h>

#include <atomic>

#include "base/status_macros.h"
#include "cairn/producer.h"
#include "cli/checksum.h"
#include "cli/data_commands.h"
#include "cli/input.h"
#include "cli/record_splitter.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

// Bounds of one request of a plain append.
constexpr size_t kBatchBytes = size_t{1} << 20;
constexpr size_t kBatchRecords = 4096;

struct AppendCommandOptions {
  std::string log;
  std::vector<std::string> files;
  bool lines = false;  // Says what is the default.
  SplitterOptions splitter;
  std::optional<uint64_t> if_last_seq;
  std::string lease;
  std::vector<std::string> metadata;
  bool producer = true;
  uint64_t delivery_timeout_ms = 30'000;
};

struct AppendSummary {
  std::string log;
  uint64_t records = 0;
  ByteCount bytes;
  Seq first_seq;
  Seq last_seq;
  Hash chain;
  Hash checksum;
  DurationMs elapsed_ms;
  double records_per_s = 0;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("records", records);
    field("bytes", bytes);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("chain", chain);
    field("checksum", checksum);
    field("elapsed_ms", elapsed_ms);
    field("records_per_s", records_per_s);
  }
};

// What is acknowledged so far.
struct Acknowledged {
  uint64_t records = 0;
  Seq first_seq;
  Seq last_seq;
  uint64_t chain = 0;
};

// One of the two ways to append. Calls come from one thread, in order.
class Sender {
 public:
  virtual ~Sender() = default;
  virtual absl::Status Send(NewRecord record) = 0;
  // The input pauses here: do not keep records back.
  virtual absl::Status Nudge() = 0;
  // Waits until everything is answered.
  virtual absl::Status Finish() = 0;
  [[nodiscard]] virtual Acknowledged acknowledged() const = 0;
};

// Pipelined and exactly once.
class ProducerSender : public Sender {
 public:
  static absl::StatusOr<std::unique_ptr<Sender>> Open(const Log& log, ProducerOptions options) {
    std::unique_ptr<ProducerSender> sender(new ProducerSender);
    options.on_delivery = [state = &sender->state_](const Delivery& delivery) {
      if (!delivery.status.ok()) return;
      if (delivery.first_ticket == 1) state->first_seq = delivery.result.first_seq.value();
      state->records = delivery.last_ticket;
    };
    ASSIGN_OR_RETURN(sender->producer_, Producer::Open(log, std::move(options)));
    return std::unique_ptr<Sender>(std::move(sender));
  }

  absl::Status Send(NewRecord record) override { return producer_->Send(record).status(); }
  absl::Status Nudge() override { return absl::OkStatus(); }
  absl::Status Finish() override { return producer_->Flush(); }
  [[nodiscard]] Acknowledged acknowledged() const override {
    const AppendResult last = producer_->last_result();
    return {state_.records, Seq{state_.first_seq}, last.last_seq, last.chain};
  }

 private:
  ProducerSender() = default;

  // Written by the client thread, read by ours.
  struct State {
    std::atomic<uint64_t> records{0};
    std::atomic<uint64_t> first_seq{0};
  };
  State state_;
  std::unique_ptr<Producer> producer_;  // Last, so that its callbacks end before state_ does.
};

// One request at a time, no producer registered: for single, conditional appends. A lost
// connection leaves the outcome unknown.
class PlainSender : public Sender {
 public:
  PlainSender(Log log, AppendOptions options)
      : log_(std::move(log)), options_(std::move(options)) {}

  absl::Status Send(NewRecord record) override {
    batch_bytes_ += record.payload.size();
    batch_.push_back(std::move(record));
    return batch_bytes_ >= kBatchBytes || batch_.size() >= kBatchRecords ? Nudge()
                                                                         : absl::OkStatus();
  }
  absl::Status Nudge() override {
    if (batch_.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const AppendResult result, log_.Append(batch_, options_));
    if (done_.records == 0) done_.first_seq = result.first_seq;
    done_.records += batch_.size();
    done_.last_seq = result.last_seq;
    done_.chain = result.chain;
    // The condition holds for the input as a whole: nobody else may come between its batches.
    if (options_.if_last_seq) options_.if_last_seq = result.last_seq;
    batch_.clear();
    batch_bytes_ = 0;
    return absl::OkStatus();
  }
  absl::Status Finish() override { return Nudge(); }
  [[nodiscard]] Acknowledged acknowledged() const override { return done_; }

 private:
  Log log_;
  AppendOptions options_;
  std::vector<NewRecord> batch_;
  size_t batch_bytes_ = 0;
  Acknowledged done_;
};

absl::StatusOr<std::unique_ptr<Sender>> OpenSender(Session& session,
                                                   const AppendCommandOptions& options) {
  ASSIGN_OR_RETURN(Log log, session.OpenLog(options.log));
  std::optional<Seq> if_last_seq;
  if (options.if_last_seq) if_last_seq = Seq{*options.if_last_seq};
  std::optional<Epoch> epoch;
  std::string lease_name;
  if (!options.lease.empty()) {
    ASSIGN_OR_RETURN(const LeaseRef lease, ParseLeaseRef(options.lease));
    epoch = lease.epoch;
    lease_name = lease.name;
  }
  if (!options.producer) {
    AppendOptions append{
        .call = {}, .if_last_seq = if_last_seq, .if_lease_epoch = epoch, .lease_name = lease_name};
    return std::unique_ptr<Sender>(std::make_unique<PlainSender>(std::move(log), append));
  }
  ProducerOptions producer;
  producer.if_last_seq = if_last_seq;
  producer.if_lease_epoch = epoch;
  producer.lease_name = lease_name;
  producer.delivery_timeout = absl::Milliseconds(static_cast<int64_t>(options.delivery_timeout_ms));
  return ProducerSender::Open(log, std::move(producer));
}

// Moves the input into the sender and counts what it moved.
class AppendRun {
 public:
  AppendRun(Session& session, const AppendCommandOptions& options, Sender& sender,
            RecordMetadata metadata)
      : session_(session),
        options_(options),
        sender_(sender),
        metadata_(std::move(metadata)),
        input_(options.files, session.interrupt()),
        progress_(IsTerminal(STDERR_FILENO) && !session.out().json(), input_.TotalBytes(),
                  session.clock()),
        started_us_(session.clock().Mono()) {}

  // kCancelled when interrupted: what was read has been appended all the same.
  absl::Status Run() {
    absl::Status status = SendAll();
    if (status.ok() || absl::IsCancelled(status)) {
      if (const absl::Status finished = sender_.Finish(); !finished.ok()) status = finished;
    }
    progress_.Clear();
    if (status.ok() || absl::IsCancelled(status)) return status;
    if (sent_records_ == 0) return status;
    const Acknowledged done = sender_.acknowledged();
    return Annotate(status, fmt::format("{} of {} records read were appended, up to seq {}",
                                        done.records, sent_records_, done.last_seq));
  }

  [[nodiscard]] AppendSummary Summary() const {
    const Acknowledged done = sender_.acknowledged();
    const auto elapsed_us = static_cast<double>(session_.clock().Mono() - started_us_);
    return {
        .log = options_.log,
        .records = done.records,
        .bytes = {sent_bytes_},
        .first_seq = done.first_seq,
        .last_seq = done.last_seq,
        .chain = {done.chain},
        .checksum = {checksum_.value()},
        .elapsed_ms = {static_cast<uint64_t>(elapsed_us / kMicrosPerMilli)},
        .records_per_s = elapsed_us > 0 ? static_cast<double>(done.records) * 1e6 / elapsed_us : 0};
  }

 private:
  // Records end with their file: none reaches from one into the next.
  absl::Status SendAll() {
    while (!input_.AtEnd()) {
      RecordSplitter splitter(options_.splitter);
      RETURN_IF_ERROR(SendFile(splitter));
      RETURN_IF_ERROR(splitter.Finish([this](std::string_view record) { return Send(record); }));
    }
    return absl::OkStatus();
  }

  absl::Status SendFile(RecordSplitter& splitter) {
    while (true) {
      ASSIGN_OR_RETURN(const std::string_view bytes, input_.Read());
      if (bytes.empty()) return absl::OkStatus();
      RETURN_IF_ERROR(
          splitter.Feed(bytes, [this](std::string_view record) { return Send(record); }));
      RETURN_IF_ERROR(sender_.Nudge());
      progress_.Update(sent_bytes_, sent_records_);
    }
  }

  absl::Status Send(std::string_view record) {
    RETURN_IF_ERROR(sender_.Send({std::string(record), metadata_}));
    checksum_.Add(record);
    ++sent_records_;
    sent_bytes_ += record.size();
    return absl::OkStatus();
  }

  Session& session_;
  const AppendCommandOptions& options_;
  Sender& sender_;
  const RecordMetadata metadata_;
  Input input_;
  ProgressBar progress_;
  const MonoMicros started_us_;
  PayloadChecksum checksum_;
  uint64_t sent_records_ = 0;
  uint64_t sent_bytes_ = 0;
};

absl::StatusOr<ExitCode> RunAppend(Session& session, const AppendCommandOptions& options) {
  ASSIGN_OR_RETURN(RecordMetadata metadata, ParseMetadata(options.metadata));
  ASSIGN_OR_RETURN(const std::unique_ptr<Sender> sender, OpenSender(session, options));
  AppendRun run(session, options, *sender, std::move(metadata));
  const absl::Status status = run.Run();
  if (!status.ok() && !absl::IsCancelled(status)) return status;
  session.out().Show(run.Summary());
  return status.ok() ? ExitCode::kOk : ExitCode::kInterrupted;
}

}  // namespace

Runner DeclareAppend(CLI::App& app) {
  auto options = std::make_shared<AppendCommandOptions>();
  AddLogName(app, options->log);
  app.add_option("FILES", options->files, "Files to read in turn; none, or '-': stdin")
      ->type_name("");
  auto* lines = app.add_flag("--lines", options->lines,
                             "Each line is a record, without its newline (default)");
  auto* prefixed = app.add_flag_callback(
      "--length-prefixed", [options] { options->splitter.framing = Framing::kLengthPrefixed; },
      "Each record stands behind its length, 4 bytes big-endian");
  auto* chunks = app.add_option_function<std::string>(
                        "--chunk-bytes",
                        [options](const std::string& text) {
                          const auto bytes = ParseByteCount(text);
                          if (!bytes.ok() || *bytes == 0) {
                            throw CLI::ValidationError("--chunk-bytes",
                                                       "'" + text + "' is not a size above 0");
                          }
                          options->splitter.framing = Framing::kChunks;
                          options->splitter.chunk_bytes = *bytes;
                        },
                        "Each SIZE bytes are a record")
                     ->type_name("SIZE");
  lines->excludes(prefixed)->excludes(chunks);
  prefixed->excludes(chunks);
  AddNumber(app, "--if-last-seq", options->if_last_seq,
            "Append only if this is the log's last seq, and nobody comes between")
      ->type_name("SEQ");
  AddChecked(app, "--lease", options->lease, ParseLeaseRef,
             "Append only while this epoch of the lease is current")
      ->type_name("NAME:EPOCH");
  app.add_option("--metadata", options->metadata, "Metadata of every record; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
  app.add_flag("--producer,!--no-producer", options->producer,
               "Append exactly once through a producer (default); --no-producer sends plain "
               "requests one after the other");
  AddDuration(app, "--delivery-timeout", options->delivery_timeout_ms,
              "Give up when a record is not acknowledged after this time (default: 30s)");
  return [options](Session& session) { return RunAppend(session, *options); };
}

}  // namespace cairn::cli
