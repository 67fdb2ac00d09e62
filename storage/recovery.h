// What a directory's past means for its future: a pure decision over what was found.
//
// Facts. Turns are numbered and each is synced before the next is written, so at most the
// last one can be unacknowledged. The side mark names a turn that was synced: a lower bound.
// It is written before the notice of durability leaves, but synced lazily, so it is exact
// while the kernel lives (after kill -9) and up to a second old after a power cut.
//
//   newest turn < mark                                        kLost
//   whole turns stand behind damage, or a turn is missing     kLost
//   the mark cannot be read                                   kLost: there is no bound
//   last turn torn, >= mark, same kernel                      kSound: it was never acknowledged
//   last turn torn, >= mark, another kernel                   kAmbiguous
//   clean end, = mark, whose other slot is damaged            kAmbiguous: that may have been
//                                                             the newer one
//   clean end, >= mark                                        kSound
//
// A damaged slot also voids "same kernel": a process that ends does not tear 64 bytes.
//
// "Newest turn" is the newest that came back whole. What is kLost or kAmbiguous stays so
// over restarts until the node is made whole (LogStore::ResolveVerdict).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "storage/log_store.h"

namespace cairn::storage {

// How the write-ahead log ends.
enum class WalEnd : uint8_t {
  kClean,       // Zeros, or the end of the file, straight behind a whole turn.
  kTorn,        // The last turn is incomplete or does not match its checksum.
  kDamagedMid,  // Whole turns stand behind damage or behind a gap.
};

// A manifest of RocksDB's: its number, and how far it is known to reach.
struct ManifestExtent {
  uint64_t number = 0;  // 0: none.
  uint64_t bytes = 0;
  auto operator<=>(const ManifestExtent&) const = default;
};

struct SideMarkFound {
  uint64_t turn = 0;
  // Written by this run of the kernel.
  bool same_boot = false;
  // The other slot cannot be read; it may have named a later turn.
  bool other_slot_damaged = false;
  // What of RocksDB's manifest was synced.
  ManifestExtent manifest;
};

struct RecoveryEvidence {
  uint64_t newest_turn = 0;           // As RocksDB came back.
  std::optional<SideMarkFound> mark;  // nullopt: neither slot can be read.
  WalEnd wal_end = WalEnd::kClean;
  // What an earlier start concluded and nobody has resolved.
  RecoveryVerdict earlier = RecoveryVerdict::kSound;
};

struct RecoveryDecision {
  RecoveryVerdict verdict = RecoveryVerdict::kSound;
  std::string detail;  // One line for the log.
};

RecoveryDecision DecideRecovery(const RecoveryEvidence& evidence);

const char* ToString(RecoveryVerdict verdict);

}  // namespace cairn::storage
