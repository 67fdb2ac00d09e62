// AgentPresence: which agents of a cache there are, and under which names they can be heirs.
//
// Each agent holds a lease in a log of its own (`<log>.agents`), which keeps the coming and going
// out of the cache's log. The lease is named by the address where clients reach the agent, so that
// two agents with one address are noticed; its holder is the agent's incarnation (holder_names.h).
// Who stops in order releases it; who is killed is forgotten after half
// of the TTL. What is told is for
// discovery and hand-overs only: no safety hangs on it. An agent that plays Sentinel on a port of
// its own adds that address to the lease's name, behind a blank.
//
// Threads: the engine thread; calls that block run in the Background. Lifetime: Stop() before it
// is destroyed.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "adapter/background.h"
#include "adapter/denial_note.h"
#include "adapter/rounds.h"
#include "cairn/client.h"
#include "cairn/lease_keeper.h"
#include "cairn/log.h"

namespace cairn::adapter {

struct PresentAgent {
  std::string address;   // "host:port"
  std::string sentinel;  // The same; empty: it has no port of its own for that.
  std::string holder;    // Its incarnation, as an heir is named.
  bool operator==(const PresentAgent&) const = default;
};

class AgentPresence {
 public:
  struct Options {
    std::string log_name;  // Of the cache.
    std::string address;   // This agent's.
    std::string sentinel;  // May be empty.
    std::string holder;
    absl::Duration ttl = absl::Seconds(3);
    absl::Duration interval = absl::Milliseconds(500);
  };
  // Sorted by address; told when it changes.
  using Tell = std::function<void(const std::vector<PresentAgent>&)>;

  AgentPresence(asio::any_io_executor executor, Background* background, Client* client,
                Options options, Tell tell);
  AgentPresence(const AgentPresence&) = delete;
  AgentPresence& operator=(const AgentPresence&) = delete;

  void Start() { rounds_.Start(); }
  // Says good-bye.
  asio::awaitable<void> Stop();

  [[nodiscard]] const std::vector<PresentAgent>& agents() const { return last_.agents; }

  // Who is there, for somebody who is none of them. Blocks. Empty when no agent ever was.
  static absl::StatusOr<std::vector<PresentAgent>> List(Client* client,
                                                        const std::string& log_name);

 private:
  struct Round {
    std::optional<Log> log;  // Nothing: it has to be opened, or made.
    std::shared_ptr<LeaseKeeper> keeper;
    std::vector<PresentAgent> agents;
  };

  // `round` is the last one that went well.
  static absl::StatusOr<Round> Look(Client* client, const Options& options, Round round);
  asio::awaitable<void> LookOnce();

  Background* const background_;
  Client* const client_;
  const Options options_;
  const Tell tell_;
  Round last_;
  DenialNote denial_;
  Rounds rounds_;
};

}  // namespace cairn::adapter
