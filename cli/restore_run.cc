#include "cli/restore_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/status_macros.h"
#include "cli/jobs.h"
#include "cli/terminal.h"

namespace cairn::cli {

void AddRestoreChoice(CLI::App& app, RestoreChoice& choice) {
  app.add_option("--log", choice.logs, "Only this log; may be given more than once")
      ->type_name("NAME");
  app.add_option("--rename", choice.renames, "Restore a log under another name")
      ->type_name("OLD=NEW");
  app.add_option("--prefix", choice.prefix, "Put this before the names of all logs")
      ->type_name("TEXT");
  AddNumber(app, "--parallel", choice.parallel, "Logs that are restored at a time (4)")
      ->check(CLI::Range(1, 64));
}

absl::StatusOr<std::map<std::string, std::string>> NamesToRestore(
    const RestoreChoice& choice, const std::vector<std::string>& held, const std::string& origin) {
  std::map<std::string, std::string> names;
  for (const std::string& log : held) {
    const bool wanted = choice.logs.empty() ||
                        std::find(choice.logs.begin(), choice.logs.end(), log) != choice.logs.end();
    if (wanted) names[log] = choice.prefix + log;
  }
  for (const std::string& log : choice.logs) {
    if (!names.contains(log)) {
      return absl::NotFoundError(fmt::format("{} holds no log {}", origin, log));
    }
  }
  for (const std::string& rename : choice.renames) {
    const size_t equals = rename.find('=');
    const std::string old_name = rename.substr(0, equals);
    if (equals == std::string::npos || !names.contains(old_name)) {
      return absl::InvalidArgumentError(
          fmt::format("--rename {}: expected OLD=NEW, where OLD is a log of {} that is restored",
                      rename, origin));
    }
    names[old_name] = rename.substr(equals + 1);
  }
  return names;
}

absl::Status RunRestores(Session& session, const RestoreChoice& choice,
                         const std::vector<std::unique_ptr<LogRestore>>& restores,
                         const LogRestore::Counters& counters, uint64_t total_bytes) {
  for (const auto& restore : restores) {
    RETURN_IF_ERROR(Annotate(restore->LookAtName(), restore->name()));
  }
  ProgressBar progress(IsTerminal(STDERR_FILENO), total_bytes, session.clock());
  const std::vector<absl::Status> results = RunJobs(
      restores.size(), choice.parallel, session.interrupt(),
      [&](size_t i) { return restores[i]->Run(); },
      [&] { progress.Update(counters.bytes, counters.records); });
  for (const absl::Status& status : results) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

}  // namespace cairn::cli
