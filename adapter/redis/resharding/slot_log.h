// SlotLog: the log NAME.slots of a cache of several logs, whose last record tells who has which
// slots (slot_state.h).
//
// It is read linearizably and appended to conditionally, never in another way. An append whose
// outcome is unknown is followed by a read; whether the record there is one's own does not matter,
// only what it says.
//
// Threads: all calls block; a handle may be copied between threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/resharding/slot_state.h"
#include "cairn/client.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

struct SlotEntry {
  Seq seq;  // Of the record.
  SlotState state;

  bool operator==(const SlotEntry&) const = default;
};

std::string SlotLogName(std::string_view cache);

class SlotLog {
 public:
  // Makes the log if `create` says so. Errors: those of Client::OpenLog; kNotFound, saying what to
  // do, when it is not there.
  static absl::StatusOr<SlotLog> Open(Client* client, std::string_view cache, bool create,
                                      const CallOptions& call);

  // The last record; nullopt: there is none. Errors: kDataLoss; those of Log.
  [[nodiscard]] absl::StatusOr<std::optional<SlotEntry>> Read(const CallOptions& call) const;
  // `next` behind `base`, and nothing between them. Errors: kAborted: somebody was faster; those of
  // Log, after which it may be there.
  [[nodiscard]] absl::StatusOr<SlotEntry> Append(Seq base, const SlotState& next,
                                                 const CallOptions& call) const;
  [[nodiscard]] const Log& log() const { return log_; }

 private:
  explicit SlotLog(Log log) : log_(std::move(log)) {}

  Log log_;
};

// Which of the cache's agents asks, and how many logs it was told that there are.
struct ShardClaim {
  std::string cache;
  std::string log;
  uint32_t logs = 0;
};

// What the cache's slot log says; it is made, of so many logs with even shares, when there is
// nothing, and gets one log more when the asker is the first agent of the one behind the last.
// Errors: kFailedPrecondition: the cache has another number of logs; kDataLoss; those of Log.
absl::StatusOr<SlotEntry> AgreeOnSlots(const SlotLog& log, const ShardClaim& claim,
                                       const CallOptions& call);

}  // namespace cairn::adapter::redis
