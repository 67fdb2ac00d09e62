// `cairn check`: has cairnd read a data directory on which no node runs, and shows what it found.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/child_process.h"
#include "cli/data_check.h"
#include "cli/terminal.h"
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

constexpr int kNotExecuted = 127;

struct CheckOptions {
  std::string directory;
  std::string cairnd;  // Empty: beside this program, or in PATH.
};

std::string FindCairnd() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path beside = self.parent_path() / "cairnd";
  return std::filesystem::exists(beside, error) ? beside.string() : "cairnd";
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// A running cairnd and what it says.
struct Looking {
  ChildProcess process;
  File out;
};

absl::StatusOr<Looking> StartLooking(const std::string& program, const std::string& directory) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return absl::InternalError(std::strerror(errno));
  File out(::fdopen(ends[0], "r"));
  File in(::fdopen(ends[1], "w"));
  ASSIGN_OR_RETURN(ChildProcess process,
                   ChildProcess::Start({program, "--check-data", directory}, {}, ends[1]));
  return Looking{std::move(process), std::move(out)};
}

// One bar for each stage.
class StageBar {
 public:
  explicit StageBar(const Clock& clock) : clock_(clock) {}
  void Update(const DataCheckProgress& progress) {
    if (progress.stage.empty()) return;
    if (progress.stage != stage_) {
      stage_ = progress.stage;
      bar_ = std::make_unique<ProgressBar>(IsTerminal(STDERR_FILENO), progress.total, clock_);
    }
    bar_->Update(progress.done, 0);
  }

 private:
  const Clock& clock_;
  std::string stage_;
  std::unique_ptr<ProgressBar> bar_;
};

// To the end of what it says. Interrupted: kCancelled, and the process goes with `looking`.
absl::Status Gather(std::FILE* out, Session& session, DataCheck& check) {
  StageBar bar(session.clock());
  char* line = nullptr;
  size_t room = 0;
  absl::Status status;
  for (ssize_t bytes = 0; status.ok() && (bytes = ::getline(&line, &room, out)) > 0;) {
    status = check.Take({line, static_cast<size_t>(bytes)});
    bar.Update(check.progress());
    if (session.interrupt().Requested()) status = absl::CancelledError("interrupted");
  }
  std::free(line);
  return status;
}

absl::Status Ended(const std::string& program, int exit_status) {
  if (exit_status == kNotExecuted) {
    return absl::NotFoundError(ToAbsl(fmt::format(
        "{} cannot be run: it does the reading. Run this where cairnd is installed, or name it "
        "with --cairnd",
        program)));
  }
  return absl::InternalError(ToAbsl(
      fmt::format("{} ended with status {} before it had a result: is it of this tool's version?",
                  program, exit_status)));
}

absl::StatusOr<ExitCode> Check(const CheckOptions& options, Session& session) {
  const std::string program = options.cairnd.empty() ? FindCairnd() : options.cairnd;
  ASSIGN_OR_RETURN(Looking looking, StartLooking(program, options.directory));
  DataCheck check(options.directory);
  const absl::Status gathered = Gather(looking.out.get(), session, check);
  if (absl::IsCancelled(gathered)) return ExitCode::kInterrupted;
  RETURN_IF_ERROR(gathered);
  const int exit_status = looking.process.Await();
  if (!check.complete()) return Ended(program, exit_status);
  session.out().Show(check.view());
  return check.view().whole ? ExitCode::kOk : ExitCode::kDataLoss;
}

}  // namespace

Runner DeclareCheck(CLI::App& app) {
  const auto options = std::make_shared<CheckOptions>();
  app.add_option("directory", options->directory, "A node's data directory")
      ->required()
      ->type_name("DIR");
  app.add_option("--cairnd", options->cairnd,
                 "The program that reads it (beside this one, or in PATH)")
      ->type_name("PATH");
  return [options](Session& session) { return Check(*options, session); };
}

}  // namespace cairn::cli
