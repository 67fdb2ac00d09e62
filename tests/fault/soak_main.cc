// cairn-soak: what scripts/soak runs. Keeps a cluster of real processes under load, and writes
// down what it takes of the machine and whether that grows.
//
// Exit codes: 0 nothing was lost and every curve is flat; 1 something is wrong, or no soak could
// be held; 2 the command line is wrong; 130 interrupted. The data goes when all is well.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "base/strings.h"
#include "cli/interrupt.h"
#include "tests/fault/soak.h"

namespace cairn::fault {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitInterrupted = 130;

struct Arguments {
  double minutes = 15;
  std::string report_dir;
  SoakOptions soak;
};

void Declare(CLI::App& app, Arguments& arguments) {
  LabOptions& lab = arguments.soak.lab;
  app.add_option("--minutes", arguments.minutes, "How long (15); curves are judged from 6 on")
      ->check(CLI::Range(0.5, 100'000.0));
  app.add_option("--nodes", lab.nodes, "3 or 5 (3)")->check(CLI::IsMember({3, 5}));
  app.add_option("--seed", lab.seed, "Decides order and times of faults (1)");
  app.add_option("--dir", arguments.report_dir, "New directory for the report")->required();
}

int Execute(Arguments arguments) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(arguments.report_dir) && !fs::is_empty(arguments.report_dir, error)) {
    fmt::print(stderr, "cairn-soak: {} is not empty\n", arguments.report_dir);
    return kExitFailed;
  }
  SoakOptions& soak = arguments.soak;
  soak.time = absl::Minutes(1) * arguments.minutes;
  soak.lab.dir = fs::absolute(arguments.report_dir) / "data";
  soak.lab.bin_dir = fs::read_symlink("/proc/self/exe").parent_path();
  const cli::Interrupt interrupt;
  absl::StatusOr<SoakReport> report = Soak(soak, &interrupt).Run();
  if (interrupt.Requested()) {
    fs::remove_all(soak.lab.dir);
    return kExitInterrupted;
  }
  absl::Status written = report.status();
  if (report.ok()) written = report->Write(arguments.report_dir);
  if (!written.ok()) {
    fmt::print(stderr, "cairn-soak: {}\nData and logs are in {}\n", ToStd(written.message()),
               soak.lab.dir);
    return kExitFailed;
  }
  fmt::print("{}", report->Text());
  const bool passed = report->Findings().empty();
  if (passed) fs::remove_all(soak.lab.dir);
  return passed ? 0 : kExitFailed;
}

int Main(int argc, char** argv) {
  CLI::App app("Keeps a cluster under load and looks for what grows", "cairn-soak");
  Arguments arguments;
  Declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return Execute(std::move(arguments));
}

}  // namespace
}  // namespace cairn::fault

int main(int argc, char** argv) { return cairn::fault::Main(argc, argv); }
