// `cairn snapshot save`: the logs of a live cluster, each up to what it held when the save began.
//
//   describe all logs, linearizably ──► read each from its leader, as stored bytes, into parts;
//   recompute the chain on the way ──► backup.json
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>

#include "base/record_region.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/admin.h"
#include "cairn/backup.h"
#include "cli/backup_commands.h"
#include "cli/backup_files.h"
#include "cli/jobs.h"
#include "cli/raw_reader.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

// Reads of one log that may fail, one after the other without a record in between.
constexpr int kTries = 20;
constexpr absl::Duration kPause = absl::Milliseconds(250);

struct SaveOptions {
  std::string directory;
  std::vector<std::string> logs;
  uint64_t parallel = kParallelLogs;
};

// One log's part of a save.
class LogSave {
 public:
  LogSave(Session& session, Log log, const std::string& dir, std::string prefix,
          std::atomic<uint64_t>& bytes_done, std::atomic<uint64_t>& records_done)
      : session_(session),
        log_(std::move(log)),
        parts_(dir, std::move(prefix)),
        bytes_done_(bytes_done),
        records_done_(records_done) {}

  // Notes where the log begins and ends. Requires: before Run.
  absl::Status Begin() {
    ASSIGN_OR_RETURN(const LogDescription log,
                     log_.Describe({.linearizable = true, .with_segments = true}));
    saved_.name = log.name;
    saved_.settings = log.settings;
    saved_.last_seq = log.last_seq;
    saved_.chain = log.chain;
    expected_bytes_ = log.bytes;
    saved_.base.first_seq = log.first_seq;
    ASSIGN_OR_RETURN(const ChainPoint before,
                     Backup(log_.core()).GetChain(log_, log.first_seq.Previous()));
    saved_.base.chain = before.chain;
    const bool nothing_kept = log.first_seq > log.last_seq;
    saved_.base.timestamp_us = nothing_kept           ? log.timestamp_us
                               : log.segments.empty() ? 0
                                                      : log.segments.front().timestamp_us;
    next_seq_ = log.first_seq;
    chain_ = before.chain;
    return absl::OkStatus();
  }

  absl::Status Run() {
    absl::Status status = Annotate(ReadAll(), saved_.name);
    if (status.ok()) status = parts_.Finish();
    saved_.parts = parts_.parts();
    return status;
  }

  [[nodiscard]] const BackedUpLog& saved() const { return saved_; }
  [[nodiscard]] uint64_t expected_bytes() const { return expected_bytes_; }

 private:
  absl::Status ReadAll() {
    int failures = 0;
    while (next_seq_ <= saved_.last_seq) {
      const Seq before = next_seq_;
      const absl::Status status = ReadOnce();
      if (!written_.ok()) return written_;
      if (absl::IsDataLoss(status) || absl::IsCancelled(status)) return status;
      if (next_seq_ > before) failures = 0;
      if (status.ok() && next_seq_ > before) continue;
      if (++failures == kTries) {
        return status.ok() ? absl::UnavailableError("no replica has all of its records") : status;
      }
      if (session_.interrupt().Wait(kPause)) return absl::CancelledError("interrupted");
    }
    if (chain_ == saved_.chain) return absl::OkStatus();
    return absl::DataLossError(fmt::format("the chain at seq {} is {}, but the records give {}",
                                           saved_.last_seq, FormatHash(saved_.chain),
                                           FormatHash(chain_)));
  }

  // From the leader, as far as it goes.
  absl::Status ReadOnce() {
    ASSIGN_OR_RETURN(const LogDescription log, log_.Describe({.linearizable = true}));
    ASSIGN_OR_RETURN(const ClientOptions client, session_.MakeClientOptions());
    const RawReadOptions read{
        log.leader_address,     log_.name(),          log_.id(), next_seq_, saved_.last_seq,
        session_.BulkTimeout(), &session_.interrupt()};
    return ReadRaw(client, read, [&](const RawRecordBatch& batch) { return Take(batch); });
  }

  absl::Status Take(const RawRecordBatch& batch) {
    if (session_.interrupt().Requested()) return absl::CancelledError("interrupted");
    if (Seq(batch.first_seq()) != next_seq_) {
      return absl::DataLossError(
          fmt::format("expected seq {}, found {}", next_seq_, batch.first_seq()));
    }
    for (const std::string& record : batch.records()) chain_ = ChainNext(chain_, record);
    next_seq_ = next_seq_ + static_cast<uint64_t>(batch.records_size());
    if (batch.chain() != 0 && batch.chain() != chain_) {
      return absl::DataLossError(fmt::format("the chain at seq {} is {}, but the records give {}",
                                             next_seq_.Previous(), FormatHash(batch.chain()),
                                             FormatHash(chain_)));
    }
    const uint64_t before = parts_.bytes();
    written_ = parts_.Add(batch);
    RETURN_IF_ERROR(written_);
    saved_.records += static_cast<uint64_t>(batch.records_size());
    records_done_ += static_cast<uint64_t>(batch.records_size());
    bytes_done_ += parts_.bytes() - before;
    return absl::OkStatus();
  }

  Session& session_;
  Log log_;
  PartWriter parts_;
  std::atomic<uint64_t>& bytes_done_;
  std::atomic<uint64_t>& records_done_;
  BackedUpLog saved_;
  uint64_t expected_bytes_ = 0;
  absl::Status written_;  // Not OK: what was read is not in the files, so it must not go on.
  // As of what was read.
  Seq next_seq_;
  uint64_t chain_ = 0;
};

absl::StatusOr<std::vector<std::string>> LogsToSave(Admin& admin, const SaveOptions& options) {
  if (!options.logs.empty()) return options.logs;
  ASSIGN_OR_RETURN(const std::vector<LogSummary> all, admin.ListLogs());
  std::vector<std::string> names;
  for (const LogSummary& log : all) names.push_back(log.name);
  return names;
}

absl::Status MakeDirectory(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  const bool is_empty = !error && std::filesystem::is_empty(dir, error);
  if (error) {
    return absl::InvalidArgumentError(
        ToAbsl(fmt::format("the directory {} cannot be used: {}", dir, error.message())));
  }
  if (is_empty) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "{} is not empty: name a new directory, or delete what an earlier save has left there", dir));
}

absl::StatusOr<ExitCode> Save(const SaveOptions& options, Session& session) {
  ASSIGN_OR_RETURN(Admin admin, session.admin());
  ASSIGN_OR_RETURN(const Members members, admin.GetMembers());
  ASSIGN_OR_RETURN(const std::vector<std::string> names, LogsToSave(admin, options));
  RETURN_IF_ERROR(MakeDirectory(options.directory));
  BackupManifest manifest{.cluster_id = members.cluster_id,
                          .saved_at = FormatTimestampUs(session.clock().Wall()),
                          .logs = {}};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> records{0};
  uint64_t expected_bytes = 0;
  std::vector<std::unique_ptr<LogSave>> saves;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(name));
    saves.push_back(std::make_unique<LogSave>(session, std::move(log), options.directory,
                                              fmt::format("log-{:06}", saves.size() + 1), bytes,
                                              records));
    RETURN_IF_ERROR(Annotate(saves.back()->Begin(), name));
    expected_bytes += saves.back()->expected_bytes();
  }
  ProgressBar progress(IsTerminal(STDERR_FILENO), expected_bytes, session.clock());
  const std::vector<absl::Status> results = RunJobs(
      saves.size(), options.parallel, session.interrupt(),
      [&](size_t i) { return saves[i]->Run(); }, [&] { progress.Update(bytes, records); });
  progress.Clear();
  for (const absl::Status& status : results) {
    if (absl::IsCancelled(status)) return ExitCode::kInterrupted;
    RETURN_IF_ERROR(status);
  }
  BackupView view{.directory = options.directory,
                  .cluster_id = manifest.cluster_id,
                  .saved_at = manifest.saved_at,
                  .logs = {}};
  for (const auto& save : saves) {
    manifest.logs.push_back(save->saved());
    view.logs.push_back(BackedUpLogRow::From(save->saved(), "saved"));
  }
  RETURN_IF_ERROR(WriteManifest(options.directory, manifest));
  session.out().Show(view);
  return ExitCode::kOk;
}

}  // namespace

Runner DeclareSave(CLI::App& app) {
  const auto options = std::make_shared<SaveOptions>();
  app.add_option("directory", options->directory, "A new or empty directory")
      ->required()
      ->type_name("DIR");
  app.add_option("--log", options->logs, "Only this log; may be given more than once")
      ->type_name("NAME");
  AddNumber(app, "--parallel", options->parallel, "Logs that are read at a time (4)")
      ->check(CLI::Range(1, 64));
  return [options](Session& session) { return Save(*options, session); };
}

}  // namespace cairn::cli
