// `cairn snapshot restore`: the logs of a backup, made again in a cluster, each with its seqs, log
// times and chain.
//
//   check every file ──► look at every name ──► restore each log (log_restore.h)
#include <fmt/format.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/admin.h"
#include "cairn/backup.h"
#include "cli/backup_commands.h"
#include "cli/backup_files.h"
#include "cli/log_restore.h"
#include "cli/restore_run.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

struct RestoreOptions {
  std::string directory;
  RestoreChoice choice;
};

// The parts of a backup's log, from their beginning.
class PartSource final : public BatchSource {
 public:
  PartSource(const std::string& dir, const BackedUpLog& log)
      : base_(log.base), reader_(dir, log.parts) {}
  Start SkipTo(Seq /*seq*/) override { return {base_.first_seq, base_.chain}; }
  absl::StatusOr<std::optional<RawRecordBatch>> Next() override { return reader_.Next(); }
  [[nodiscard]] uint64_t bytes() const override { return reader_.bytes(); }

 private:
  const LogBase base_;
  PartReader reader_;
};

LogToRestore ToRestore(const std::string& dir, const BackedUpLog& log) {
  return {.settings = log.settings,
          .base = log.base,
          .last_seq = log.last_seq,
          .chain = log.chain,
          .origin = "the backup",
          .open = [&dir, &log] { return std::make_unique<PartSource>(dir, log); }};
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
  std::vector<std::string> held;
  for (const BackedUpLog& log : manifest.logs) held.push_back(log.name);
  ASSIGN_OR_RETURN(const auto names, NamesToRestore(options.choice, held, "the backup"));
  ASSIGN_OR_RETURN(const Admin admin, session.admin());
  LogRestore::Counters counters;
  std::vector<const BackedUpLog*> logs;
  std::deque<LogToRestore> wanted;  // Whose places stay.
  std::vector<std::unique_ptr<LogRestore>> restores;
  uint64_t total = 0;
  for (const BackedUpLog& log : manifest.logs) {
    if (!names.contains(log.name)) continue;
    logs.push_back(&log);
    total += log.bytes();
    restores.push_back(std::make_unique<LogRestore>(
        session, admin, wanted.emplace_back(ToRestore(options.directory, log)), names.at(log.name),
        counters));
  }
  const absl::Status checked = CheckFiles(options.directory, logs, session);
  if (absl::IsCancelled(checked)) return ExitCode::kInterrupted;
  RETURN_IF_ERROR(checked);
  const absl::Status restored = RunRestores(session, options.choice, restores, counters, total);
  if (absl::IsCancelled(restored)) return ExitCode::kInterrupted;
  RETURN_IF_ERROR(restored);
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
  AddRestoreChoice(app, options->choice);
  return [options](Session& session) { return Restore(*options, session); };
}

}  // namespace cairn::cli
