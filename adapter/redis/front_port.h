// FrontPort: what the agent tells the part that talks to clients, and what that part is asked for.
//
//   redis_agent (engine thread) ──FrontPort──► front (io threads) ──► clients
//                               ◄─FrontHost───
//
// The front answers as a primary only while both hold: the mode says so, and LeaseGuard::IsSafe()
// was true *after* the reply was in hand. So the mode may reach its io threads a little late: from
// the moment a lease is on its way out, the guard says no.
//
// Offsets belong to one history of one engine. A mode that answers as a primary brings them along
// (FrontReign); what was held under another reign is cut.
//
// Threads: all of FrontPort is called on the engine thread and returns at once; LeaseGuard and
// FrontHost may be called from any thread. Lifetime: the agent outlives the front's threads, which
// end in Stop(); guards are shared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapter/engine_socket.h"
#include "adapter/lease_guard.h"
#include "adapter/redis/agent_status.h"
#include "adapter/redis/discovery/cache_view.h"
#include "adapter/redis/engine_setup.h"
#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

// An engine that answers. A connection to it counts only if it says the same run id.
struct FrontEngine {
  EngineAddress address;
  std::string run_id;
  std::string version;  // "7.0.15".
  std::shared_ptr<const EngineSetup> setup;
};

// Under which lease, and from where on, clients are answered. Only for kPrimary and kPausing.
struct FrontReign {
  Epoch epoch;
  std::shared_ptr<const LeaseGuard> lease;
  // Everything through there is committed, by the log through `seq`.
  StreamPlace committed;
  Seq seq;
};

// Asked by the front on behalf of operators; any thread.
class FrontHost {
 public:
  virtual ~FrontHost() = default;
  // Hands the lease to the agent with this name or address; how it ends is told in the log. Empty:
  // to whoever comes first.
  virtual void RequestHandOver(std::string heir) = 0;
  [[nodiscard]] virtual RedisStatus Status() const = 0;
};

class FrontPort {
 public:
  virtual ~FrontPort() = default;

  // Comes before any mode that sends something to the engine, and again after each EngineDown.
  virtual void EngineUp(FrontEngine engine) = 0;
  // Whoever waits for the engine is cut: what came of it is unknown.
  virtual void EngineDown() = 0;

  // kReplica, kHolding and kClosed come with an empty reign.
  virtual void SetMode(FrontMode mode, FrontReign reign) = 0;

  // The log holds all effects through `offset` of the reign's history; `seq` covers it.
  virtual void Committed(StreamOffset offset, Seq seq) = 0;

  // In kPausing: calls `done` once, from any thread, when no write is under way: none that was sent
  // to the engine is unanswered, and none that was answered is held. Forgotten when another mode
  // comes first.
  virtual void Drain(std::function<void()> done) = 0;

  // Behind a view that holds these slots back, or says that they are not this log's: calls `done`
  // once, from any thread, when no call that may touch them is with the engine. What blocks on
  // their keys is ended, and its client sent to the primary of the log `target`. Forgotten when
  // another mode, another such call, or a view in which they are served here comes first.
  virtual void DrainSlots(SlotRanges slots, std::string target, std::function<void()> done) = 0;

  virtual void SetView(CacheView view) = 0;
  // Any thread.
  [[nodiscard]] virtual FrontStats Stats() const { return {}; }
  // While the log does not answer, writes may be refused before they reach the engine.
  virtual void SetLogReachable(bool reachable) = 0;

  // Cuts all clients, and ends the front's threads. The last call.
  virtual void Stop() = 0;
};

}  // namespace cairn::adapter::redis
