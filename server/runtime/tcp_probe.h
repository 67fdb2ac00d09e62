// ProbeTcp: is there a process that listens at an address?
//
// Tells a dead process (its kernel answers, and refuses) from a host or network that does
// not answer at all: the difference between "the leader's process is gone" and "I cannot
// reach the leader" (design section 7). Blocks up to `timeout_ms` (and for the resolver, if
// the host is a name), so it is never called on a worker.
#pragma once

#include <cstdint>
#include <string>

namespace cairn::server {

enum class ProbeResult : uint8_t {
  kListening,
  kRefused,      // The host answers, and nobody listens.
  kUnreachable,  // No answer in time, no route, or an address that does not resolve.
};

// `address` is "host:port".
ProbeResult ProbeTcp(const std::string& address, int timeout_ms);

}  // namespace cairn::server
