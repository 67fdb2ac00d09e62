// The refusals of the log state machine, worded in one place. Each message names the log's
// id, what was expected and what is the case; the typed details repeat it for machines.
// Which gRPC code goes with a reason is decided in server/rpc/convert.cc alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "cairn/v1/error.pb.h"
#include "server/group_events.h"

namespace cairn::server {

Rejection ConditionFailed(GroupId log, Seq expected, Seq last_seq);
Rejection SeqInFuture(GroupId log, Seq asked, Seq last_seq);
Rejection LeaseHeld(GroupId log, const cairn::v1::LeaseState& lease);
Rejection LeaseLost(GroupId log, Epoch expected, const cairn::v1::LeaseState& lease);
Rejection FenceRequired(GroupId log);
Rejection ProducerExpired(GroupId log, uint64_t producer_id);
Rejection DuplicateGap(GroupId log, uint64_t producer_id, uint64_t sequence, uint64_t expected);
Rejection TrimGuarded(GroupId log, const std::string& guard, Seq asked, Seq limit);
// What the archive does not have yet may not go.
Rejection TrimGuardedByArchive(GroupId log, Seq asked, Seq limit);
// `what`: plural noun of what fills the table.
Rejection TableFull(GroupId log, std::string_view what, uint64_t limit);
Rejection TooLarge(GroupId log, std::string_view what, uint64_t limit, uint64_t actual);
Rejection Invalid(GroupId log, const std::string& what);
Rejection ChainMismatch(GroupId log, Seq seq, uint64_t chain, uint64_t expected);

}  // namespace cairn::server
