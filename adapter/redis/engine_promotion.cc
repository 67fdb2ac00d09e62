#include "adapter/redis/engine_promotion.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/engine_facts.h"

namespace cairn::adapter::redis {
namespace {

// What the engine says after REPLICAOF NO ONE, against what it was fed.
absl::StatusOr<PromotedEvent> JudgePromotion(const EngineFacts& facts, const StreamPlace& fed,
                                             StreamOffset expected) {
  if (!facts.primary || facts.former_replid != fed.history) {
    return absl::InternalError(
        fmt::format("the engine was told to lead, and says that it {}, before that {}",
                    facts.primary ? "leads" : "follows", facts.former_replid));
  }
  PromotedEvent promoted;
  promoted.place = StreamPlace{facts.replid, facts.former_end};
  const bool only_keepalives = facts.former_end >= expected && facts.former_end <= fed.offset;
  promoted.fed_offset = only_keepalives ? expected : facts.former_end;
  return promoted;
}

}  // namespace

asio::awaitable<absl::Status> FollowSink(EngineLink* link, const ReplSink* sink, Millis timeout) {
  std::vector<std::string> argv = Argv("REPLICAOF", "127.0.0.1", std::to_string(sink->port()));
  const absl::StatusOr<RespValue> reply = co_await link->CallOk(std::move(argv), timeout);
  co_return reply.status();
}

asio::awaitable<absl::StatusOr<PromotedEvent>> PromoteEngine(EngineLink* link, ReplSink* sink,
                                                             StreamOffset expected,
                                                             Millis timeout) {
  const absl::StatusOr<StreamPlace> fed = co_await sink->Freeze(expected, timeout);
  if (!fed.ok()) co_return fed.status();
  std::vector<std::string> argv = Argv("REPLICAOF", "NO", "ONE");
  const absl::StatusOr<RespValue> reply = co_await link->CallOk(std::move(argv), timeout);
  absl::StatusOr<EngineFacts> facts = absl::InternalError(reply.status().message());
  if (reply.ok()) facts = co_await ObserveEngine(link, timeout);
  // Whatever came of it: nothing is fed on top.
  sink->Reset();
  if (!facts.ok()) co_return absl::InternalError(facts.status().message());
  co_return JudgePromotion(*facts, *fed, expected);
}

}  // namespace cairn::adapter::redis
