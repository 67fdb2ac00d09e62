// LogFacts: what the records of a cache's log say about its lease and its data, as the role
// machine wants to be told (LogSeenEvent).
//
//   LogHead ──records, in order──► LogFacts ──one event per lease record, one per message──► Role
//
// It begins at a position that LogHead looked up (LogPosition), and never goes back. What a data
// record says of the engine's stream is asked of the engine's own part (PlaceReader).
//
// Threads: of one head. Errors: those of the PlaceReader, naming the record.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/holder_names.h"
#include "adapter/role_events.h"
#include "cairn/tailer.h"
#include "cairn/types.h"

namespace cairn::adapter {

// Where the stream stood behind a data record, if something whole ends with it. May take the
// payload. Called for each record, in order.
using PlaceReader = std::function<absl::StatusOr<std::optional<StreamPlace>>(Record*)>;

// Everything up to read_seq, as far as it counts.
struct LogPosition {
  Seq read_seq;
  LeaseView lease;
  std::string holder;  // Of the lease; empty: nobody.
  std::optional<Meeting> published;
  Epoch others_epoch;
};

class LogFacts {
 public:
  LogFacts(std::string lease_name, const HolderNames* names, PlaceReader read_place);

  void Begin(LogPosition position);
  // Requires: it continues the log.
  absl::Status Take(TailEvent event, std::vector<LogSeenEvent>* seen);
  // One record; whether it is one of the lease.
  absl::StatusOr<bool> TakeRecord(Record record);

  [[nodiscard]] const LogPosition& position() const { return position_; }
  // The position, for the machine.
  [[nodiscard]] LogSeenEvent Event() const;

  // The view of a lease that is in force, as a description of the log has it.
  [[nodiscard]] LeaseView ViewOf(const LeaseInfo& lease) const;

 private:
  void TakeLease(const Record& record);

  const std::string lease_name_;
  const HolderNames* const names_;
  const PlaceReader read_place_;
  LogPosition position_;
};

}  // namespace cairn::adapter
