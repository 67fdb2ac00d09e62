// `cairn recover`: has cairnd make a cluster of one node out of the directory of a node that is
// alone left of its cluster, and shows what is in it and what may be missing.
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "cli/cairnd_job.h"
#include "cli/data_recovery.h"
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

struct RecoverOptions {
  std::string from;
  std::string to;
  std::string name;
  std::string advertise;
  std::string zone;
  bool dry_run = false;
  std::string cairnd;
};

std::vector<std::string> WordsOf(const RecoverOptions& options) {
  std::string beside = options.from;
  while (beside.size() > 1 && beside.ends_with('/')) beside.pop_back();
  std::vector<std::string> words = {"--recover-data", "--from", options.from, "--to",
                                    options.to.empty() ? beside + ".recovered" : options.to};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  add("--name", options.name);
  add("--advertise", options.advertise);
  add("--zone", options.zone);
  if (options.dry_run) words.emplace_back("--dry-run");
  return words;
}

absl::StatusOr<ExitCode> Recover(const RecoverOptions& options, Session& session) {
  DataRecovery recovery(options.from);
  const absl::Status ran = RunCairnd(options.cairnd, WordsOf(options), session, recovery);
  if (absl::IsCancelled(ran)) return ExitCode::kInterrupted;
  RETURN_IF_ERROR(ran);
  session.out().Show(recovery.view());
  return recovery.view().complete ? ExitCode::kOk : ExitCode::kDataLoss;
}

}  // namespace

Runner DeclareRecover(CLI::App& app) {
  const auto options = std::make_shared<RecoverOptions>();
  app.add_option("--from", options->from, "Data directory of the node that is left; not changed")
      ->required()
      ->type_name("DIR");
  app.add_option("--to", options->to, "Directory to make; FROM.recovered if it is not given")
      ->type_name("DIR");
  app.add_option("--name", options->name, "Name of the node; as it was if it is not given")
      ->type_name("NAME");
  app.add_option("--advertise", options->advertise,
                 "Address for others and clients; as it was if it is not given")
      ->type_name("HOST:PORT");
  app.add_option("--zone", options->zone, "Zone; as it was if it is not given")->type_name("ZONE");
  app.add_flag("--dry-run", options->dry_run, "Only say what would be kept; nothing is written");
  AddCairnd(app, options->cairnd);
  return [options](Session& session) { return Recover(*options, session); };
}

}  // namespace cairn::cli
