// SessionHost: what a session needs of its io thread. A port, so that sessions can be tested
// without sockets of an engine or a cluster.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapter/redis/command_table.h"
#include "adapter/redis/discovery/cluster_map.h"
#include "adapter/redis/front/backend_pool.h"
#include "adapter/redis/front/front_counters.h"
#include "adapter/redis/front/reign.h"
#include "adapter/redis/front/session.h"
#include "adapter/redis/key_marks.h"
#include "adapter/role_events.h"
#include "base/clock.h"

namespace cairn::adapter::redis {

struct SessionLimits {
  // Of one client, see session.h. As with Redis's own bound for subscribers.
  size_t max_held_bytes = size_t{256} << 20;
  size_t max_pushed_bytes = size_t{32} << 20;
  RequestParser::Limits requests;
};

class SessionHost {
 public:
  virtual ~SessionHost() = default;

  virtual const CommandTable& commands() const = 0;
  virtual FrontCounters& counters() = 0;
  virtual const SessionLimits& limits() const = 0;
  // As whom the agent itself uses the engine.
  virtual const std::string& own_user() const = 0;
  virtual BackendPool& pool() = 0;
  virtual SharedKeyMarks& marks() = 0;
  virtual Durability default_durability() const = 0;

  virtual MonoMicros now_us() const = 0;
  // When what is held from now on has been held for too long.
  virtual MonoMicros hold_deadline_us() const = 0;
  virtual StreamOffset committed() const = 0;

  virtual FrontMode mode() const = 0;
  // Whether a reply may leave at this very moment: asked after it is in hand.
  virtual bool MayAnswer() const = 0;
  // Why a write must not go to the engine now, as an error reply; nullopt: it may.
  virtual std::optional<std::string> RefuseWrite(Durability durability) = 0;

  // Keys of blocking commands, whose effect comes at a moment that nobody knows.
  virtual std::unique_ptr<KeyBlock> BlockKeys(std::vector<KeyHash> keys) = 0;
  // When everything that the engine has done by now is committed.
  virtual void UnblockLater(std::unique_ptr<KeyBlock> block) = 0;
  virtual bool AreBlocked(std::span<const KeyHash> keys) const = 0;

  // A batch whose offset covers all that the engine has done by now. Asked for on a shared backend,
  // of this identity if there is one.
  virtual BatchId AskOffset(const Identity& identity) = 0;

  // The session's output is flushed, and its gate filed anew, at the end of this turn.
  virtual void Touch(Session* session) = 0;
  // OnKnown, when the batch's offset is.
  virtual void AwaitBatch(BatchId batch, Session* session) = 0;
  // OnKnownThrough, when all batches up to it are known.
  virtual void AwaitThrough(BatchId through, Session* session) = 0;
  // Resume at the next turn, or when the mode changes.
  virtual void ResumeLater(Session* session) = 0;
  virtual void AwaitMode(Session* session) = 0;
  // Resume when something has been committed, and some times a second.
  virtual void AwaitCommit(Session* session) = 0;
  virtual void OnFinished(Session* session) = 0;

  // Where a call goes; `read_only`: the client takes what a replica has.
  virtual SlotRoute Route(std::span<const std::string_view> argv, const CommandPlan& plan,
                          bool read_only) const = 0;
  // Of what was queued before.
  virtual SlotRoute RouteAgain(SlotTouch touch) const = 0;
  // Until when a call may wait that comes now, and whose slots are on their way.
  virtual MonoMicros route_deadline_us() const = 0;
  // The engine's reply to INFO, as the agent words it.
  virtual std::string WordInfo(std::string reply, RespVersion version) = 0;
  // Answers a command of CommandClass::kAgent for the request in hand (agent_commands.cc).
  virtual void AnswerAgentCommand(Session& session, AgentCommand command,
                                  std::span<const std::string_view> argv) = 0;
};

}  // namespace cairn::adapter::redis
