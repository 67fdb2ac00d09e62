// `cairn snapshot restore`: the logs of a backup, made again in a cluster, each with its seqs, log
// times and chain.
//
//   check every file ──► look at every name ──► per log: begin the import, or go on with one that
//   was cut short; import what is missing; finish ──► compare the chain
//
// What is already in the cluster is compared with the backup by its chain before anything is added,
// so that a restore may be repeated after any interruption.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/admin.h"
#include "cairn/backup.h"
#include "cairn/error.h"
#include "cli/backup_commands.h"
#include "cli/backup_files.h"
#include "cli/chain_check.h"
#include "cli/jobs.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

// Tries of one log that may fail, one after the other without progress in between.
constexpr int kTries = 60;
constexpr absl::Duration kPause = absl::Milliseconds(500);
// Of one request.
constexpr uint64_t kRequestBytes = 1 << 20;
constexpr uint64_t kRequestRecords = 4096;

struct RestoreOptions {
  std::string directory;
  std::vector<std::string> logs;
  std::vector<std::string> renames;  // "OLD=NEW".
  std::string prefix;
  uint64_t parallel = kParallelLogs;
};

absl::Status Differs(const std::string& name) {
  return absl::FailedPreconditionError(fmt::format(
      "log {} exists and is not what the backup holds: restore under another name with --rename "
      "{}=NAME or --prefix, leave it out with --log, or delete it",
      name, name));
}

// What may be cured by trying again: everything that does not speak of the log or of rights.
bool MayPass(const absl::Status& status) {
  const std::optional<Reason> reason =
      GetErrorInfo(status) ? std::optional(GetErrorInfo(status)->reason) : std::nullopt;
  // Another try finds what an unknown outcome has left.
  if (reason == Reason::kConditionFailed || reason == Reason::kLogExists) return true;
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || IsUnknownOutcome(status);
}

// One log's part of a restore.
class LogRestore {
 public:
  LogRestore(Session& session, Admin admin, const std::string& dir, const BackedUpLog& log,
             std::string name, std::atomic<uint64_t>& bytes, std::atomic<uint64_t>& records)
      : session_(session),
        admin_(admin),
        backup_(admin.core()),
        dir_(dir),
        log_(log),
        name_(std::move(name)),
        bytes_(bytes),
        records_(records) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& result() const { return result_; }

  // Whether a log of that name is in the way. Changes nothing.
  absl::Status LookAtName() {
    ASSIGN_OR_RETURN(const bool exists, Open());
    if (!exists) return absl::OkStatus();
    ASSIGN_OR_RETURN(const ChainPoint end, backup_.GetChain(*target_));
    return end.importing || IsRestored(end) ? absl::OkStatus() : Differs(name_);
  }

  absl::Status Run() {
    int failures = 0;
    while (true) {
      const Seq before = reached_;
      const absl::Status status = Annotate(Try(), name_);
      if (status.ok() || absl::IsCancelled(status)) return status;
      if (reached_ > before) failures = 0;
      if (!MayPass(status) || ++failures == kTries) return status;
      if (session_.interrupt().Wait(kPause)) return absl::CancelledError("interrupted");
    }
  }

 private:
  // False: there is no such log.
  absl::StatusOr<bool> Open() {
    if (target_) return true;
    absl::StatusOr<Log> opened = session_.OpenLog(name_);
    if (GetReason(opened.status()) == Reason::kLogNotFound) return false;
    if (!opened.ok()) return opened.status();
    target_ = *std::move(opened);
    return true;
  }

  // The log has, or once had, exactly what the backup holds.
  bool IsRestored(const ChainPoint& end) {
    if (end.seq < log_.last_seq) return false;
    const absl::StatusOr<ChainPoint> there = backup_.GetChain(*target_, log_.last_seq);
    return there.ok() && there->chain == log_.chain;
  }

  absl::Status Try() {
    ASSIGN_OR_RETURN(const bool exists, Open());
    if (!exists) {
      ASSIGN_OR_RETURN(const LogId id, backup_.BeginImport(name_, log_.settings, log_.base));
      target_.emplace(admin_.core(), name_, id);
    }
    ASSIGN_OR_RETURN(const ChainPoint end, backup_.GetChain(*target_));
    if (!end.importing) {
      if (result_.empty()) result_ = "was there";
      return IsRestored(end) ? absl::OkStatus() : Differs(name_);
    }
    RETURN_IF_ERROR(ImportBehind(end));
    result_ = "restored";
    return backup_.FinishImport(*target_, log_.last_seq, log_.chain);
  }

  // Adds what the backup has behind `end`, whose chain has to be the backup's.
  absl::Status ImportBehind(const ChainPoint& end) {
    request_.clear();
    PartReader reader(dir_, log_.parts);
    Seq next = log_.base.first_seq;
    uint64_t chain = log_.base.chain;
    if (end.seq + 1 < next || (end.seq + 1 == next && end.chain != chain)) return Differs(name_);
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<RawRecordBatch> batch, reader.Next());
      if (!batch) break;
      if (Seq(batch->first_seq()) != next) return Hole(next, Seq(batch->first_seq()));
      ImportBatch missing{.timestamp_us = batch->timestamp_us(), .records = {}};
      for (const std::string& record : batch->records()) {
        chain = NextChain(chain, record);
        if (next == end.seq && chain != end.chain) return Differs(name_);
        if (next > end.seq) missing.records.push_back(record);
        ++next;
      }
      RETURN_IF_ERROR(Queue(std::move(missing), next.Previous()));
      Show(reader.bytes(), next);
    }
    RETURN_IF_ERROR(Flush());
    if (next == log_.last_seq + 1 && chain == log_.chain && end.seq < next) return absl::OkStatus();
    if (end.seq >= next) return Differs(name_);
    return absl::DataLossError(
        fmt::format("{}: its files end with seq {} and chain {}, backup.json says {} and {}", dir_,
                    next.Previous(), FormatHash(chain), log_.last_seq, FormatHash(log_.chain)));
  }

  absl::Status Hole(Seq expected, Seq found) const {
    return absl::DataLossError(
        fmt::format("{}: expected seq {}, its files go on with {}", dir_, expected, found));
  }

  absl::Status Queue(ImportBatch batch, Seq last) {
    if (session_.interrupt().Requested()) return absl::CancelledError("interrupted");
    if (batch.records.empty()) return absl::OkStatus();
    if (request_.empty()) {
      request_after_ = last - batch.records.size();
      request_bytes_ = request_records_ = 0;
    }
    for (const std::string& record : batch.records) request_bytes_ += record.size();
    request_records_ += batch.records.size();
    request_.push_back(std::move(batch));
    const bool full = request_bytes_ >= kRequestBytes || request_records_ >= kRequestRecords;
    return full ? Flush() : absl::OkStatus();
  }

  absl::Status Flush() {
    if (request_.empty()) return absl::OkStatus();
    const std::vector<ImportBatch> batches = std::exchange(request_, {});
    ASSIGN_OR_RETURN(const ChainPoint done,
                     backup_.ImportRecords(*target_, request_after_, batches));
    reached_ = done.seq;
    return absl::OkStatus();
  }

  // Counts what was not counted in an earlier try.
  void Show(uint64_t read_bytes, Seq next) {
    if (read_bytes <= shown_bytes_) return;
    bytes_ += read_bytes - std::exchange(shown_bytes_, read_bytes);
    records_ += next - std::exchange(shown_seq_, next);
  }

  Session& session_;
  Admin admin_;
  Backup backup_;
  const std::string& dir_;
  const BackedUpLog& log_;
  const std::string name_;
  std::atomic<uint64_t>& bytes_;
  std::atomic<uint64_t>& records_;
  std::optional<Log> target_;
  std::string result_;
  Seq reached_;
  std::vector<ImportBatch> request_;
  Seq request_after_;
  uint64_t request_bytes_ = 0;
  uint64_t request_records_ = 0;
  uint64_t shown_bytes_ = 0;
  Seq shown_seq_ = log_.base.first_seq;
};

// By name in the backup.
absl::StatusOr<std::map<std::string, std::string>> Renames(const RestoreOptions& options,
                                                           const BackupManifest& manifest) {
  std::map<std::string, std::string> names;
  for (const BackedUpLog& log : manifest.logs) {
    const bool wanted = options.logs.empty() || std::find(options.logs.begin(), options.logs.end(),
                                                          log.name) != options.logs.end();
    if (wanted) names[log.name] = options.prefix + log.name;
  }
  for (const std::string& log : options.logs) {
    if (!names.contains(log)) {
      return absl::NotFoundError(fmt::format("the backup holds no log {}", log));
    }
  }
  for (const std::string& rename : options.renames) {
    const size_t equals = rename.find('=');
    const std::string old_name = rename.substr(0, equals);
    if (equals == std::string::npos || !names.contains(old_name)) {
      return absl::InvalidArgumentError(fmt::format(
          "--rename {}: expected OLD=NEW, where OLD is a log of the backup that is restored",
          rename));
    }
    names[old_name] = rename.substr(equals + 1);
  }
  return names;
}

absl::Status CheckFiles(const std::string& dir, const std::vector<const BackedUpLog*>& logs,
                        Session& session) {
  uint64_t total = 0;
  for (const BackedUpLog* log : logs) total += log->bytes();
  ProgressBar progress(IsTerminal(STDERR_FILENO), total, session.clock());
  uint64_t done = 0;
  for (const BackedUpLog* log : logs) {
    for (const BackupPart& part : log->parts) {
      if (session.interrupt().Requested()) return absl::CancelledError("interrupted");
      RETURN_IF_ERROR(CheckPart(dir, part));
      progress.Update(done += part.bytes, 0);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Restore(const RestoreOptions& options, Session& session) {
  ASSIGN_OR_RETURN(const BackupManifest manifest, ReadManifest(options.directory));
  ASSIGN_OR_RETURN(const auto names, Renames(options, manifest));
  ASSIGN_OR_RETURN(const Admin admin, session.admin());
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> records{0};
  std::vector<const BackedUpLog*> logs;
  std::vector<std::unique_ptr<LogRestore>> restores;
  uint64_t total = 0;
  for (const BackedUpLog& log : manifest.logs) {
    if (!names.contains(log.name)) continue;
    logs.push_back(&log);
    total += log.bytes();
    restores.push_back(std::make_unique<LogRestore>(session, admin, options.directory, log,
                                                    names.at(log.name), bytes, records));
  }
  const absl::Status checked = CheckFiles(options.directory, logs, session);
  if (absl::IsCancelled(checked)) return ExitCode::kInterrupted;
  RETURN_IF_ERROR(checked);
  for (const auto& restore : restores) {
    RETURN_IF_ERROR(Annotate(restore->LookAtName(), restore->name()));
  }
  ProgressBar progress(IsTerminal(STDERR_FILENO), total, session.clock());
  const std::vector<absl::Status> results = RunJobs(
      restores.size(), options.parallel, session.interrupt(),
      [&](size_t i) { return restores[i]->Run(); }, [&] { progress.Update(bytes, records); });
  progress.Clear();
  for (const absl::Status& status : results) {
    if (absl::IsCancelled(status)) return ExitCode::kInterrupted;
    RETURN_IF_ERROR(status);
  }
  BackupView view{.directory = options.directory,
                  .cluster_id = manifest.cluster_id,
                  .saved_at = manifest.saved_at,
                  .logs = {}};
  for (size_t i = 0; i < logs.size(); ++i) {
    view.logs.push_back(BackedUpLogRow::From(*logs[i], restores[i]->result()));
    view.logs.back().log = restores[i]->name();
  }
  session.out().Show(view);
  return ExitCode::kOk;
}

}  // namespace

Runner DeclareRestore(CLI::App& app) {
  const auto options = std::make_shared<RestoreOptions>();
  app.add_option("directory", options->directory, "What `cairn snapshot save` wrote")
      ->required()
      ->type_name("DIR");
  app.add_option("--log", options->logs, "Only this log; may be given more than once")
      ->type_name("NAME");
  app.add_option("--rename", options->renames, "Restore a log under another name")
      ->type_name("OLD=NEW");
  app.add_option("--prefix", options->prefix, "Put this before the names of all logs")
      ->type_name("TEXT");
  AddNumber(app, "--parallel", options->parallel, "Logs that are restored at a time (4)")
      ->check(CLI::Range(1, 64));
  return [options](Session& session) { return Restore(*options, session); };
}

}  // namespace cairn::cli
