// RunFetcher: the receiving side of a run (decision 028; run_sender.h says what travels). Opens a
// connection of its own to the leader's peer port, as a PeerLink does, checks every entry
// (server/run_check.h) and puts it into a run of the store's, on the disk.
//
// Runs are fetched one after another: two at a time would only share the disk, and each run that is
// done lets its replica go on. While the store takes one, and its group asks for the next, that is
// fetched ahead, if the offer says where it ends and nobody else waits. It is handed over once it
// is asked for, word for word; otherwise it is dropped.
//
//   thread:  fetch 1 ─► OnFetched ─► fetch 2, ahead ───► asked for: OnFetched ─► fetch 3, ahead ─►
//   group:              take 1 ─► acknowledge ─► offer ─► Submit 2 │  take 2 ─► …
//
// Threads: Submit from any; one of its own, which blocks and calls the sinks with no lock held,
//   and for each run that nobody waits for one more, of a lower priority.
// Bound: the queue has one entry per log at most, which its submitters see to; one run that was
//   fetched ahead, on the disk, for 15 s.
// Errors: each request is answered once; of any trouble the run is given up, and the leader sends
//   its entries otherwise.
// Lifetime: store and TLS outlive it; Stop() before destruction.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/socket_stream.h"
#include "cairn/v1/peer.pb.h"
#include "server/group_events.h"
#include "server/run_ahead.h"
#include "server/runtime/node_tls.h"
#include "server/runtime/worker.h"
#include "storage/log_store.h"

namespace cairn::server {

class RunFetcher {
 public:
  struct Options {
    cairn::v1::PeerHello hello;  // `to_node_id` is filled in for each peer.
    NodeTls* tls = nullptr;      // Null: in clear.
    // Where a member takes calls; empty: unknown.
    std::function<std::string(NodeId)> address_of;
    // Runs that nobody waits for are fetched at a lower priority.
    bool gives_way = true;
  };
  RunFetcher(Options options, storage::LogStore* store);
  ~RunFetcher();
  RunFetcher(const RunFetcher&) = delete;
  RunFetcher& operator=(const RunFetcher&) = delete;

  void Submit(RunRequest request, FetchSink* sink);
  // Gives up what is under way and joins. What waits is not answered any more.
  void Stop();

 private:
  struct Pending {
    RunRequest request;
    FetchSink* sink = nullptr;
  };

  void Run();
  [[nodiscard]] bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nullopt: it has to stop.
  std::optional<Pending> AwaitNext();
  // Whether somebody waits for a run, or for the end.
  bool IsWanted();
  // `behind`: a run that it continues and that is not taken yet; null: the log.
  Fetched Fetch(const RunRequest& request, const storage::EntryRun* behind);
  absl::Status FetchInto(const RunRequest& request, const storage::EntryRun* behind,
                         Fetched& fetched);
  absl::Status Open(const RunRequest& request);
  absl::Status Greet(const RunRequest& request);
  // Makes `stream` the one that Stop ends; false: it has come already.
  bool Use(SocketStream stream);

  const Options options_;
  storage::LogStore* const store_;
  SocketStream stream_;  // The thread's own, but for Shut.
  RunAhead ahead_;       // The thread's own.
  absl::Mutex mutex_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace cairn::server
