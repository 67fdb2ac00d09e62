// Making an engine follow the agent's sink, and making it lead.
//
// Promotion, REPLICAOF NO ONE, discards what the engine has not read of its stream yet. So it is
// ordered only when the engine has acknowledged the last record, and then the engine itself says
// up to where it took the stream over (second_repl_offset): that must be the end of that record,
// or lie in the keepalives behind it.
//
// Threads: the engine thread (engine_socket.h).
#pragma once

#include <asio/awaitable.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/repl_sink.h"
#include "adapter/role_events.h"

namespace cairn::adapter::redis {

// The engine turns to the sink; what it gets there is the sink's owner to decide. An engine that
// follows this sink already changes nothing.
asio::awaitable<absl::Status> FollowSink(EngineLink* link, const ReplSink* sink, Millis timeout);

// `expected`: the end of the last record that was pushed. On success the sink's stream is over.
// Errors: kFailedPrecondition and kDeadlineExceeded before anything was ordered, when the engine
// still follows; any other: it is not known what the engine did.
asio::awaitable<absl::StatusOr<PromotedEvent>> PromoteEngine(EngineLink* link, ReplSink* sink,
                                                             StreamOffset expected, Millis timeout);

}  // namespace cairn::adapter::redis
