#include "cli/cairnd_job.h"

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
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

constexpr int kNotExecuted = 127;

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
struct Running {
  ChildProcess process;
  File out;
};

absl::StatusOr<Running> StartCairnd(const std::string& program,
                                    const std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return absl::InternalError(std::strerror(errno));
  File out(::fdopen(ends[0], "r"));
  File in(::fdopen(ends[1], "w"));
  std::vector<std::string> command = {program};
  command.insert(command.end(), words.begin(), words.end());
  ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(command, {}, ends[1]));
  return Running{std::move(process), std::move(out)};
}

// One bar for each stage.
class StageBar {
 public:
  explicit StageBar(const Clock& clock) : clock_(clock) {}
  void Update(const DataProgress& progress) {
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

// To the end of what it says. Interrupted: kCancelled, and the process goes with `running`.
absl::Status Gather(std::FILE* out, Session& session, DataLines& lines) {
  StageBar bar(session.clock());
  char* line = nullptr;
  size_t room = 0;
  absl::Status status;
  for (ssize_t bytes = 0; status.ok() && (bytes = ::getline(&line, &room, out)) > 0;) {
    status = lines.Take({line, static_cast<size_t>(bytes)});
    bar.Update(lines.progress());
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

}  // namespace

absl::Status RunCairnd(const std::string& named, const std::vector<std::string>& words,
                       Session& session, DataLines& lines) {
  const std::string program = named.empty() ? FindCairnd() : named;
  ASSIGN_OR_RETURN(Running running, StartCairnd(program, words));
  RETURN_IF_ERROR(Gather(running.out.get(), session, lines));
  const int exit_status = running.process.Await();
  return lines.complete() ? absl::OkStatus() : Ended(program, exit_status);
}

CLI::Option* AddCairnd(CLI::App& app, std::string& target) {
  return app
      .add_option("--cairnd", target,
                  "The program that does the work (beside this one, or in PATH)")
      ->type_name("PATH");
}

}  // namespace cairn::cli
