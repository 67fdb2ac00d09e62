#include "adapter/redis/resharding/slot_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "adapter/redis/resharding/move_rules.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter::redis {
namespace {

// Records of others may come between a read and what is made of it.
constexpr int kTries = 20;

bool NamesLog(const SlotState& state, const std::string& log) {
  return std::find(state.logs.begin(), state.logs.end(), log) != state.logs.end();
}

// The asker's log is the one behind the last.
bool Joins(const SlotState& state, const ShardClaim& claim) {
  return claim.logs == state.logs.size() + 1 && claim.log == ShardLog(claim.cache, claim.logs);
}

absl::Status OtherCount(const SlotState& state, const ShardClaim& claim) {
  return absl::FailedPreconditionError(ToAbsl(fmt::format(
      "the cache {} has {} logs, not {}: start agents of a log that is new as --shard {}/{}, all "
      "others with the count that they had",
      claim.cache, state.logs.size(), claim.logs, state.logs.size() + 1, state.logs.size() + 1)));
}

}  // namespace

std::string SlotLogName(std::string_view cache) { return fmt::format("{}.slots", cache); }

absl::StatusOr<SlotLog> SlotLog::Open(Client* client, std::string_view cache, bool create,
                                      const CallOptions& call) {
  OpenLogOptions open;
  open.call = call;
  open.create_if_missing = create;
  absl::StatusOr<Log> log = client->OpenLog(SlotLogName(cache), open);
  if (log.ok()) return SlotLog(*std::move(log));
  if (GetReason(log.status()) != Reason::kLogNotFound) return log.status();
  return absl::NotFoundError(ToAbsl(fmt::format(
      "there is no cache {} of several logs (no log {}): only slots of those can be moved", cache,
      SlotLogName(cache))));
}

absl::StatusOr<std::optional<SlotEntry>> SlotLog::Read(const CallOptions& call) const {
  ReadOptions read;
  read.call = call;
  read.linearizable = true;
  Log log = log_;
  ASSIGN_OR_RETURN(const std::vector<RecordBatch> batches, log.ReadAll(read));
  const Record* last = nullptr;
  for (const RecordBatch& batch : batches) {
    for (const Record& record : batch.records) last = &record;
  }
  if (last == nullptr) return std::nullopt;
  ASSIGN_OR_RETURN(SlotState state, ReadSlotState(last->payload));
  return SlotEntry{last->seq, std::move(state)};
}

absl::StatusOr<SlotEntry> SlotLog::Append(Seq base, const SlotState& next,
                                          const CallOptions& call) const {
  AppendOptions behind;
  behind.call = call;
  behind.if_last_seq = base;
  Log log = log_;
  const auto appended = log.Append(EncodeSlotState(next), behind);
  if (appended.ok()) return SlotEntry{base + 1, next};
  if (GetReason(appended.status()) != Reason::kConditionFailed) return appended.status();
  return absl::AbortedError("the slot log has moved on");
}

absl::StatusOr<SlotEntry> AgreeOnSlots(const SlotLog& log, const ShardClaim& claim,
                                       const CallOptions& call) {
  for (int i = 0; i < kTries; ++i) {
    ASSIGN_OR_RETURN(const std::optional<SlotEntry> found, log.Read(call));
    SlotState next = FirstSlots(claim.cache, claim.logs);
    if (found) {
      const SlotState& state = found->state;
      const bool counted = claim.logs >= state.made && claim.logs <= state.logs.size();
      if (counted && NamesLog(state, claim.log)) return *found;
      if (!Joins(state, claim)) return OtherCount(state, claim);
      ASSIGN_OR_RETURN(next, AddLog(state, claim.log));
    }
    const auto appended = log.Append(found ? found->seq : Seq(), next, call);
    if (!appended.ok() && !absl::IsAborted(appended.status())) return appended.status();
  }
  return absl::AbortedError("the slot log moves on all the time");
}

}  // namespace cairn::adapter::redis
