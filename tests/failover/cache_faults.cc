#include "tests/failover/cache_faults.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/fault/fault.h"

namespace cairn::failover {
namespace {

using fault::LinkRule;
using fault::NoEffect;
using fault::VirtualNet;

constexpr LinkRule kCut = {.cut = true};
constexpr int kExitSeconds = 30;

// Longer than the lease, so that somebody else has it meanwhile; now and then shorter.
void HoldOn(CacheLab& lab) { lab.Wait(absl::Milliseconds(lab.random().Between(500, 5'000))); }

size_t Other(CacheLab& lab, size_t primary) {
  return (primary + 1 + lab.random().Below(lab.agents() - 1)) % lab.agents();
}

// ---- Processes -------------------------------------------------------------------------

absl::StatusOr<std::string> KillAndRestart(CacheLab& lab, size_t agent) {
  std::string evidence = lab.KillAgent(agent);
  HoldOn(lab);
  lab.StartAgent(agent);
  return evidence;
}

absl::StatusOr<std::string> KillPrimary(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return KillAndRestart(lab, primary);
}

absl::StatusOr<std::string> KillReplica(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return KillAndRestart(lab, Other(lab, primary));
}

absl::StatusOr<std::string> KillEngineOf(CacheLab& lab, size_t agent) {
  const pid_t before = lab.EnginePid(agent);
  if (before < 0) return NoEffect("the engine does not answer");
  std::string evidence = lab.KillEngine(agent);
  HoldOn(lab);
  if (lab.EnginePid(agent) == before) return NoEffect("the engine lives on");
  return evidence;
}

absl::StatusOr<std::string> KillPrimarysEngine(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return KillEngineOf(lab, primary);
}

absl::StatusOr<std::string> KillReplicasEngine(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return KillEngineOf(lab, Other(lab, primary));
}

absl::StatusOr<std::string> KillAllAgents(CacheLab& lab) {
  std::string evidence;
  for (size_t agent = 0; agent < lab.agents(); ++agent) {
    evidence += (evidence.empty() ? "" : "; ") + lab.KillAgent(agent);
  }
  for (size_t agent = 0; agent < lab.agents(); ++agent) lab.StartAgent(agent);
  return evidence;
}

absl::StatusOr<std::string> StopProcess(CacheLab& lab, pid_t pid, const std::string& what) {
  if (pid <= 0 || kill(pid, SIGSTOP) != 0) return NoEffect(what + " does not run");
  const absl::Time since = absl::Now();
  HoldOn(lab);
  const char state = integration::StateOfProcess(pid);
  kill(pid, SIGCONT);
  // An agent may have ended an engine that did not answer, and started another.
  if (state != 'T' && state != '?') {
    return NoEffect(fmt::format("{} was in state {}, not T", what, state));
  }
  return fmt::format("{} (pid {}) stopped for {:.1f} s", what, pid,
                     absl::ToDoubleSeconds(absl::Now() - since));
}

absl::StatusOr<std::string> StopPrimary(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return StopProcess(lab, lab.agent(primary).pid(), CacheLab::Name(primary));
}

absl::StatusOr<std::string> StopPrimarysEngine(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return StopProcess(lab, lab.EnginePid(primary), "engine of " + CacheLab::Name(primary));
}

absl::StatusOr<std::string> StopReplica(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  const size_t other = Other(lab, primary);
  return StopProcess(lab, lab.agent(other).pid(), CacheLab::Name(other));
}

// ---- In order --------------------------------------------------------------------------

absl::StatusOr<std::string> EndPrimary(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  lab.agent(primary).Signal(SIGTERM);
  const std::optional<int> status = lab.agent(primary).AwaitExit(kExitSeconds);
  if (!status) lab.KillAgent(primary);
  lab.StartAgent(primary);
  if (status != 0) return NoEffect(CacheLab::Name(primary) + " does not end with 0");
  return CacheLab::Name(primary) + " handed over and ended with 0";
}

absl::StatusOr<std::string> HandOver(CacheLab& lab) {
  constexpr int kHandOvers = 5;
  std::string way;
  for (int i = 0; i < kHandOvers; ++i) {
    ASSIGN_OR_RETURN(const size_t from, lab.Primary());
    lab.kind().HandOver(lab.PlaceOf(from), absl::Seconds(2));
    lab.Wait(absl::Milliseconds(lab.random().Between(200, 1'200)));
    ASSIGN_OR_RETURN(const size_t to, lab.Primary());
    if (to == from) continue;
    way +=
        fmt::format("{}{}→{}", way.empty() ? "" : ", ", CacheLab::Name(from), CacheLab::Name(to));
  }
  if (way.empty()) return NoEffect("the primary never changed");
  return "primary " + way;
}

// ---- The network -----------------------------------------------------------------------

template <class Apply>
absl::StatusOr<std::string> Cut(CacheLab& lab, const std::string& what, Apply apply) {
  VirtualNet& net = *lab.net();
  const uint64_t before = net.counts().cut;
  apply(net);
  HoldOn(lab);
  net.Heal();
  const uint64_t packets = net.counts().cut - before;
  if (packets == 0) return NoEffect("no packet felt it: " + what);
  return fmt::format("{}: {} packets", what, packets);
}

// Its clients still reach it: only its lease may stop it from answering.
absl::StatusOr<std::string> CutPrimaryFromLog(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return Cut(lab, CacheLab::Name(primary) + " cut off from the log", [&](VirtualNet& net) {
    for (size_t node = 0; node < lab.nodes().size(); ++node) {
      net.SetPair(lab.HostOf(primary), node, kCut);
    }
  });
}

// It sends, and hears nothing: what it appends may commit.
absl::StatusOr<std::string> DeafenPrimary(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return Cut(lab, CacheLab::Name(primary) + " does not hear the log", [&](VirtualNet& net) {
    for (size_t node = 0; node < lab.nodes().size(); ++node) {
      net.SetLink(node, lab.HostOf(primary), kCut);
    }
  });
}

absl::StatusOr<std::string> IsolatePrimary(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  return Cut(lab, CacheLab::Name(primary) + " cut off from all", [&](VirtualNet& net) {
    for (size_t host = 0; host <= net.size(); ++host) {
      if (host != lab.HostOf(primary)) net.SetPair(lab.HostOf(primary), host, kCut);
    }
  });
}

absl::StatusOr<std::string> CutAllFromLog(CacheLab& lab) {
  return Cut(lab, "all agents cut off from the log", [&](VirtualNet& net) {
    for (size_t agent = 0; agent < lab.agents(); ++agent) {
      for (size_t node = 0; node < lab.nodes().size(); ++node) {
        net.SetPair(lab.HostOf(agent), node, kCut);
      }
    }
  });
}

// Faults of nodes, by their names in tests/fault.
constexpr std::string_view kOfNodes[] = {"kill-leader",     "kill-majority",
                                         "stop-leader",     "isolate-leader",
                                         "rolling-restart", "transfer-leadership"};

}  // namespace

std::vector<CacheFault> AllCacheFaults() {
  std::vector<CacheFault> all = {
      {"kill-primary", false, KillPrimary},
      {"kill-replica", false, KillReplica},
      {"kill-primarys-engine", false, KillPrimarysEngine},
      {"kill-replicas-engine", false, KillReplicasEngine},
      {"kill-all-agents", false, KillAllAgents},
      {"stop-primary", false, StopPrimary},
      {"stop-primarys-engine", false, StopPrimarysEngine},
      {"stop-replica", false, StopReplica},
      {"end-primary", false, EndPrimary},
      {"hand-over", false, HandOver, nullptr, /*by_command=*/true},
      {"cut-primary-from-log", true, CutPrimaryFromLog},
      {"deafen-primary", true, DeafenPrimary},
      {"isolate-primary", true, IsolatePrimary},
      {"cut-all-from-log", true, CutAllFromLog},
  };
  for (const auto& family : {AgentClockFaults(), LogDiskFaults()}) {
    all.insert(all.end(), family.begin(), family.end());
  }
  for (const fault::Fault& fault : fault::AllFaults()) {
    if (std::find(std::begin(kOfNodes), std::end(kOfNodes), fault.name) == std::end(kOfNodes)) {
      continue;
    }
    all.push_back({fault.name, (fault.needs & fault::kNetwork) != 0, nullptr, fault.run});
  }
  return all;
}

}  // namespace cairn::failover
