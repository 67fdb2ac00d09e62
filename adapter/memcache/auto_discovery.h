// Auto-discovery, in the form that clients of ElastiCache parse: where a cache's nodes are.
//
//   config get cluster            → CONFIG cluster 0 <bytes>
//   get AmazonElastiCache:cluster → VALUE AmazonElastiCache:cluster 0 <bytes>   (older clients)
//
// The value is a version, which grows with each change, and a line of nodes "name|address|port".
// Each log of a cache is one node: the door of whoever is its primary, or knows the way to it.
//
// Threads: none; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

// Whether a request that could also be for an item asks for the nodes.
bool AsksForDoors(const Request& request);

// `doors`: "host:port" each. For what is no configuration that we have: END.
std::string DoorsReply(const Request& request, const std::vector<std::string>& doors,
                       uint64_t version);

}  // namespace cairn::adapter::memcache
