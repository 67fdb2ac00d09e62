// ArchiveAccess: the archive of a node's logs, opened when it is first needed, with what was last
// seen of it: listings of logs, and runs that readers may ask for again.
//
// That the store cannot be opened (a disk that is not mounted) is an error of the call that needed
// it, and is tried again at the next: a node serves without its archive.
//
// Threads: any; calls block on the store, so no worker makes them, but for location, FirstSeqOf and
//   Holds, which never do. The lock of what they look at is a leaf and not held while the store is
//   asked. Of two who want the same run one fetches it, and the other waits for it.
// Bounds: runs by bytes, listings by number; the oldest used goes first.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/runtime/metrics.h"
#include "storage/archive/archive_store.h"
#include "storage/archive/run_path.h"
#include "storage/objects/object_store.h"

namespace cairn::server {

class ArchiveAccess {
 public:
  using Path = std::shared_ptr<const archive::RunPath>;
  using Run = std::shared_ptr<const archive::Run>;

  using Open = std::function<absl::StatusOr<std::unique_ptr<objects::ObjectStore>>()>;

  // `url` as the configuration has it; `metrics` outlives this.
  ArchiveAccess(const std::string& url, uint64_t cache_bytes, Metrics* metrics);
  // The same with any store; `open` is called until it succeeds.
  ArchiveAccess(Open open, uint64_t cache_bytes, Metrics* metrics)
      : open_(std::move(open)), cache_bytes_(cache_bytes), metrics_(metrics) {}

  // Errors: those of objects::OpenObjectStore; CANCELLED after Stop.
  absl::StatusOr<const archive::ArchiveStore*> Store();
  // Without secrets; empty until the store was opened.
  [[nodiscard]] std::string location() const;

  // The runs of a log to `end`, from a listing that reaches at least `need`.
  absl::StatusOr<Path> PathOf(const archive::LogPlace& place, const archive::RunPath::End& end,
                              Seq need);
  // The next PathOf lists anew: what the listing says turned out to be wrong.
  void Forget(const archive::LogPlace& place);
  // Oldest record from which on none is missing, as far as was looked; 0: nobody did.
  [[nodiscard]] Seq FirstSeqOf(const archive::LogPlace& place) const;

  // Errors: those of ArchiveStore::ReadRun.
  absl::StatusOr<Run> Fetch(const archive::StoredRun& run);
  // It is in memory or on its way there.
  [[nodiscard]] bool Holds(const archive::StoredRun& run) const;
  [[nodiscard]] uint64_t cache_bytes() const { return cache_bytes_; }

  // Removes what killed writers left in the store before `older_than_us`, which nobody sees.
  absl::Status RemoveUnfinished(WallMicros older_than_us);

  // Ends all calls under way, and refuses further ones.
  void Stop();

 private:
  struct KeptPath {
    archive::LogPlace place;
    Path path;
  };
  struct KeptRun {
    std::string key;
    Run run;
  };
  // The newest used first.
  using KeptRuns = std::list<KeptRun>;

  Path Find(const archive::LogPlace& place, Seq need) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(const archive::LogPlace& place, Path path) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for whoever is fetching it. Null: the caller is to fetch it, and to say so by Fetched.
  Run FindOrBegin(const std::string& key) ABSL_LOCKS_EXCLUDED(mutex_);
  // `run`: null after an error.
  void Fetched(const std::string& key, Run run) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(const std::string& key, Run run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Open open_;
  const uint64_t cache_bytes_;
  Metrics* const metrics_;

  absl::Mutex open_mutex_;  // Held while the store is being opened; before mutex_.
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<objects::ObjectStore> objects_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<archive::ArchiveStore> store_ ABSL_GUARDED_BY(mutex_);
  std::list<KeptPath> paths_ ABSL_GUARDED_BY(mutex_);
  KeptRuns runs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, KeptRuns::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
  uint64_t kept_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> fetching_ ABSL_GUARDED_BY(mutex_);  // Keys.
};

}  // namespace cairn::server
