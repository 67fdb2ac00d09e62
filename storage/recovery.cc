#include "storage/recovery.h"

#include <fmt/format.h>

#include "base/check.h"

namespace cairn::storage {
namespace {

RecoveryDecision Judge(const RecoveryEvidence& found) {
  using enum RecoveryVerdict;
  if (!found.mark) {
    return {kLost, fmt::format("the side mark cannot be read; newest turn is {}, and nothing "
                               "tells whether it was the last",
                               found.newest_turn)};
  }
  const uint64_t mark = found.mark->turn;
  if (found.newest_turn < mark) {
    return {kLost, fmt::format("turns {} through {} were synced and are gone",
                               found.newest_turn + 1, mark)};
  }
  switch (found.wal_end) {
    case WalEnd::kClean:
      if (found.mark->other_slot_damaged && found.newest_turn == mark) {
        return {kAmbiguous, fmt::format("clean end after turn {}, but the slot of the side mark "
                                        "that may have named a later one is damaged",
                                        found.newest_turn)};
      }
      return {kSound, fmt::format("clean end after turn {}, mark {}", found.newest_turn, mark)};
    case WalEnd::kDamagedMid:
      return {kLost, fmt::format("the write-ahead log is damaged behind turn {}, before turns "
                                 "that were synced; mark {}",
                                 found.newest_turn, mark)};
    case WalEnd::kTorn:
      if (found.mark->same_boot && !found.mark->other_slot_damaged) {
        return {kSound, fmt::format("turn {} was cut: it was torn by the end of the process, and "
                                    "never acknowledged; mark {}",
                                    found.newest_turn + 1, mark)};
      }
      return {kAmbiguous, fmt::format("turn {} is torn and may have been acknowledged; mark {}",
                                      found.newest_turn + 1, mark)};
  }
  CHECK_UNREACHABLE();
}

}  // namespace

const char* ToString(RecoveryVerdict verdict) {
  switch (verdict) {
    case RecoveryVerdict::kSound:
      return "sound";
    case RecoveryVerdict::kAmbiguous:
      return "ambiguous";
    case RecoveryVerdict::kLost:
      return "lost";
  }
  CHECK_UNREACHABLE();
}

RecoveryDecision DecideRecovery(const RecoveryEvidence& evidence) {
  RecoveryDecision decision = Judge(evidence);
  if (evidence.earlier <= decision.verdict) return decision;
  decision.verdict = evidence.earlier;
  decision.detail = fmt::format("not yet resolved from an earlier start: {}; now: {}",
                                ToString(evidence.earlier), decision.detail);
  return decision;
}

}  // namespace cairn::storage
