// History: what the clients of ONE log asked for and were told, and when.
//
// Plain values, filled by whoever drives clients (the simulator, the fault runner) and judged by
// CheckLinearizable (linearizability.h). Order between logs is not promised, so a history of many
// logs is checked one log at a time.
//
// How a caller fills it:
//   * One Operation per call of the user, not per try: a producer's retries of one sequence are
//     one operation, from the first try's begin to the answer.
//   * Times are microseconds of any one timeline that all clients share. A call that ends at
//     the microsecond in which another begins is taken as concurrent to it.
//   * Outcomes: OK is kDone; an error with a reason of ErrorInfo is the outcome of that name, or
//     kRefused when it reveals nothing of the log (NOT_LEADER, OVERLOADED, …: certainly not done);
//     everything else (deadline, lost connection, OUTCOME_UNKNOWN, still running when the history
//     was taken) is kUnknown: it may take effect at any moment after its begin, or never.
//   * Payloads may repeat, but a check is quick and sharp only if each call sends its own.
//   * What an answer did not tell stays nullopt; it is then not checked.
//   * Every call that may have appended to the log or changed its lease has to be in it. Trims,
//     registrations, settings and reads that are not linearizable have not.
//
// One lease is followed. Records that no operation here can explain, such as those of other
// leases, are told as CommittedRecord::Kind::kOther.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

namespace cairn::history {

enum class Call : uint8_t {
  kAppend,
  // A linearizable Read, DescribeLog or GetLease, or a tail that has caught up (its interval is
  // from the mark before, or the subscription, to the mark).
  kRead,
  kAcquire,
  kRenew,
  kRelease,
  kTransfer,
};

enum class Outcome : uint8_t {
  kDone,
  kUnknown,
  kRefused,          // Certainly not done, and nothing is revealed.
  kConditionFailed,  // `last_seq` is the actual one.
  kLeaseHeld,        // `lease` is the present one.
  kLeaseLost,        // `lease` is the present one.
  kFenceRequired,
};

// A lease as an answer showed it.
struct LeaseSeen {
  Epoch epoch;         // 0: nobody holds it.
  std::string holder;  // Empty: not told, or nobody.
  bool operator==(const LeaseSeen&) const = default;
};

struct Operation {
  Call call = Call::kRead;
  Outcome outcome = Outcome::kUnknown;
  uint64_t client = 0;   // For people only.
  int64_t begin_us = 0;  // Before the request left.
  int64_t end_us = 0;    // After the answer arrived; without meaning when kUnknown.

  // ---- What was asked --------------------------------------------------------------
  // Of the batch's records, which carry nothing but a payload. Never empty in an append.
  std::vector<std::string> payloads;
  std::optional<Seq> if_last_seq;  // Append, acquire, transfer.
  // Append: `if_lease_epoch`. Renew, release, transfer: the epoch that they speak of.
  std::optional<Epoch> epoch;
  std::string holder;  // Acquire: who asks. Transfer: the heir.

  // ---- What the answer told ----------------------------------------------------------
  std::optional<Seq> first_seq;  // Append.
  // The log's last seq: after an effect, as read, or as a refusal showed it.
  std::optional<Seq> last_seq;
  std::optional<uint64_t> chain;  // At `last_seq`; not looked at without it.
  std::optional<Epoch> granted;   // Acquire, transfer.
  std::optional<LeaseSeen> lease;

  bool operator==(const Operation&) const = default;
};

// A record that stands in the log in the end.
struct CommittedRecord {
  enum class Kind : uint8_t {
    kData,
    kAcquired,
    kReleased,
    kTransferred,
    kExpired,  // Also written by the leader without being asked.
    kOther,    // Explained by no operation; moves the log on and nothing else.
  };
  Seq seq;
  uint64_t chain = 0;  // After it.
  Kind kind = Kind::kData;
  std::string payload;  // Data.
  // Lease kinds, as in LeaseEvent: the new holder of a grant, the old one of an end; empty: not
  // known.
  std::string holder;
  Epoch ended_epoch;  // Released, transferred, expired. 0: not known.
  bool operator==(const CommittedRecord&) const = default;
};

// All records that stand in the log from `first_seq` on, without a hole, read when every
// operation of the history that is not kUnknown had ended, so that it is itself a read of the
// whole log. It only ever forbids: what an answer told must agree with it.
struct CommittedLog {
  Seq first_seq{1};
  std::vector<CommittedRecord> records;
  bool operator==(const CommittedLog&) const = default;
};

struct History {
  GroupId log_id;  // Seeds the chain.
  bool fenced = false;
  // The log when the first operation began; by default it is new.
  Seq initial_last_seq;
  std::optional<uint64_t> initial_chain;  // nullopt: of an empty log; else not known.
  LeaseSeen initial_lease;

  std::vector<Operation> operations;  // In any order.
  std::optional<CommittedLog> committed;

  bool operator==(const History&) const = default;
};

}  // namespace cairn::history
