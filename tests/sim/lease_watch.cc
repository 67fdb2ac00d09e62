#include "tests/sim/lease_watch.h"

#include <fmt/format.h>

#include "server/lease_table.h"

namespace cairn::sim {

std::string LeaseWatch::AfterTurn(SimNode& node, const server::Group& group) {
  Seen& seen = seen_[node.id()];
  const server::LogState& state = group.state();
  const bool restarted = seen.life != node.life();
  // A snapshot, or a long turn that ended with a trim: taken for the former.
  const bool jumped = group.core().terms().Before().index > seen.applied;
  seen.life = node.life();
  seen.applied = state.applied_index();
  const server::Lease* lease = state.applied().leases.Find(server::kDefaultLease);
  if (lease == nullptr) {
    seen.epoch = Epoch();
    return "";
  }
  if (restarted || seen.epoch != lease->epoch || seen.renewal != lease->last_renewal) {
    seen.epoch = lease->epoch;
    seen.renewal = lease->last_renewal;
    seen.since = node.clock().Mono();
    seen.brought = restarted || jumped;
    seen.deadline.reset();
  } else if (jumped) {
    seen.brought = true;
    seen.deadline.reset();
  }
  // Nothing while the node cannot let it expire.
  const std::optional<MonoMicros> deadline = state.NextLeaseDeadline();
  if (!deadline) return "";
  const MonoMicros due = seen.since + static_cast<int64_t>(lease->ttl_ms) * kMicrosPerMilli;
  const auto wrong = [&](MonoMicros by_us, const char* what) {
    return fmt::format("node {} would let epoch {} expire {} us {}", node.id(), lease->epoch, by_us,
                       what);
  };
  if (*deadline < due) return wrong(due - *deadline, "before its TTL is over");
  if (!seen.brought && *deadline > due) return wrong(*deadline - due, "too late");
  if (seen.deadline && *deadline > *seen.deadline) {
    return wrong(*deadline - *seen.deadline, "later than it would have before");
  }
  seen.deadline = deadline;
  return "";
}

}  // namespace cairn::sim
