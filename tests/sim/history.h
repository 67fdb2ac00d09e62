// History: what clients of a simulated log asked for and were told, and whether a final log can
// explain it.
//
// Every record that is appended carries a payload that nobody else sends, so one look at the
// final log tells where each operation took effect, if anywhere. From that:
//   durable        what was acknowledged is there, at the seqs and with the chain that the
//                  reply named;
//   exactly once   no payload stands twice; what was refused is not there;
//   linearizable   if one operation ended before another began, its seqs are smaller, and a
//                  refusal or a read never shows a log older than what had been acknowledged
//                  before it began, nor newer than what had been sent by its end;
//   fenced         an append under an epoch stands where that epoch was the current one;
//   one holder     no two clients were entitled to a lease at the same moment.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "cairn/v1/log.pb.h"
#include "tests/sim/sim_clock.h"

namespace cairn::sim {

struct Operation {
  enum class Kind : uint8_t { kAppend, kRead, kLease };
  enum class Outcome : uint8_t { kUnknown, kDone, kRefused };
  Kind kind = Kind::kAppend;
  Outcome outcome = Outcome::kUnknown;
  int client = 0;
  SimTime began = 0;
  SimTime ended = 0;
  std::string payload;  // Of the one record of an append.
  std::optional<Seq> if_last_seq;
  std::optional<Epoch> if_lease_epoch;
  // Done: what the reply said. A read sets last_seq and chain only.
  Seq first_seq;
  Seq last_seq;
  uint64_t chain = 0;
  // Refused by a condition: the last seq that the refusal showed.
  std::optional<Seq> shown_last_seq;
};

// A client believed, by its own clock and margin, to hold the lease for [from, until) of
// virtual time.
struct Entitlement {
  int client = 0;
  Epoch epoch;
  SimTime from = 0;
  SimTime until = 0;
};

// A record of the final log.
struct FinalRecord {
  Seq seq;
  uint64_t chain = 0;  // After it.
  cairn::v1::Record record;
};

class History {
 public:
  // Returns the operation's handle.
  size_t Begin(Operation operation);
  [[nodiscard]] Operation& at(size_t handle) { return operations_[handle]; }
  void Entitle(const Entitlement& entitlement) { entitlements_.push_back(entitlement); }

  // The client gave its lease up (it sent a release) at `now`.
  void EndEntitlement(int client, SimTime now);

  [[nodiscard]] size_t size() const { return operations_.size(); }
  [[nodiscard]] size_t done() const;

  // Empty when `log` (all records, from `first_seq` on: earlier ones were trimmed) explains
  // everything; else what contradicts it, one line each, at most ten.
  [[nodiscard]] std::vector<std::string> Check(const std::vector<FinalRecord>& log) const;

 private:
  std::vector<Operation> operations_;
  std::vector<Entitlement> entitlements_;
};

}  // namespace cairn::sim
