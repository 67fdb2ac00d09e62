// HolderNames: under which names this agent holds leases, and whose a name of the log is.
//
//   <agent>/<incarnation>@<address>             an incarnation: how an heir is named
//   <agent>/<incarnation>/<attempt>@<address>   one attempt to get a lease
//
// `agent` is random and belongs to the data directory; `incarnation` is random and belongs to one
// life of the process; the address is where clients reach it, which is how everybody knows where
// the primary is. A name is never used for a second attempt: an acquisition whose answer was lost
// is resolved by its name, and could otherwise be taken for an earlier one.
//
// An earlier incarnation of this agent is certainly dead, since the data directory is locked by
// the living one.
//
// Threads: any; constant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapter/role_events.h"

namespace cairn::adapter {

class HolderNames {
 public:
  // Requires: no '/' or '@' in agent and incarnation.
  HolderNames(const std::string& agent, const std::string& incarnation, const std::string& address);

  [[nodiscard]] std::string incarnation() const;
  [[nodiscard]] std::string ForAttempt(uint64_t attempt) const;
  // Of a holder that the log names; kNobody for an empty one.
  [[nodiscard]] LeaseOwner OwnerOf(std::string_view holder) const;

  // "host:port"; empty when the name is none of an agent.
  static std::string_view AddressOf(std::string_view holder);

 private:
  const std::string agent_;        // With the '/' behind it.
  const std::string incarnation_;  // As above, without anything behind it.
  const std::string address_;      // With the '@' before it.
};

}  // namespace cairn::adapter
