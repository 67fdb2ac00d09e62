// OtherLogs: who serves the other logs of a cache of several, so that an agent can send clients
// there.
//
// It asks each log and its presence log for their leases, every `interval`. What it tells may be
// late by that much: an agent that a client was sent to in vain sends it on. What does not answer
// stays as it was known.
//
// Threads: the engine thread; calls that block run in the Background. Lifetime: Stop() before it is
// destroyed. Bounds: two calls for each other log in each round, one after another.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "adapter/agent_presence.h"
#include "adapter/background.h"
#include "adapter/rounds.h"
#include "base/ids.h"
#include "cairn/client.h"

namespace cairn::adapter {

struct OtherLog {
  std::string name;
  std::string holder;   // Of the primary's lease, or of the last one; empty: none is known.
  std::string primary;  // Its address, "host:port".
  Epoch epoch;
  std::vector<PresentAgent> agents;  // Sorted by address.

  bool operator==(const OtherLog&) const = default;
};

class OtherLogs {
 public:
  struct Options {
    std::vector<std::string> names;
    std::string lease_name = "primary";
    absl::Duration interval = absl::Milliseconds(500);
  };
  // In the order of `names`; told at the start, and when it changes.
  using Tell = std::function<void(const std::vector<OtherLog>&)>;

  OtherLogs(asio::any_io_executor executor, Background* background, Client* client, Options options,
            Tell tell);
  OtherLogs(const OtherLogs&) = delete;
  OtherLogs& operator=(const OtherLogs&) = delete;

  void Start();
  // Others from now on; what is known of some stays.
  void Watch(const std::vector<std::string>& names);
  asio::awaitable<void> Stop() { return rounds_.Stop(); }

 private:
  static std::vector<OtherLog> Look(Client* client, const Options& options,
                                    std::vector<OtherLog> known);
  asio::awaitable<void> LookOnce();

  Background* const background_;
  Client* const client_;
  const Options options_;
  const Tell tell_;
  std::vector<OtherLog> logs_;
  uint64_t generation_ = 0;  // Of their names.
  Rounds rounds_;
};

}  // namespace cairn::adapter
