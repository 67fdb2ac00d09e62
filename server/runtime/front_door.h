// FrontDoor: the one listening address of a node. Looks at the first bytes of each connection:
// those of peers go one way, all others to gRPC.
//
//   accept -> (first bytes) -> kPeerMagic: `on_peer` | anything else: `on_client`
//
// A connection that says nothing for kSilenceMs goes to gRPC, which knows how to be rid of it; one
// that goes away again is closed.
//
// Bound: kMaxWaiting connections may be silent; the oldest goes to gRPC when there are more.
// Threads: one of its own, on which the two functions are called; they must not block.
// Lifetime: Stop() before what the functions use goes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "base/accept_pause.h"
#include "base/clock.h"
#include "server/runtime/sockets.h"

namespace cairn::server {

class FrontDoor {
 public:
  // `listener` is the socket on which the connection came.
  using Hand = std::function<void(Fd connection, int listener)>;

  // Binds "host:port" and listens; nobody is served before Open.
  // Errors: those of ListenTcp.
  static absl::StatusOr<std::unique_ptr<FrontDoor>> Listen(const std::string& address);
  ~FrontDoor();
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  void Open(Hand on_peer, Hand on_client);
  // No connection is accepted or handed on any more.
  void Stop();

  [[nodiscard]] int port() const { return listening_.port; }

 private:
  // Accepted, and has not said anything yet.
  struct Waiting {
    Fd socket;
    int listener;
    MonoMicros since;
  };

  FrontDoor(Listening listening, const std::string& address)
      : listening_(std::move(listening)), pause_(address) {}

  void Run();
  // Polls once; returns whether to go on.
  bool Turn();
  void Accept(int listener);
  // Hands `waiting` on, or closes it, if it has said something. False: it has not.
  bool Sort(Waiting& waiting);

  Listening listening_;
  WakeFd wake_;
  Hand on_peer_;
  Hand on_client_;
  // ---- The own thread only ----------------------------------------------------------------
  std::deque<Waiting> waiting_;  // Oldest first.
  AcceptPause pause_;
  MonoMicros accept_again_at_ = 0;

  std::thread thread_;
};

}  // namespace cairn::server
