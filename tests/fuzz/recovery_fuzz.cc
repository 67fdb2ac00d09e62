// Recovery's judgement (storage/recovery.h) over findings of any kind.
//
// Beyond "no crash": it says something; a doubt of an earlier start is never forgotten; more damage
// never makes a verdict milder; and nobody is sound whose mark knows of turns that are not there.
#include <string>

#include "base/check.h"
#include "storage/recovery.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using storage::DecideRecovery;
using storage::RecoveryEvidence;
using storage::RecoveryVerdict;
using storage::WalEnd;

RecoveryEvidence EvidenceOf(Input input) {
  RecoveryEvidence evidence;
  evidence.newest_turn = input.Number();
  evidence.wal_end = static_cast<WalEnd>(input.Byte() % 3);
  evidence.earlier = static_cast<RecoveryVerdict>(input.Byte() % 3);
  const uint8_t bits = input.Byte();
  if ((bits & 1) == 0) return evidence;
  evidence.mark = storage::SideMarkFound{.turn = input.Number(),
                                         .same_boot = (bits & 2) != 0,
                                         .other_slot_damaged = (bits & 4) != 0,
                                         .manifest = {input.Number(), input.Number()}};
  return evidence;
}

void Run(std::string_view bytes) {
  const RecoveryEvidence evidence = EvidenceOf(Input(bytes));
  const storage::RecoveryDecision decision = DecideRecovery(evidence);
  CHECK(!decision.detail.empty());
  CHECK(decision.verdict >= evidence.earlier);

  if (evidence.mark && evidence.mark->turn > evidence.newest_turn) {
    CHECK(decision.verdict != RecoveryVerdict::kSound);
  }
  RecoveryEvidence damaged = evidence;
  damaged.wal_end = WalEnd::kDamagedMid;
  CHECK(DecideRecovery(damaged).verdict >= decision.verdict);
  CHECK(DecideRecovery(damaged).verdict != RecoveryVerdict::kSound);
}

std::string Evidence(uint64_t newest, WalEnd end, RecoveryVerdict earlier, uint8_t bits,
                     uint64_t mark) {
  return Number(newest) + Number(static_cast<uint8_t>(end), 1) +
         Number(static_cast<uint8_t>(earlier), 1) + Number(bits, 1) + Number(mark) + Number(4) +
         Number(1000);
}

std::vector<Seed> Seeds() {
  using enum RecoveryVerdict;
  return {
      {"clean", Evidence(10, WalEnd::kClean, kSound, 3, 10)},
      {"torn-at-the-mark", Evidence(10, WalEnd::kTorn, kSound, 1, 10)},
      {"behind-the-mark", Evidence(8, WalEnd::kClean, kSound, 3, 10)},
      {"damaged", Evidence(10, WalEnd::kDamagedMid, kAmbiguous, 1, 9)},
      {"no-mark", Evidence(10, WalEnd::kClean, kLost, 0, 0)},
      {"half-a-mark", Evidence(11, WalEnd::kTorn, kSound, 5, 10)},
  };
}

const Registered registered({.name = "recovery", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
