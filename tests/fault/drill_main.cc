// cairn-drill: what `cairn drill` runs. Starts a cluster of real processes, harms it for some
// minutes, and says whether it kept its promises.
//
// Exit codes: 0 it did, and every fault took effect; 1 something is wrong, or no drill could be
// held; 2 the command line is wrong; 130 interrupted. Nothing is left behind in any case, but for
// the directory of a drill that found something.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>

#include "tests/fault/drill.h"
#include "tests/fault/drill_program.h"

namespace cairn::fault {
namespace {

struct Arguments {
  double minutes = 5;
  std::string format = "text";
  std::string network = "auto";
  bool list = false;
  bool keep = false;
  // Not for people: what the drill starts for a lease's holder.
  std::vector<std::string> hold;
  std::string notes;
  DrillOptions drill;
};

void Declare(CLI::App& app, Arguments& arguments) {
  std::vector<std::string> names;
  for (const Fault& fault : AllFaults()) names.emplace_back(fault.name);
  app.add_option("--minutes", arguments.minutes, "How long faults are injected (5)")
      ->check(CLI::Range(0.05, 1440.0));
  app.add_option("--seed", arguments.drill.lab.seed, "Decides victims, order and times (1)");
  app.add_option("--faults", arguments.drill.faults, "Names, comma-separated (all)")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  app.add_option("--nodes", arguments.drill.lab.nodes, "3 or 5 (3)")->check(CLI::IsMember({3, 5}));
  app.add_option("--dir", arguments.drill.lab.dir,
                 "New directory for data and logs (one below the temporary directory)");
  app.add_option("--newborn-rounds", arguments.drill.lab.newborn_rounds,
                 "Logs that one newborn-log fault makes (as many as fit into 20 s)");
  app.add_option("--network", arguments.network,
                 "auto, or loopback: without network namespaces (auto)")
      ->check(CLI::IsMember({"auto", "loopback"}));
  app.add_flag("--keep", arguments.keep, "Keep the directory although nothing is wrong");
  app.add_flag("--list", arguments.list, "Print the names of the faults and end");
  app.add_option("--hold", arguments.hold)->delimiter(',')->group("");
  app.add_option("--notes", arguments.notes)->group("");
  app.add_option("-o,--output", arguments.format, "text or json (text)")
      ->check(CLI::IsMember({"text", "json"}));
}

int Execute(Arguments arguments) {
  DrillOptions& drill = arguments.drill;
  const bool json = arguments.format == "json";
  drill.lab.bin_dir = ProgramFolder();
  drill.time = absl::Minutes(1) * arguments.minutes;
  drill.namespaces = arguments.network == "auto";
  drill.quiet = json && isatty(STDERR_FILENO) == 0;
  return HoldDrill(
      {.name = "cairn-drill", .keep = arguments.keep, .json = json}, drill.lab.dir,
      [&drill](const cli::Interrupt* interrupt) { return Drill(drill, interrupt).Run(); });
}

int Main(int argc, char** argv) {
  CLI::App app("Harms a cluster of real processes and checks that it keeps its promises",
               "cairn drill");
  Arguments arguments;
  Declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (arguments.list) {
    for (const Fault& fault : AllFaults()) fmt::print("{}\n", fault.name);
    return 0;
  }
  if (!arguments.hold.empty()) return HoldLeases(arguments.hold, arguments.notes);
  return Execute(std::move(arguments));
}

}  // namespace
}  // namespace cairn::fault

int main(int argc, char** argv) { return cairn::fault::Main(argc, argv); }
