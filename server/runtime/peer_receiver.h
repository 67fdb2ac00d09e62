// PeerReceiver: the receiving side of the streams between nodes (server/runtime/peer_frames.h). It
// moves messages to the node and judges nothing, but whether it is a member that speaks: with TLS a
// connection shows the certificate of the member that its hello names, or ends (decision 020).
//
// Back-pressure: a connection is read only while its thread has nothing to hand on; Node::Receive
//   never blocks, and what a full mailbox cannot take is dropped there: the sender's core repeats
//   it. All frames that have arrived together are one Receive.
// A connection whose greeting fetches a run is there for that alone (run_sender.h).
//
// Bounds: kMaxConnections; handshake and a hello of at most kMaxHelloBytes, together within
//   kHelloTimeoutUs.
// Threads: one per connection, which works on what it has received (Worker::RunHere). Take and
//   Stop from any thread.
// Lifetime: `node` outlives the receiver; Stop() waits for its threads.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/socket_stream.h"
#include "server/runtime/node.h"

namespace cairn::server {

class PeerReceiver {
 public:
  explicit PeerReceiver(Node* node) : node_(node) {}
  ~PeerReceiver();
  PeerReceiver(const PeerReceiver&) = delete;
  PeerReceiver& operator=(const PeerReceiver&) = delete;

  // A connection on which the magic of peers is the next thing to read.
  void Take(Fd socket);
  // Ends all connections, and closes those that are taken later.
  void Stop();

 private:
  struct Connection {
    SocketStream stream;
    std::thread thread;
    bool done = false;  // Guarded by mutex_: its thread has nothing more to do than to end.
  };

  void Serve(Connection* connection);
  // Reads the hello and answers it. False: the connection is of no use.
  bool Greet(SocketStream& stream, cairn::v1::ExchangeRequest& greeting);
  [[nodiscard]] cairn::v1::ExchangeResponse Judge(const SocketStream& stream,
                                                  const cairn::v1::PeerHello& hello) const;
  // Until the connection ends, or its peer is no member any more.
  void Carry(NodeId peer, SocketStream& stream);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Node* const node_;
  absl::Mutex mutex_;
  std::list<std::unique_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::server
