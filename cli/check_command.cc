// `cairn check`: has cairnd read a data directory on which no node runs, and shows what it found.
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/cairnd_job.h"
#include "cli/data_check.h"
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

struct CheckOptions {
  std::string directory;
  std::string cairnd;
};

absl::StatusOr<ExitCode> Check(const CheckOptions& options, Session& session) {
  DataCheck check(options.directory);
  const absl::Status ran =
      RunCairnd(options.cairnd, {"--check-data", options.directory}, session, check);
  if (absl::IsCancelled(ran)) return ExitCode::kInterrupted;
  RETURN_IF_ERROR(ran);
  session.out().Show(check.view());
  return check.view().whole ? ExitCode::kOk : ExitCode::kDataLoss;
}

}  // namespace

Runner DeclareCheck(CLI::App& app) {
  const auto options = std::make_shared<CheckOptions>();
  app.add_option("directory", options->directory, "A node's data directory")
      ->required()
      ->type_name("DIR");
  AddCairnd(app, options->cairnd);
  return [options](Session& session) { return Check(*options, session); };
}

}  // namespace cairn::cli
