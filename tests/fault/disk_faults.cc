// Faults of disks that do not last: slow or failing syncs, power cuts, and a machine that crashes
// at the worst moment.
#include <fmt/format.h>
#include <signal.h>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "tests/fault/fault.h"
#include "tests/fault/small_disk.h"

namespace cairn::fault {
namespace {

constexpr int kAborted = 128 + SIGABRT;

absl::StatusOr<std::string> SlowSyncs(Lab& lab) {
  const size_t node = lab.Draw(1, lab.random().Chance(0.7)).front();
  ShimPage& shim = lab.shim(node);
  const uint64_t before = shim->syncs_delayed;
  const int64_t delay_ms = lab.random().Between(200, 1500);
  shim->sync_delay_us = delay_ms * 1000;
  lab.Hold();
  shim->sync_delay_us = 0;
  const uint64_t delayed = shim->syncs_delayed - before;
  if (delayed == 0) return NoEffect(Lab::Name(node) + " never synced");
  return fmt::format("{} syncs of {} took {} ms longer", delayed, Lab::Name(node), delay_ms);
}

// A sync that fails ends the process: what is on the disk is then unknown.
absl::StatusOr<std::string> FailedSync(Lab& lab) {
  const size_t node = lab.Draw(1, true).front();
  ShimPage& shim = lab.shim(node);
  const uint64_t before = shim->syncs_failed;
  const size_t since = lab.OutputBytes(node);
  shim->syncs_to_fail = 1;
  const std::optional<int> status = lab.cluster().AwaitExit(node);
  shim->syncs_to_fail = 0;
  if (!status) {
    return NoEffect(fmt::format("{} goes on after {} failed syncs", Lab::Name(node),
                                shim->syncs_failed - before));
  }
  const std::string line = lab.LineWith(node, since, "error");
  lab.cluster().Start(node);
  if (*status != kAborted) {
    return NoEffect(fmt::format("{} ended with {}", Lab::Name(node), *status));
  }
  return fmt::format("{} syncs of {} failed with EIO, it aborted", shim->syncs_failed - before,
                     Lab::Name(node));
}

// ---- A full disk -----------------------------------------------------------------------

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kAmpleBytes = 4096 * kMiB;
constexpr uint64_t kLastBytes = 4096;
// Half of the watermark that the drill's nodes have (lab.cc).
constexpr uint64_t kBelowWatermarkBytes = 24 * kMiB;

// First refusals below the watermark, then no byte is left: a node that has to write ends, one that
// is sent nothing because it said so goes on (decision 039). Either has to come back when there is
// room again.
absl::StatusOr<std::string> FillDisk(Lab& lab, size_t node, SmallDisk& disk) {
  RETURN_IF_ERROR(lab.AwaitWhole(absl::Seconds(60)));
  RETURN_IF_ERROR(disk.Resize(disk.UsedBytes() + kBelowWatermarkBytes));
  const bool said = integration::Eventually(
      [&] { return lab.Metric(node, "cairn_storage_full").value_or(0) == 1; }, 20);
  if (!said) return NoEffect(Lab::Name(node) + " did not notice that its disk is nearly full");
  lab.Hold();
  // It gives up its ballast first, so the room shrinks until it ends.
  bool shrunk = false;
  const bool ended = integration::Eventually(
      [&] {
        shrunk = disk.Resize(disk.UsedBytes() + kLastBytes).ok();  // No: it has just written more.
        return !lab.cluster().IsRunning(node);
      },
      15);
  if (!ended && !shrunk) return NoEffect(Lab::Name(node) + " still finds room to write");
  if (!ended) {
    return fmt::format("{} reported storage_full, and goes on with {} bytes of room at {} MiB used",
                       Lab::Name(node), kLastBytes, disk.UsedBytes() / kMiB);
  }
  const std::optional<int> status = lab.cluster().AwaitExit(node);
  return fmt::format("{} reported storage_full, then ended with {} at {} MiB used", Lab::Name(node),
                     status.value_or(0), disk.UsedBytes() / kMiB);
}

absl::StatusOr<std::string> DiskFull(Lab& lab) {
  const size_t node = lab.DrawHolder(0.7);
  lab.Kill(node);
  absl::StatusOr<std::string> evidence = absl::InternalError("no disk");
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<SmallDisk> disk,
                     SmallDisk::Put(lab.cluster().DataDir(node), kAmpleBytes));
    lab.cluster().Start(node);
    evidence = FillDisk(lab, node, *disk);
    RETURN_IF_ERROR(disk->Resize(kAmpleBytes));
    if (lab.cluster().IsRunning(node)) lab.Kill(node);
    lab.cluster().Start(node);
    RETURN_IF_ERROR(lab.AwaitReady(node));
    lab.Kill(node);
  }
  lab.cluster().Start(node);
  return evidence;
}

// ---- Power -----------------------------------------------------------------------------

// Cuts the power of nodes that run on the forgetful disk. What it lost is said at the next start.
absl::Status CutPower(Lab& lab, const std::vector<size_t>& victims) {
  for (const size_t node : victims) lab.cluster().Signal(node, SIGUSR1);
  for (const size_t node : victims) {
    if (lab.cluster().AwaitExit(node) != 0) {
      return NoEffect(Lab::Name(node) + " did not lose its power");
    }
  }
  return absl::OkStatus();
}

absl::Status MoveToForgetfulDisks(Lab& lab, const std::vector<size_t>& victims) {
  for (const size_t node : victims) {
    lab.OnForgetfulDisk(node);
    RETURN_IF_ERROR(lab.Restart(node));
    RETURN_IF_ERROR(lab.AwaitWhole(absl::Seconds(60)));
  }
  return absl::OkStatus();
}

// What a node said of its directory at its last start.
std::string Verdict(const Lab& lab, size_t node, size_t since) {
  const std::string line = lab.LineWith(node, since, "data directory");
  const size_t verdict = line.find(": ");
  return Lab::Name(node) + ": " + (verdict == std::string::npos ? "?" : line.substr(verdict + 2));
}

absl::StatusOr<std::string> PowerCut(Lab& lab, const std::vector<size_t>& victims) {
  RETURN_IF_ERROR(MoveToForgetfulDisks(lab, victims));
  lab.Wait(absl::Milliseconds(lab.random().Between(300, 1500)));
  std::vector<size_t> since;
  for (const size_t node : victims) since.push_back(lab.OutputBytes(node));
  const absl::Status cut = CutPower(lab, victims);
  for (const size_t node : victims) {
    lab.OnRealDisk(node);
    lab.cluster().Start(node);
  }
  RETURN_IF_ERROR(cut);
  for (const size_t node : victims) RETURN_IF_ERROR(lab.AwaitReady(node));
  std::string evidence;
  for (size_t i = 0; i < victims.size(); ++i) {
    evidence += (i == 0 ? "" : "; ") + Verdict(lab, victims[i], since[i]);
  }
  return evidence;
}

absl::StatusOr<std::string> PowerOne(Lab& lab) {
  return PowerCut(lab, lab.Draw(1, lab.random().Chance(0.7)));
}
absl::StatusOr<std::string> PowerAll(Lab& lab) { return PowerCut(lab, lab.Draw(lab.size(), true)); }

// The recipe of one crashed machine. A minority A misses a while of writes; a node B that took
// part in them loses its power; all others stop, so that A and B have to do with what they have.
// If what B acknowledged was not on its disk, the two would write another history.
absl::StatusOr<std::string> OneCrashedMachine(Lab& lab) {
  const std::vector<size_t> nodes = lab.Draw(lab.size(), false);
  const size_t crashed = nodes.back();  // The leader.
  const size_t majority = lab.size() / 2 + 1;
  const std::vector<size_t> absent(nodes.begin(), nodes.begin() + static_cast<long>(majority) - 1);
  const std::vector<size_t> rest(nodes.begin() + static_cast<long>(majority) - 1, nodes.end() - 1);
  RETURN_IF_ERROR(MoveToForgetfulDisks(lab, {crashed}));
  // The move took its leadership away; it gets it back where that can be had.
  const auto status = lab.StatusOf(crashed);
  if (status.ok()) {
    const auto moved = lab.client().admin().TransferLeadership(lab.options().log, status->node_id,
                                                               "", {absl::Seconds(5)});
    static_cast<void>(moved.ok());  // A follower that acknowledged is as good a victim.
  }
  for (const size_t node : absent) lab.cluster().Signal(node, SIGSTOP);
  lab.Wait(2 * lab.options().hold);
  const size_t since = lab.OutputBytes(crashed);
  const absl::Status cut = CutPower(lab, {crashed});
  for (const size_t node : rest) lab.cluster().Signal(node, SIGSTOP);
  for (const size_t node : absent) lab.cluster().Signal(node, SIGCONT);
  lab.OnRealDisk(crashed);
  lab.cluster().Start(crashed);
  lab.Wait(2 * lab.options().hold);
  for (const size_t node : rest) lab.cluster().Signal(node, SIGCONT);
  RETURN_IF_ERROR(cut);
  RETURN_IF_ERROR(lab.AwaitReady(crashed));
  return fmt::format("{} absent, then {} stopped; {}", absent.size(), rest.size(),
                     Verdict(lab, crashed, since));
}

constexpr Fault kFaults[] = {
    {"slow-syncs", kNothing, SlowSyncs}, {"failed-sync", kNothing, FailedSync},
    {"disk-full", kSmallDisk, DiskFull}, {"power-one", kNothing, PowerOne},
    {"power-all", kNothing, PowerAll},   {"one-crashed-machine", kNothing, OneCrashedMachine},
};

}  // namespace

std::span<const Fault> DiskFaults() { return kFaults; }

}  // namespace cairn::fault
