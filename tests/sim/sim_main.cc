// cairn-sim: runs simulated clusters, one per seed.
//
//   cairn-sim --seeds FIRST..LAST [--nodes N] [--seconds S]
//   cairn-sim --replay SEED [--nodes N] [--seconds S]     tells the story of one seed
//
// Of a build with CAIRN_PLANTED_BUGS (scripts/planted-bugs) also:
//
//   cairn-sim --list-plants
//   cairn-sim --plant NAME --seeds FIRST..LAST            until a seed shows the mistake
//
// Exit status 0 only without a violation. The last line counts.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>

#include "base/planted_bug.h"
#include "tests/sim/world.h"

namespace cairn::sim {
namespace {

struct Options {
  uint64_t first = 1;
  uint64_t last = 100;
  int nodes = 3;
  int seconds = 10;
  bool story = false;
  bool until_violation = false;
};

// Where a failed CHECK happened. One thread, so nothing guards it.
struct Running {
  uint64_t seed = 0;
  const World* world = nullptr;
  Options options;
} running;

void OnAbort(int /*signal*/) {
  if (running.world == nullptr) return;
  fmt::print("seed {}: a CHECK failed\n", running.seed);
  for (const std::string& line : running.world->story()) fmt::print("  {}\n", line);
  fmt::print("  replay: cairn-sim --replay {} --nodes {} --seconds {}\n", running.seed,
             running.options.nodes, running.options.seconds);
  std::fflush(stdout);
}

Result RunSeed(uint64_t seed, const Options& options) {
  World world(seed, Faults::FromSeed(seed, options.nodes));
  running = {seed, &world, options};
  Result result = world.Run(options.seconds * kMicrosPerSecond);
  running.world = nullptr;
  return result;
}

void Print(const Result& result, const Options& options, bool with_story) {
  fmt::print("seed {}: {} operations, {} turns, {} leaders, {} crashes, hash {:016x}\n",
             result.seed, result.operations, result.turns, result.leader_changes, result.crashes,
             result.trace_hash);
  fmt::print("  {}\n", Faults::FromSeed(result.seed, options.nodes).ToString());
  if (with_story) {
    for (const std::string& line : result.story) fmt::print("  {}\n", line);
  }
  for (const std::string& line : result.violations) fmt::print("  VIOLATION {}\n", line);
}

int Main(const Options& options) {
  uint64_t operations = 0;
  uint64_t violations = 0;
  uint64_t seeds = 0;
  for (uint64_t seed = options.first; seed <= options.last; ++seed) {
    if (options.until_violation && violations != 0) break;
    const Result result = RunSeed(seed, options);
    ++seeds;
    operations += result.operations;
    violations += result.violations.size();
    if (options.story || !result.violations.empty()) {
      Print(result, options, true);
      fmt::print("  replay: cairn-sim --replay {} --nodes {} --seconds {}\n", seed, options.nodes,
                 options.seconds);
    }
  }
  fmt::print("{} seeds, {} operations, {} violations\n", seeds, operations, violations);
  return violations == 0 ? 0 : 1;
}

}  // namespace
}  // namespace cairn::sim

int main(int argc, char** argv) {
  cairn::sim::Options options;
  std::string seeds = "1..100";
  uint64_t replay = 0;
  CLI::App app{"Runs simulated Cairn clusters, one per seed, and checks every promise."};
  auto* range = app.add_option("--seeds", seeds, "Range of seeds, FIRST..LAST");
  app.add_option("--replay", replay, "One seed, with its story")->excludes(range);
  app.add_option("--nodes", options.nodes, "Nodes of the cluster")->check(CLI::Range(1, 7));
  app.add_option("--seconds", options.seconds, "Virtual seconds with faults")
      ->check(CLI::Range(1, 3600));
#ifdef CAIRN_PLANTED_BUGS
  std::string plant;
  bool list_plants = false;
  app.add_flag("--list-plants", list_plants, "Names, origins and stories of the planted bugs");
  app.add_option("--plant", plant, "Runs with a planted bug until a seed shows it");
#endif
  CLI11_PARSE(app, argc, argv);
#ifdef CAIRN_PLANTED_BUGS
  if (list_plants) {
    fmt::print("{}", cairn::DescribePlantedBugs());
    return 0;
  }
  if (!plant.empty() && !cairn::SwitchOnPlantedBug(plant)) {
    fmt::print(stderr, "cairn-sim: no planted bug is called '{}', see --list-plants\n", plant);
    return 2;
  }
  options.until_violation = !plant.empty();
#endif
  // abort() raises the signal on the thread that failed, between two statements of ours.
  std::signal(SIGABRT, cairn::sim::OnAbort);
  if (replay != 0) {
    options.first = options.last = replay;
    options.story = true;
    return cairn::sim::Main(options);
  }
  const size_t dots = seeds.find("..");
  try {
    options.first = std::stoull(seeds.substr(0, dots));
    options.last = dots == std::string::npos ? options.first : std::stoull(seeds.substr(dots + 2));
  } catch (const std::exception&) {
    fmt::print(stderr, "cairn-sim: --seeds is '{}', expected FIRST..LAST such as 1..100\n", seeds);
    return 2;
  }
  return cairn::sim::Main(options);
}
