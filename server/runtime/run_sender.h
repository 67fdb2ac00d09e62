// RunSender: the sending side of a run (decision 028): entries of a log, as they stand in the
// store, down one connection that a peer has opened for it.
//
//   receiver: hello with a RunFetch (peer.proto)     sender: answer, then for each entry
//                                                    frame(row of the store, storage/rocks_rows.h),
//                                                    then an empty frame
//
// A connection that ends before the empty frame carried no run. What is sent takes of the node's
// allowance for filling (`fill-bytes-per-second`), but for the bytes that the offer had free.
//
// Threads: that of the connection, which blocks; with an allowance it gives way to others, unless
// somebody waits for the run. Bound: one piece of a run in memory for each.
// Lifetime: all that it is given outlives it.
#pragma once

#include "base/rate_meter.h"
#include "base/socket_stream.h"
#include "cairn/v1/peer.pb.h"
#include "server/runtime/metrics.h"
#include "storage/log_store.h"

namespace cairn::server {

class RunSender {
 public:
  RunSender(const storage::LogStore* store, RateMeter* filling, Metrics* metrics)
      : store_(store), filling_(filling), metrics_(metrics) {}

  // Until all is sent, or something is in the way; then the caller closes the connection.
  void Serve(const cairn::v1::RunFetch& wanted, SocketStream& stream) const;

 private:
  const storage::LogStore* const store_;
  RateMeter* const filling_;
  Metrics* const metrics_;
};

}  // namespace cairn::server
