#include "server/node_pulse.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::server {

NodePulse::NodePulse(uint32_t workers, int64_t interval_us, int64_t silence_us)
    : interval_us_(interval_us), silence_us_(silence_us), ticked_(workers) {
  CHECK_GT(workers, 0u);
  CHECK_GT(silence_us, interval_us);
}

bool NodePulse::AllTicked() const {
  return std::find(ticked_.begin(), ticked_.end(), false) == ticked_.end();
}

NodePulse::Due NodePulse::OnTick(uint32_t worker, MonoMicros now) {
  ticked_.at(worker) = true;
  Due due;
  for (auto& [peer, seen] : peers_) {
    const bool silent = now - seen.at >= silence_us_;
    if (silent == seen.silent) continue;
    seen.silent = silent;
    due.changes.push_back({peer, silent ? LinkChange::State::kSilent : LinkChange::State::kHeard});
  }
  if (!AllTicked() || now - sent_at_ < interval_us_) return due;
  due.pulse = true;
  sent_at_ = now;
  ticked_.assign(ticked_.size(), false);
  return due;
}

void NodePulse::OnPulse(NodeId peer, MonoMicros now) { peers_[peer].at = now; }

}  // namespace cairn::server
