// `cairn snapshot …`: register and list the snapshots that consumers of a log took; save and
// restore logs themselves (backup_save.cc, backup_restore.cc).
#include "base/status_macros.h"
#include "cli/backup_commands.h"
#include "cli/commands.h"
#include "cli/log_views.h"

namespace cairn::cli {
namespace {

struct SnapshotListView {
  std::vector<SnapshotRowView> snapshots;
  template <class F>
  void Fields(F&& field) const {
    field("snapshots", snapshots);
  }
};

Runner DeclareRegister(CLI::App& app) {
  struct Options {
    std::string log;
    std::string name;
    uint64_t seq = 0;
    std::string chain;
    std::string location;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->log);
  app.add_option("--name", options->name, "Name of the consumer, as a trim guard names it")
      ->required();
  AddNumber(app, "--seq", options->seq, "The snapshot holds exactly the records up to here")
      ->required()
      ->type_name("SEQ");
  app.add_option("--chain", options->chain, "The log's chain at that seq, in hex")
      ->required()
      ->type_name("HEX");
  app.add_option("--location", options->location, "Where the snapshot is; not interpreted")
      ->required();
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(const uint64_t chain, ParseHash(options->chain));
    ASSIGN_OR_RETURN(Log log, session.OpenLog(options->log));
    RETURN_IF_ERROR(
        log.RegisterSnapshot(options->name, Seq{options->seq}, chain, options->location));
    const SnapshotRowView view{.name = options->name,
                               .seq = Seq{options->seq},
                               .chain = {chain},
                               .timestamp_us = {},
                               .location = options->location};
    session.out().Show(view, fmt::format("registered snapshot {} of {} at seq {}", options->name,
                                         options->log, options->seq));
    return ExitCode::kOk;
  };
}

Runner DeclareList(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  AddLogName(app, *name);
  return [name](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(*name));
    ASSIGN_OR_RETURN(const LogDescription description, log.Describe());
    SnapshotListView view;
    for (const SnapshotInfo& snapshot : description.snapshots) {
      view.snapshots.push_back(SnapshotRowView::From(snapshot));
    }
    session.out().Show(view);
    return ExitCode::kOk;
  };
}

constexpr CommandSpec kCommands[] = {
    {"register", "tell a log that a consumer saved its state",
     "Registers a snapshot. The log refuses it when the chain is not its own at that seq, that "
     "is, when the state comes from another history. A trim guard lets go what the snapshot "
     "covers.",
     "cairn snapshot register cache --name rdb --seq 120345 --chain 00c0ffee12345678 "
     "--location s3://backups/cache/120345.rdb",
     DeclareRegister},
    {"ls", "list the registered snapshots of a log", "Lists the newest snapshot of each name.",
     "cairn snapshot ls cache", DeclareList},
    {"save", "save logs to a directory, of which a cluster can be made again",
     "Writes every log (or those named), as it is committed when the command begins, to a new or "
     "empty directory: records with their seqs, log times and kinds, under checksums, and "
     "backup.json, last. Needs the right to read. The cluster goes on meanwhile.",
     "cairn snapshot save /backup/2026-11-23\n"
     "cairn snapshot save /backup/orders --log orders --log payments",
     DeclareSave},
    {"restore", "make logs again from a saved directory",
     "Checks every file, then creates the logs and imports their records: with the same seqs, log "
     "times and chains, under new log ids. Leases, producers and registered snapshots do not come "
     "along. May be repeated after any interruption: it goes on where it was. Nothing is written "
     "if a file is damaged (exit code 7) or a name is taken by another log (3). Needs the right "
     "`admin`.",
     "cairn snapshot restore /backup/2026-11-23\n"
     "cairn snapshot restore /backup/2026-11-23 --log orders --rename orders=orders-yesterday",
     DeclareRestore},
};

}  // namespace

std::span<const CommandSpec> SnapshotCommands() { return kCommands; }

}  // namespace cairn::cli
