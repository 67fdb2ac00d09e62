// RunAhead: a run that was fetched before anybody asked for it (decision 032).
//
//   group:    asks for run 1, whose offer says where run 2 will end
//   fetcher:  fetches 1 ─► hands it over ─► fetches 2 ─► Keep
//   group:    the store takes 1, the leader offers 2 ─► asks for it ─► Take
//
// A guess that binds nobody: what is kept is handed over only to who asks for just that, behind a
// log that ends where it begins; whatever else its group asks for, it is dropped.
//
// Threads: its owner's. Bound: one run, on the disk.
#pragma once

#include <optional>

#include "server/group_events.h"
#include "storage/log_store.h"

namespace cairn::server {

class RunAhead {
 public:
  // What to ask for behind `request`, of which `fetched` came; nullopt: that is not known.
  static std::optional<RunRequest> Behind(const RunRequest& request, const Fetched& fetched);

  // Of what was fetched for `request`, which is one of Behind's.
  void Keep(const RunRequest& request, Fetched fetched);
  void Drop() { kept_.reset(); }
  // What was kept, if it is this and the log in `store` ends where it begins; else without a run.
  Fetched Take(const RunRequest& request, const storage::LogStore& store);

 private:
  struct Kept {
    RunRequest request;
    Fetched fetched;
  };
  std::optional<Kept> kept_;
};

}  // namespace cairn::server
