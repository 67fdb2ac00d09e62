// InfoView: what INFO's text says when it is the agent that answers.
//
// The engine tells of its one replica (the agent), or of the primary that the agent plays, and of
// the agent's connections. Clients and monitoring want to know of the cache: who is its primary,
// which replicas there are, how many clients. These lines are replaced; all others, and their
// order, are the engine's.
//
// Threads: none; pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/redis/resp_encoder.h"
#include "adapter/role_events.h"

namespace cairn::adapter::redis {

struct InfoView {
  bool replica = false;
  std::string primary;              // "host:port"; empty: none is known.
  std::vector<std::string> others;  // Of a primary: the other agents' addresses.
  StreamOffset committed;
  size_t clients = 0;
  size_t max_clients = 0;
  std::string own_address;
  bool cluster = false;  // To clients that look there whether they have found a cluster.
};

// The host and the port of "host:port", both empty if it is none.
std::pair<std::string, std::string> SplitAddress(std::string_view address);

// `text` has lines of "name:value", in sections that begin with "# Name".
std::string RewriteInfo(std::string_view text, const InfoView& view);

// The same for a whole reply: a bulk or verbatim string; anything else stays as it is.
std::string RewriteInfoReply(std::string reply, RespVersion version, const InfoView& view);

}  // namespace cairn::adapter::redis
