// `cairn log …`: create, list, describe, change, trim and delete logs.
#include <unistd.h>

#include <iostream>

#include "base/status_macros.h"
#include "cairn/backup.h"
#include "cli/commands.h"
#include "cli/log_views.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

constexpr absl::Duration kLeaderPatience = absl::Seconds(2);

// Settings as flags; what is not given stays unset.
void AddSettings(CLI::App& app, LogSettings& settings) {
  AddByteCount(app, "--retention-bytes", settings.retention_bytes,
               "Trim the oldest segments once the log passes this size; 0: no limit");
  AddDuration(app, "--retention-age", settings.retention_ms,
              "Trim segments older than this, in log time; 0: no limit");
  app.add_option("--trim-guard", settings.trim_guard,
                 "Allow trims only up to the snapshot registered under this name; '': no guard");
  AddByteCount(app, "--segment-bytes", settings.segment_bytes,
               "Seal a segment at this size: 64KiB … 1GiB; 0: the default, 64MiB");
  AddByteCount(app, "--append-bytes-per-second", settings.append_bytes_per_second,
               "Quota of appended bytes, at least 1KiB; what comes faster is slowed down; 0: none");
  app.add_option("--appends-per-second", settings.appends_per_second,
                 "Quota of append requests, whatever their size; 0: none");
  app.add_option_function<std::string>(
         "--archive",
         [&settings](const std::string& text) {
           const auto policy = ArchivePolicies().find(text);
           if (policy == ArchivePolicies().end()) {
             throw CLI::ValidationError("--archive", "expected on, off or inherit");
           }
           settings.archive = policy->second;
         },
         "Copy the records to the archive, and trim only what is there; inherit: as the nodes say")
      ->type_name("on|off|inherit");
}

Runner DeclareCreate(CLI::App& app) {
  struct Options {
    std::string name;
    CreateLogOptions create;
    bool fenced = false;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->name);
  app.add_flag("--fenced", options->fenced,
               "Refuse appends that do not name a lease epoch (can be set only now)");
  AddSettings(app, options->create.settings);
  app.add_flag("--if-not-exists", options->create.if_not_exists,
               "Succeed if the log exists with the same settings");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    CreateLogOptions create = options->create;
    if (options->fenced) create.settings.fenced = true;
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const CreatedLog created, admin.CreateLog(options->name, create));
    const CreatedLogView view{options->name, created.log_id, created.created};
    session.out().Show(view,
                       fmt::format("{} log {} with id {}", created.created ? "created" : "found",
                                   options->name, created.log_id));
    return ExitCode::kOk;
  };
}

Runner DeclareList(CLI::App& app) {
  auto prefix = std::make_shared<std::string>();
  app.add_option("PREFIX", *prefix, "List only logs whose names start with this")->type_name("");
  return [prefix](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const std::vector<LogSummary> logs, admin.ListLogs(*prefix));
    LogListView view;
    for (const LogSummary& log : logs) view.logs.push_back(LogRowView::From(log));
    session.out().Show(view);
    return ExitCode::kOk;
  };
}

// Its leader knows, and is asked only if there is one: a log without is described at once.
std::optional<bool> IsImporting(const Log& log, const LogDescription& described) {
  if (described.leader_address.empty() || described.stale) return std::nullopt;
  const absl::StatusOr<ChainPoint> end =
      Backup(log.core()).GetChain(log, std::nullopt, {.timeout = kLeaderPatience});
  return end.ok() ? std::optional<bool>(end->importing) : std::nullopt;
}

Runner DeclareDescribe(CLI::App& app) {
  struct Options {
    std::string name;
    bool linearizable = false;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->name);
  app.add_flag("--linearizable", options->linearizable,
               "Confirm with the leader first, so that everything acknowledged is counted");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(options->name));
    ASSIGN_OR_RETURN(const LogDescription description,
                     log.Describe({.linearizable = options->linearizable}));
    session.out().Show(LogView::From(description, IsImporting(log, description)));
    return ExitCode::kOk;
  };
}

Runner DeclareUpdate(CLI::App& app) {
  struct Options {
    std::string name;
    LogSettings settings;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->name);
  AddSettings(app, options->settings);
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    const LogSettings& settings = options->settings;
    if (!settings.retention_bytes && !settings.retention_ms && !settings.trim_guard &&
        !settings.segment_bytes && !settings.append_bytes_per_second &&
        !settings.appends_per_second && !settings.archive) {
      return absl::InvalidArgumentError(
          "nothing to change; name a setting, such as "
          "--retention-age 7d");
    }
    ASSIGN_OR_RETURN(const Log log, session.OpenLog(options->name));
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const LogSettings now, admin.UpdateLog(options->name, log.id(), settings));
    session.out().Show(SettingsView::From(options->name, now));
    return ExitCode::kOk;
  };
}

// Asks on the terminal. Without one there is nobody to ask, so --yes is required.
absl::Status ConfirmDeletion(Session& session, const LogDescription& log) {
  if (!IsTerminal(STDIN_FILENO)) {
    return absl::InvalidArgumentError(
        fmt::format("deleting log {} needs --yes where no terminal can be asked", log.name));
  }
  session.out().Note(
      fmt::format("Delete log {} (id {}) with seqs {} … {}, {}? Type its name:", log.name,
                  log.log_id, log.first_seq, log.last_seq, FormatByteCount(log.bytes)));
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == log.name) return absl::OkStatus();
  return absl::CancelledError("the name was not repeated; nothing was deleted");
}

Runner DeclareRemove(CLI::App& app) {
  struct Options {
    std::string name;
    bool yes = false;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->name);
  app.add_flag("-y,--yes", options->yes, "Do not ask");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const LogDescription log, admin.DescribeLog(options->name));
    if (!options->yes) RETURN_IF_ERROR(ConfirmDeletion(session, log));
    RETURN_IF_ERROR(admin.DeleteLog(log.name, log.log_id));
    const DeletedLogView view{log.name, log.log_id};
    session.out().Show(view, fmt::format("deleted log {} with id {}; the nodes keep its data in "
                                         "their trash for 24 h",
                                         log.name, log.log_id));
    return ExitCode::kOk;
  };
}

Runner DeclareTrim(CLI::App& app) {
  struct Options {
    std::string name;
    uint64_t first_seq = 0;
    bool force = false;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->name);
  AddNumber(app, "--first-seq", options->first_seq, "Oldest record to keep")
      ->required()
      ->type_name("SEQ");
  app.add_flag("--force", options->force, "Pass the trim guard; the nodes' audit log notes it");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(options->name));
    ASSIGN_OR_RETURN(const Seq first, log.Trim(Seq{options->first_seq}, {.force = options->force}));
    const TrimmedView view{options->name, first};
    session.out().Show(view,
                       fmt::format("the oldest kept record of {} is {}", options->name, first));
    return ExitCode::kOk;
  };
}

constexpr CommandSpec kCommands[] = {
    {"create", "create a log",
     "Creates a log and prints its id. Ids are never reused: a log that is deleted and created "
     "anew under the same name is another log.",
     "cairn log create orders\n"
     "cairn log create cache/eu --fenced --trim-guard snapshots\n"
     "cairn log create audit --retention-age 30d --retention-bytes 100GiB --if-not-exists",
     DeclareCreate},
    {"ls", "list logs", "Lists logs in name order.", "cairn log ls\ncairn log ls cache/ -o json",
     DeclareList},
    {"describe", "show where a log stands",
     "Shows settings, range of seqs, chain, leader, replicas, leases and snapshots of a log, as "
     "one replica knows them, or as its leader confirms them (--linearizable); and whether it is "
     "being imported: a restore has not ended, and it takes nothing else.",
     "cairn log describe orders --linearizable", DeclareDescribe},
    {"update", "change a log's settings",
     "Changes the settings that are given and prints all of them. Whether a log is fenced cannot "
     "be changed.",
     "cairn log update orders --retention-age 7d --trim-guard ''", DeclareUpdate},
    {"trim", "drop old records",
     "Drops whole segments below --first-seq, so the oldest kept record may be an earlier one. A "
     "log with a trim guard lets go only what a registered snapshot covers.",
     "cairn log trim orders --first-seq 100000", DeclareTrim},
    {"rm", "delete a log",
     "Deletes the log that has the name now, by its id. Asks first, unless --yes is given. The "
     "nodes keep its data in their trash for 24 hours.",
     "cairn log rm orders\ncairn log rm orders --yes", DeclareRemove},
};

}  // namespace

std::span<const CommandSpec> LogCommands() { return kCommands; }

}  // namespace cairn::cli
