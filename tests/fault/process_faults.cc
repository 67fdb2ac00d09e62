// Faults of processes: killed, stopped, ended in order, led by another, robbed of their data.
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "tests/fault/fault.h"

namespace cairn::fault {
namespace {

constexpr int kKilled = 128 + SIGKILL;
constexpr int kExitFailed = 1;

// ---- kill -9 ---------------------------------------------------------------------------

absl::StatusOr<std::string> KillNodes(Lab& lab, const std::vector<size_t>& victims) {
  std::string evidence;
  for (const size_t node : victims) lab.cluster().Signal(node, SIGKILL);
  for (const size_t node : victims) {
    const pid_t pid = lab.cluster().pid(node);
    const std::optional<int> status = lab.cluster().AwaitExit(node);
    if (status != kKilled) return NoEffect(lab.Name(node) + " did not end by SIGKILL");
    evidence +=
        fmt::format("{}{} (pid {}) killed", evidence.empty() ? "" : ", ", lab.Name(node), pid);
  }
  // Now and then they come back at once, now and then after elections.
  lab.Wait(absl::Milliseconds(lab.random().Between(0, 2500)));
  for (const size_t node : victims) lab.cluster().Start(node);
  return evidence;
}

absl::StatusOr<std::string> KillFollower(Lab& lab) { return KillNodes(lab, lab.Draw(1, false)); }
absl::StatusOr<std::string> KillLeader(Lab& lab) { return KillNodes(lab, lab.Draw(1, true)); }
absl::StatusOr<std::string> KillMajority(Lab& lab) {
  return KillNodes(lab, lab.Draw(lab.size() / 2 + 1, lab.random().Chance(0.5)));
}
absl::StatusOr<std::string> KillAll(Lab& lab) { return KillNodes(lab, lab.Draw(lab.size(), true)); }

// Every node, again and again, in any order: often it is struck while it is still coming back, and
// often others are not back yet.
absl::StatusOr<std::string> RestartStorm(Lab& lab) {
  constexpr int kKillsOfEach = 6;
  std::vector<size_t> order;
  for (int i = 0; i < kKillsOfEach; ++i) {
    for (size_t node = 0; node < lab.size(); ++node) order.push_back(node);
  }
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[lab.random().Below(i)]);
  size_t coming_back = 0;
  for (const size_t node : order) {
    if (!lab.cluster().IsReady(node)) ++coming_back;
    lab.cluster().Signal(node, SIGKILL);
    const std::optional<int> status = lab.cluster().AwaitExit(node);
    lab.cluster().Start(node);
    if (status != kKilled) {
      return NoEffect(
          fmt::format("{} had ended with {} by itself", lab.Name(node), status.value_or(-1)));
    }
    if (!lab.Wait(absl::Milliseconds(lab.random().Between(0, 600)))) break;
  }
  return fmt::format("{} kills, {} each, {} of a node that was still coming back", order.size(),
                     kKillsOfEach, coming_back);
}

// ---- SIGSTOP ---------------------------------------------------------------------------

absl::StatusOr<std::string> StopNodes(Lab& lab, const std::vector<size_t>& victims) {
  std::string evidence;
  for (const size_t node : victims) lab.cluster().Signal(node, SIGSTOP);
  const absl::Time since = absl::Now();
  lab.Hold();
  for (const size_t node : victims) {
    const char state = integration::StateOfProcess(lab.cluster().pid(node));
    lab.cluster().Signal(node, SIGCONT);
    if (state != 'T') {
      return NoEffect(fmt::format("{} was in state {}, not T", lab.Name(node), state));
    }
    evidence += fmt::format("{}{} in state T for {:.1f} s", evidence.empty() ? "" : ", ",
                            lab.Name(node), absl::ToDoubleSeconds(absl::Now() - since));
  }
  return evidence;
}

absl::StatusOr<std::string> StopLeader(Lab& lab) { return StopNodes(lab, lab.Draw(1, true)); }
absl::StatusOr<std::string> StopFollower(Lab& lab) { return StopNodes(lab, lab.Draw(1, false)); }
absl::StatusOr<std::string> StopMajority(Lab& lab) {
  return StopNodes(lab, lab.Draw(lab.size() / 2 + 1, true));
}

// A holder that sleeps through its lease and wakes up in the belief that it still has it.
absl::StatusOr<std::string> StopHolder(Lab& lab) {
  if (lab.holder <= 0 || kill(lab.holder, SIGSTOP) != 0) return NoEffect("no holder runs");
  lab.Hold();
  const char state = integration::StateOfProcess(lab.holder);
  kill(lab.holder, SIGCONT);
  if (state != 'T') return NoEffect("the holder was not stopped");
  return fmt::format("holder (pid {}) in state T for longer than its lease", lab.holder);
}

// ---- In order --------------------------------------------------------------------------

absl::StatusOr<std::string> RollingRestart(Lab& lab) {
  for (size_t node = 0; node < lab.size(); ++node) {
    RETURN_IF_ERROR(lab.Restart(node));
    RETURN_IF_ERROR(lab.AwaitWhole(absl::Seconds(60)));
  }
  return fmt::format("{} nodes drained, ended with 0 and came back", lab.size());
}

absl::StatusOr<std::string> TransferLeadership(Lab& lab) {
  constexpr int kTransfers = 5;
  std::string way;
  for (int i = 0; i < kTransfers; ++i) {
    ASSIGN_OR_RETURN(const size_t from, lab.Leader());
    const auto moved = lab.client().admin().TransferLeadership(lab.options().log, NodeId{}, "",
                                                               {absl::Seconds(5)});
    if (!moved.ok() && !absl::IsFailedPrecondition(moved.status())) return moved.status();
    lab.Wait(absl::Milliseconds(lab.random().Between(0, 700)));
    ASSIGN_OR_RETURN(const size_t to, lab.Leader());
    if (to != from)
      way += fmt::format("{}{}→{}", way.empty() ? "" : ", ", Lab::Name(from), Lab::Name(to));
  }
  if (way.empty()) return NoEffect("the leadership never moved");
  return "leader " + way;
}

// ---- A directory that is gone ----------------------------------------------------------

absl::StatusOr<std::string> WipedNode(Lab& lab) {
  const size_t node = lab.Draw(1, lab.random().Chance(0.5)).front();
  lab.Kill(node);
  const std::string dir = lab.cluster().DataDir(node);
  const std::string kept = dir + ".kept";
  const size_t since = lab.OutputBytes(node);
  std::filesystem::rename(dir, kept);
  lab.cluster().Start(node);
  const std::optional<int> status = lab.cluster().AwaitExit(node);
  if (!status) lab.cluster().Kill(node);
  const std::string line = lab.LineWith(node, since, "with another data directory");
  // The way back that the manual knows: the old directory.
  std::filesystem::remove_all(dir);
  std::filesystem::rename(kept, dir);
  lab.cluster().Start(node);
  if (status != kExitFailed || line.empty()) {
    return NoEffect(Lab::Name(node) + " was not refused with an empty directory");
  }
  return fmt::format("{} refused: {}", Lab::Name(node), line.substr(0, 90));
}

constexpr Fault kFaults[] = {
    {"kill-follower", kNothing, KillFollower},
    {"kill-leader", kNothing, KillLeader},
    {"kill-majority", kNothing, KillMajority},
    {"kill-all", kNothing, KillAll},
    {"restart-storm", kNothing, RestartStorm},
    {"stop-leader", kNothing, StopLeader},
    {"stop-follower", kNothing, StopFollower},
    {"stop-majority", kNothing, StopMajority},
    {"stop-holder", kNothing, StopHolder},
    {"rolling-restart", kNothing, RollingRestart},
    {"transfer-leadership", kNothing, TransferLeadership},
    {"wiped-node", kNothing, WipedNode},
};

}  // namespace

std::span<const Fault> ProcessFaults() { return kFaults; }

}  // namespace cairn::fault
