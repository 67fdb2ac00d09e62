// cairn-sim: runs simulated clusters, one per seed.
//
//   cairn-sim --seeds FIRST..LAST [--nodes N] [--seconds S]
//   cairn-sim --replay SEED [--nodes N] [--seconds S]     tells the story of one seed, and writes
//                                                         what its clients saw, with --histories
//                                                         DIR
//   … --members                                           members come and go: another world
//   … --marks                                             which rare branches were taken
//
// Of a build with CAIRN_PLANTED_BUGS (scripts/planted-bugs) also:
//
//   cairn-sim --list-plants
//   cairn-sim --plant NAME --seeds FIRST..LAST            until a seed shows the mistake
//
// Exit status 0 only without a violation. The last line counts.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <fstream>
#include <string>

#include "absl/synchronization/mutex.h"
#include "base/mark.h"
#include "base/planted_bug.h"
#include "tests/history/history_text.h"
#include "tests/sim/member_world.h"
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
  bool marks = false;
  bool members = false;
  std::string histories;
};

const char* FlagOf(const Options& options) { return options.members ? " --members" : ""; }

// How many of the seeds saw something at all.
struct Share {
  const char* what;
  uint64_t seeds = 0;

  void Count(bool saw) { seeds += saw ? 1 : 0; }
};

struct Summary {
  uint64_t seeds = 0;
  uint64_t operations = 0;
  uint64_t violations = 0;
  SimTime simulated_us = 0;
  Share leader_change{"a leader change"};
  Share snapshot{"a snapshot install"};
  Share recovery_crash{"a crash in recovery"};
  Share power_cut{"a power cut of all nodes"};
  Share refill{"a refill of a damaged replica"};
  Share change{"a membership change"};
};

// Where a failed CHECK happened. One thread runs at a time, so nothing guards it.
struct Running {
  uint64_t seed = 0;
  const std::deque<std::string>* story = nullptr;
  Options options;
} running;

MemberCounts total_members;

void OnAbort(int signal) {
  std::signal(signal, SIG_DFL);
  if (running.story == nullptr) return;
  fmt::print("seed {}: {}\n", running.seed,
             signal == SIGABRT ? "a CHECK failed" : "the program died");
  for (const std::string& line : *running.story) fmt::print("  {}\n", line);
  fmt::print("  replay: cairn-sim --replay {} --nodes {} --seconds {}{}\n", running.seed,
             running.options.nodes, running.options.seconds, FlagOf(running.options));
  std::fflush(stdout);
}

void WriteHistories(const World& world, uint64_t seed, const std::string& dir) {
  for (size_t i = 0; i < world.logs(); ++i) {
    const std::string path = fmt::format("{}/seed-{}-log-{}.history", dir, seed, i);
    std::ofstream(path) << history::FormatHistory(world.history(i));
    fmt::print("  {}\n", path);
  }
}

Result RunMembersSeed(uint64_t seed, const Options& options) {
  MemberWorld world(seed, Faults::FromSeed(seed, options.nodes));
  running = {seed, &world.story(), options};
  Result result = world.Run(options.seconds * kMicrosPerSecond);
  running.story = nullptr;
  total_members.joins += world.counts().joins;
  total_members.removals += world.counts().removals;
  total_members.wipes += world.counts().wipes;
  total_members.moves += world.counts().moves;
  total_members.revenants += world.counts().revenants;
  total_members.runs += world.counts().runs;
  total_members.dead_ends += world.counts().dead_ends;
  return result;
}

Result RunSeed(uint64_t seed, const Options& options) {
  if (options.members) return RunMembersSeed(seed, options);
  World world(seed, Faults::FromSeed(seed, options.nodes));
  running = {seed, &world.story(), options};
  Result result = world.Run(options.seconds * kMicrosPerSecond);
  running.story = nullptr;
  if (!options.histories.empty()) WriteHistories(world, seed, options.histories);
  return result;
}

void Add(const Result& result, uint64_t snapshots, uint64_t changes, Summary& summary) {
  ++summary.seeds;
  summary.operations += result.operations;
  summary.violations += result.violations.size();
  summary.simulated_us += result.simulated_us;
  summary.leader_change.Count(result.logs.leader_changes > 0);
  summary.snapshot.Count(snapshots > 0);
  summary.recovery_crash.Count(result.chaos.recovery_crashes > 0);
  summary.power_cut.Count(result.chaos.power_cuts > 0);
  summary.refill.Count(result.logs.refills > 0);
  summary.change.Count(changes > 0);
}

void PrintMarks() {
  for (size_t i = 0; i < kMarkNames.size(); ++i) {
    fmt::print("{:>12}  {:24}  {}\n", Hits(static_cast<Mark>(i)), kMarkNames[i], kMarkStories[i]);
  }
}

void Print(const Summary& summary) {
  const auto share = [&](const Share& s) {
    fmt::print("{:5.1f} % of the seeds saw {}\n",
               100.0 * static_cast<double>(s.seeds) / static_cast<double>(summary.seeds), s.what);
  };
  for (const Share& s : {summary.leader_change, summary.snapshot, summary.recovery_crash,
                         summary.power_cut, summary.refill, summary.change}) {
    share(s);
  }
  fmt::print("{} simulated seconds\n", summary.simulated_us / kMicrosPerSecond);
  if (total_members.joins == 0) return;
  fmt::print(
      "{} nodes joined, {} left, {} lost their disks, {} came back after they had been "
      "removed; {} moves were asked for; {} runs were archived, and {} in vain\n",
      total_members.joins, total_members.removals, total_members.wipes, total_members.revenants,
      total_members.moves, total_members.runs, total_members.dead_ends);
}

void Print(const Result& result, bool with_story) {
  fmt::print("seed {}: {} operations, {} turns, {} leader changes, {} crashes, hash {:016x}\n",
             result.seed, result.operations, result.turns, result.logs.leader_changes,
             result.chaos.crashes, result.trace_hash);
  fmt::print("  {}\n", result.faults);
  if (with_story) {
    for (const std::string& line : result.story) fmt::print("  {}\n", line);
  }
  for (const std::string& line : result.violations) fmt::print("  VIOLATION {}\n", line);
}

int Main(const Options& options) {
  Summary summary;
  for (uint64_t seed = options.first; seed <= options.last; ++seed) {
    if (options.until_violation && summary.violations != 0) break;
    const uint64_t snapshots = Hits(Mark::kSnapshotInstalled);
    const uint64_t changes = Hits(Mark::kJointLeft);
    const Result result = RunSeed(seed, options);
    Add(result, Hits(Mark::kSnapshotInstalled) - snapshots, Hits(Mark::kJointLeft) - changes,
        summary);
    if (options.story || !result.violations.empty()) {
      Print(result, true);
      fmt::print("  replay: cairn-sim --replay {} --nodes {} --seconds {}{}\n", seed, options.nodes,
                 options.seconds, FlagOf(options));
    }
  }
  if (options.marks) PrintMarks();
  if (summary.seeds > 1) Print(summary);
  fmt::print("{} seeds, {} operations, {} violations\n", summary.seeds, summary.operations,
             summary.violations);
  return summary.violations == 0 ? 0 : 1;
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
  app.add_flag("--members", options.members, "Clusters whose members come and go (member_world.h)");
  app.add_flag("--marks", options.marks, "Shows how often each rare branch was taken");
  app.add_option("--histories", options.histories, "Directory for what the clients saw")
      ->check(CLI::ExistingDirectory);
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
  // One thread runs at a time, and Debian's library looks for deadlocks at each lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // What nodes would log; their stories are told otherwise.
  spdlog::set_level(spdlog::level::off);
  // abort() raises the signal on the thread that failed, between two statements of ours.
  std::signal(SIGABRT, cairn::sim::OnAbort);
  std::signal(SIGSEGV, cairn::sim::OnAbort);
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
