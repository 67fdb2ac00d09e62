// rounds: disturbs a cluster of real processes again and again while producers append exactly
// once, and compares every replica with what was acknowledged.
//
//   rounds kill  --program cairnd     --rounds 100   kill -9 of one node a round
//   rounds power --program power_node --rounds 100   power cut of all nodes at once a round
//
// A round: the load goes on for a random while; the disturbance; the nodes that are gone start
// again; the cluster must come back unaided, which is that new records are acknowledged. At the
// end all producers are answered and each replica is read. Exit code 0 only if all of it holds;
// the data stays in the directory otherwise. --seed repeats the choices, not the timing.
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/random.h"
#include "base/strings.h"
#include "tests/integration/exactly_once_load.h"
#include "tests/integration/process_cluster.h"

namespace cairn::integration {
namespace {

constexpr int kReadySeconds = 60;
// What must be acknowledged after a disturbance before it counts as overcome.
constexpr uint64_t kRecoveredRecords = 100;
constexpr int64_t kMaxCalmMs = 400;

struct Options {
  std::string mode;
  std::string program;
  std::string dir;
  int rounds = 100;
  uint64_t seed = 1;
  int producers = 3;
  int records_per_s = 1000;
};

class Rounds {
 public:
  explicit Rounds(const Options& options)
      : options_(options),
        random_(options.seed),
        cluster_({.program = options.program, .dir = options.dir, .nodes = 3, .flags = {}}) {}

  absl::Status Run() {
    for (size_t node = 0; node < cluster_.size(); ++node) Start(node);
    if (!cluster_.AwaitAllReady(kReadySeconds)) return NotReady();
    auto load = ExactlyOnceLoad::Start({.endpoints = cluster_.Endpoints(),
                                        .producers = options_.producers,
                                        .records_per_s = options_.records_per_s});
    if (!load.ok()) return load.status();
    for (int round = 1; round <= options_.rounds; ++round) {
      const absl::Status status = Round(round, **load);
      if (!status.ok()) return status;
    }
    if (!cluster_.AwaitAllReady(kReadySeconds)) return NotReady();
    return Compare(**load);
  }

 private:
  [[nodiscard]] bool cuts_power() const { return options_.mode == "power"; }

  void Start(size_t node) {
    if (!cuts_power()) return cluster_.Start(node);
    cluster_.StartBehind({std::to_string(random_.Next()), fmt::format("boot-{}", boots_)}, node);
  }

  absl::Status Round(int round, ExactlyOnceLoad& load) {
    absl::SleepFor(absl::Milliseconds(random_.Between(0, kMaxCalmMs)));
    const uint64_t before = load.acknowledged();
    const absl::Time begin = absl::Now();
    const std::string what = cuts_power() ? CutPower() : KillOne();
    const bool recovered = Eventually(
        [&] { return !load.status().ok() || load.acknowledged() >= before + kRecoveredRecords; },
        kReadySeconds);
    if (absl::Status status = load.status(); !status.ok()) return status;
    if (!recovered) {
      return absl::UnavailableError(
          ToAbsl(fmt::format("round {}: {}: no append succeeds any more", round, what)));
    }
    const absl::Duration took = absl::Now() - begin;
    longest_ = std::max(longest_, took);
    fmt::print("round {:3}: {:20} {:6} ms until appends go on, {} acknowledged\n", round, what,
               absl::ToInt64Milliseconds(took), load.acknowledged());
    std::fflush(stdout);
    return absl::OkStatus();
  }

  std::string KillOne() {
    const size_t node = random_.Below(cluster_.size());
    cluster_.Kill(node);
    // Now and then it stays away for longer than an election takes.
    if (random_.Chance(0.3)) absl::SleepFor(absl::Milliseconds(random_.Between(0, 2000)));
    Start(node);
    return fmt::format("killed n{}", node + 1);
  }

  std::string CutPower() {
    for (size_t node = 0; node < cluster_.size(); ++node) cluster_.Signal(node, SIGUSR1);
    for (size_t node = 0; node < cluster_.size(); ++node) {
      CHECK(cluster_.AwaitExit(node, kReadySeconds).has_value());
    }
    ++boots_;
    for (size_t node = 0; node < cluster_.size(); ++node) Start(node);
    return "cut the power";
  }

  absl::Status NotReady() {
    for (size_t node = 0; node < cluster_.size(); ++node) {
      std::string why;
      if (cluster_.Get(node, "/readyz", &why) == 200) continue;
      return absl::UnavailableError(ToAbsl(fmt::format("n{} is not ready: {}", node + 1, why)));
    }
    return absl::UnavailableError("the cluster was not ready in time");
  }

  absl::Status Compare(ExactlyOnceLoad& load) {
    if (absl::Status status = load.Finish(); !status.ok()) return status;
    for (const std::string& endpoint : cluster_.Endpoints()) {
      if (absl::Status status = load.Verify(endpoint); !status.ok()) return status;
    }
    fmt::print(
        "{} rounds: all {} acknowledged records are on all {} replicas, once, in order, with the "
        "same chain; the longest interruption was {} ms\n",
        options_.rounds, load.acknowledged(), cluster_.size(), absl::ToInt64Milliseconds(longest_));
    return absl::OkStatus();
  }

  const Options& options_;
  Random random_;
  ProcessCluster cluster_;
  int boots_ = 0;
  absl::Duration longest_;
};

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Disturbs a cluster and compares every replica with what was acknowledged");
  app.add_option("mode", options.mode)->required()->check(CLI::IsMember({"kill", "power"}));
  app.add_option("--program", options.program)->required()->check(CLI::ExistingFile);
  app.add_option("--dir", options.dir, "Default: a new one below the temporary directory");
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed);
  app.add_option("--producers", options.producers)->check(CLI::Range(1, 64));
  app.add_option("--records-per-s", options.records_per_s, "Of each producer")
      ->check(CLI::Range(1, 100000));
  CLI11_PARSE(app, argc, argv);
  if (options.dir.empty()) {
    options.dir = std::filesystem::temp_directory_path() / fmt::format("cairn-rounds-{}", getpid());
  }
  std::filesystem::create_directories(options.dir);

  const absl::Status status = Rounds(options).Run();
  if (!status.ok()) {
    fmt::print(stderr, "{} rounds, seed {}: {}\nData and logs are in {}\n", options.mode,
               options.seed, ToStd(status.message()), options.dir);
    return 1;
  }
  std::filesystem::remove_all(options.dir);
  return 0;
}

}  // namespace
}  // namespace cairn::integration

int main(int argc, char** argv) { return cairn::integration::Main(argc, argv); }
