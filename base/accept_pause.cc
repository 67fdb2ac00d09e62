#include "base/accept_pause.h"

#include <spdlog/spdlog.h>

namespace cairn {

int64_t AcceptPause::OnFailure(const std::error_code& why, MonoMicros now_us) {
  if (why == std::errc::connection_aborted || why == std::errc::interrupted) return 0;
  ++silent_;
  if (now_us < log_again_us_) return kPauseUs;
  spdlog::warn("connections at {} cannot be accepted: {} ({} times since this was last said)",
               where_, why.message(), silent_);
  log_again_us_ = now_us + kLogEveryUs;
  silent_ = 0;
  ++logged_;
  return kPauseUs;
}

}  // namespace cairn
