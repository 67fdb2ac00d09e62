// PeerReceiver: the receiving side of the streams between nodes (server/runtime/peer_frames.h). It
// moves messages to the node and judges nothing.
//
// Back-pressure: a connection is read only while its thread has nothing to hand on; Node::Receive
//   never blocks, and what a full mailbox cannot take is dropped there: the sender's core repeats
//   it. All frames that have arrived together are one Receive.
// Bounds: kMaxConnections; a hello of at most kMaxHelloBytes within kHelloTimeoutMs.
// Threads: one per connection, which works on what it has received (Worker::RunHere). Take and
//   Stop from any thread.
// Lifetime: `node` outlives the receiver; Stop() waits for its threads.
#pragma once

#include <list>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/runtime/node.h"
#include "server/runtime/sockets.h"

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
    Fd socket;
    std::thread thread;
    bool done = false;  // Guarded by mutex_: its thread has nothing more to do than to end.
  };

  void Serve(Connection* connection);
  // Reads the hello and answers it. False: the connection is of no use.
  bool Greet(int socket);
  void Carry(int socket);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Node* const node_;
  absl::Mutex mutex_;
  std::list<std::unique_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::server
