// Sockets: the TCP that a node does itself: its listening socket and the streams to its peers.
// What speaks gRPC is handed to gRPC (server/runtime/front_door.h).
//
// Threads: none; free functions. Those that block say for how long.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/fd.h"

namespace cairn::server {

// Wakes a thread that polls; signals add up to one wake-up.
class WakeFd {
 public:
  WakeFd();
  [[nodiscard]] int get() const { return fd_.get(); }
  void Signal();
  // Makes it unreadable until the next Signal.
  void Clear();

 private:
  Fd fd_;
};

struct Listening {
  std::vector<Fd> sockets;  // One per address of the name; not blocking.
  int port = 0;             // Picked by the kernel when the address says 0.
};
// Listens on every address that "host:port" stands for. Blocks for the resolver.
// Errors: kUnavailable, saying which step failed and why. An address of several that the host
// does not have is passed over; one that is in use is not.
absl::StatusOr<Listening> ListenTcp(const std::string& address);

struct Connecting {
  Fd socket;  // Not blocking. Unset: there is no connection.
  // Every address of the host refused: it runs, and nobody listens. The difference between
  // "the process is gone" and "it cannot be reached" (design section 7).
  bool refused = false;
};
// Blocks up to `timeout_ms` for each address, and for the resolver if the host is a name.
Connecting ConnectTcp(const std::string& address, int timeout_ms);

// For a stream between nodes: no delay, and a connection that a partition cut is noticed within
// seconds. Otherwise TCP's own retransmissions would sleep for a minute after it has healed.
void TunePeerSocket(int socket);

}  // namespace cairn::server
