// cairn: the command-line tool. Parses, runs one command, says how it went.
#include <unistd.h>

#include <cstdio>
#include <variant>

#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "cli/command_line.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

int Print(const Answer& answer) {
  std::fwrite(answer.out.data(), 1, answer.out.size(), stdout);
  std::fwrite(answer.err.data(), 1, answer.err.size(), stderr);
  return static_cast<int>(answer.exit_code);
}

int Execute(const ParsedCommand& command) {
  Interrupt interrupt;
  Output out(command.format, stdout, stderr, WantsColour(STDOUT_FILENO));
  Session session(command.global, out, interrupt, SystemClock());
  absl::StatusOr<ExitCode> result = command.run(session);
  if (const absl::Status flushed = out.Flush(); result.ok() && !flushed.ok()) result = flushed;
  if (result.ok()) return static_cast<int>(*result);
  const Failure failure = ToFailure(result.status());
  out.Fail(failure);
  return static_cast<int>(interrupt.Requested() ? ExitCode::kInterrupted : failure.exit_code);
}

int Main(int argc, char** argv) {
  OccupyStandardStreams(argv);
  // As in cairnd: Debian's abseil checks the order of all locks, at the price of each.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CommandLine command_line;
  const auto parsed = command_line.Parse({argv + 1, argv + argc});
  if (const auto* answer = std::get_if<Answer>(&parsed)) return Print(*answer);
  return Execute(std::get<ParsedCommand>(parsed));
}

}  // namespace
}  // namespace cairn::cli

int main(int argc, char** argv) { return cairn::cli::Main(argc, argv); }
