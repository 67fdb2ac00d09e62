// LeaseTable: who holds each lease of a log, as far as the log says (design section 6).
//
// Two kinds of facts, never mixed: replicated ones (holder, epoch, ttl, index of the last
// renewal), which are part of LogFacts and equal on all replicas; and node-local notes (when
// this node applied the last grant or renewal), which live in LeaseNotes and only ever
// *propose* an expiry. Apply never looks at a clock.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "cairn/v1/log.pb.h"
#include "cairn/v1/store.pb.h"

namespace cairn::server {

inline constexpr char kDefaultLease[] = "primary";

struct Lease {
  std::string holder;
  Epoch epoch;
  uint64_t ttl_ms = 0;
  // Raft index of the grant or of the last renewal.
  Index last_renewal;
  bool operator==(const Lease&) const = default;
};

class LeaseTable {
 public:
  // Null when nobody holds it.
  [[nodiscard]] const Lease* Find(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, Lease, std::less<>>& leases() const { return leases_; }
  [[nodiscard]] size_t size() const { return leases_.size(); }

  // Moves over the lease record at `seq`, in the entry at `index`.
  // Errors: kDataLoss when it contradicts the table; nothing has changed then.
  absl::Status ApplyRecord(Index index, Seq seq, const cairn::v1::Record& record);
  absl::Status ApplyRenewal(Index index, const cairn::v1::RenewItem& renewal);

  void Load(const cairn::v1::StoredLease& stored);
  // Puts the row back as a copy of it once was (nullopt: there was none).
  void Restore(const std::string& name, std::optional<Lease> row);
  bool operator==(const LeaseTable&) const = default;

 private:
  absl::Status Grant(Index index, Seq seq, const cairn::v1::LeaseEvent& event);
  absl::Status End(const cairn::v1::LeaseEvent& event, cairn::v1::RecordKind kind);
  absl::Status HandOver(Index index, Seq seq, const cairn::v1::LeaseEvent& event);
  absl::StatusOr<Lease*> FindCurrent(const std::string& name, uint64_t epoch);

  std::map<std::string, Lease, std::less<>> leases_;
};

// When this node, by its own monotonic clock, applied the last grant or renewal of each
// lease. That moment is never earlier than the holder's own start of the TTL, so a new
// leader goes on from its note: the TTL is neither cut short nor reset by an election. A
// node that restarted or installed a snapshot counts the full TTL from then.
class LeaseNotes {
 public:
  void Note(const std::string& name, Epoch epoch, MonoMicros now);
  void Forget(const std::string& name);
  // Every lease of `table` starts its full TTL now.
  void Restart(const LeaseTable& table, MonoMicros now);
  // The moment from which on the lease may be declared expired; nullopt: not noted.
  [[nodiscard]] std::optional<MonoMicros> Deadline(const std::string& name,
                                                   const Lease& lease) const;

 private:
  struct Noted {
    Epoch epoch;
    MonoMicros at;
  };
  std::map<std::string, Noted, std::less<>> noted_;
};

}  // namespace cairn::server
