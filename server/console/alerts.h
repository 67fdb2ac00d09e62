// Alerts: what of a cluster calls for somebody, worst first, each with what to do next.
//
// A pure function of one ClusterView, so a script that reads the console's API is told the same as
// a person. Bounds: one alert for each kind and node, or for each kind over all logs, of which
// kNamedLogs are named.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/console/cluster_view.h"

namespace cairn::console {

inline constexpr size_t kNamedLogs = 5;
// A replica that lacks this many committed entries lags; the moment between two answers accounts
// for less.
inline constexpr uint64_t kLagEntries = 1000;
// Leases of a second are common; half of that is worth a look.
inline constexpr int64_t kClockDeviationUs = 500'000;
// Twice the default of --storage-watermark-bytes, for nodes that do not say what theirs is.
inline constexpr uint64_t kLowDiskBytes = 1ull << 30;

enum class Severity : uint8_t { kCritical, kWarning, kNotice };

struct Alert {
  Severity severity = Severity::kNotice;
  std::string kind;               // Stable, for programs: "no_quorum".
  std::string what;               // One sentence.
  std::string next;               // What to do about it.
  std::string node;               // Name; empty: of the cluster or of logs.
  std::vector<std::string> logs;  // At most kNamedLogs.
};

std::vector<Alert> JudgeCluster(const ClusterView& view);

}  // namespace cairn::console
