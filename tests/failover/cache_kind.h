// CacheKind: what differs between a cache of Redis and one of memcached, for a drill that harms
// either in the same ways.
//
//   redis      writers look for the primary; replicas answer reads from their own engine
//   memcached  writers ask any agent, which asks the primary; so do reads
//
// Threads: all methods from any. Lifetime: static.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tests/failover/cache_connection.h"

namespace cairn::failover {

// What an agent says of itself.
struct AgentView {
  std::string role;  // "primary", "replica", or another word.
  uint64_t epoch = 0;
};

// Where an agent is.
struct AgentPlace {
  std::string host;
  int port = 0;
  int pages_port = 0;  // Of its HTTP pages, if it has any.
  std::string directory;

  [[nodiscard]] std::string engine_socket() const { return directory + "/engine/engine.sock"; }
};

class CacheKind {
 public:
  virtual ~CacheKind() = default;
  // "redis" or "memcached"; nullptr: there is no such kind.
  static const CacheKind* Find(std::string_view name);

  // As the agent's command has it.
  [[nodiscard]] virtual std::string name() const = 0;
  // Whether a client may be told so little: an error that leaves it open what was done.
  [[nodiscard]] virtual bool MayNotKnow(const CacheAnswer& answer) const = 0;
  // What an agent there is started with, besides what all are.
  [[nodiscard]] virtual std::vector<std::string> AgentFlags(const AgentPlace& place) const = 0;
  // Nullptr: nobody answers there in time.
  [[nodiscard]] virtual std::unique_ptr<CacheConnection> Connect(const AgentPlace& place,
                                                                 absl::Duration patience) const = 0;
  // The same, if the agent may be written to. One that ceases to be ends the connection, or says so
  // in its answers.
  [[nodiscard]] virtual std::unique_ptr<CacheConnection> ConnectWriter(
      const AgentPlace& place, absl::Duration patience) const = 0;
  // One that shows what the agent's own engine holds.
  [[nodiscard]] virtual std::unique_ptr<CacheConnection> ConnectReplica(
      const AgentPlace& place, absl::Duration patience) const = 0;
  [[nodiscard]] virtual std::optional<AgentView> View(const AgentPlace& place,
                                                      absl::Duration patience) const = 0;
  // The engine's process; -1: it does not answer.
  [[nodiscard]] virtual pid_t EnginePid(const AgentPlace& place, absl::Duration patience) const = 0;
  // Whether an agent has a command by which it gives its lease to another; and that command.
  [[nodiscard]] virtual bool hands_over() const = 0;
  virtual void HandOver(const AgentPlace& place, absl::Duration patience) const = 0;
};

}  // namespace cairn::failover
