// cairn-failover: starts a cluster of the log and three agents with an engine each, harms them for
// some minutes, and says whether every acknowledged write is there, in an order that explains what
// all clients saw.
//
// Exit codes: 0 so it is, and every fault took effect; 1 something is wrong, or no drill could be
// held; 2 the command line is wrong; 130 interrupted. Nothing is left behind in any case, but for
// the directory of a drill that found something.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>

#include "tests/failover/failover_drill.h"
#include "tests/fault/drill_program.h"

namespace cairn::failover {
namespace {

struct Arguments {
  double minutes = 5;
  std::string format = "text";
  std::string network = "auto";
  std::string engine = "redis";
  bool list = false;
  bool keep = false;
  FailoverOptions drill;
};

void Declare(CLI::App& app, Arguments& arguments) {
  std::vector<std::string> names;
  for (const CacheFault& fault : AllCacheFaults()) names.emplace_back(fault.name);
  fault::LabOptions& nodes = arguments.drill.lab.nodes;
  app.add_option("--engine", arguments.engine, "redis or memcached (redis)")
      ->check(CLI::IsMember({"redis", "memcached"}));
  app.add_option("--minutes", arguments.minutes, "How long faults are injected (5)")
      ->check(CLI::Range(0.05, 1440.0));
  app.add_option("--failovers", arguments.drill.failovers, "And until there were so many (0)");
  app.add_option("--seed", nodes.seed, "Decides victims, order and times (1)");
  app.add_option("--faults", arguments.drill.faults, "Names, comma-separated (all)")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  app.add_option("--ttl-ms", arguments.drill.lab.ttl_ms, "Of the primary's lease (2000)")
      ->check(CLI::Range(200, 60'000));
  app.add_option("--dir", nodes.dir, "New directory for data and logs (a temporary one)");
  app.add_option("--network", arguments.network,
                 "auto, or loopback: without network namespaces (auto)")
      ->check(CLI::IsMember({"auto", "loopback"}));
  app.add_flag("--keep", arguments.keep, "Keep the directory although nothing is wrong");
  app.add_flag("--list", arguments.list, "Print the names of the faults and end");
  app.add_option("-o,--output", arguments.format, "text or json (text)")
      ->check(CLI::IsMember({"text", "json"}));
}

int Execute(Arguments arguments) {
  FailoverOptions& drill = arguments.drill;
  const bool json = arguments.format == "json";
  drill.lab.kind = CacheKind::Find(arguments.engine);
  drill.lab.nodes.bin_dir = fault::ProgramFolder();
  drill.time = absl::Minutes(1) * arguments.minutes;
  drill.namespaces = arguments.network == "auto";
  drill.quiet = json && isatty(STDERR_FILENO) == 0;
  return fault::HoldDrill(
      {.name = "cairn-failover", .keep = arguments.keep, .json = json}, drill.lab.nodes.dir,
      [&drill](const cli::Interrupt* interrupt) { return FailoverDrill(drill, interrupt).Run(); });
}

int Main(int argc, char** argv) {
  CLI::App app("Harms the agents, engines and log of a cache and checks what its clients saw",
               "cairn-failover");
  Arguments arguments;
  Declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& parse_error) {
    return app.exit(parse_error) == 0 ? 0 : 2;
  }
  if (arguments.list) {
    for (const CacheFault& fault : AllCacheFaults()) fmt::print("{}\n", fault.name);
    return 0;
  }
  return Execute(std::move(arguments));
}

}  // namespace
}  // namespace cairn::failover

int main(int argc, char** argv) { return cairn::failover::Main(argc, argv); }
