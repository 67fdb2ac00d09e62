#include "server/runtime/archive_access.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/status_macros.h"

namespace cairn::server {
namespace {

constexpr size_t kMaxPaths = 64;

const char* Environment(const char* name) { return std::getenv(name); }

}  // namespace

ArchiveAccess::ArchiveAccess(const std::string& url, uint64_t cache_bytes, Metrics* metrics)
    : ArchiveAccess([url] { return objects::OpenObjectStore(url, Environment); }, cache_bytes,
                    metrics) {}

absl::StatusOr<const archive::ArchiveStore*> ArchiveAccess::Store() {
  absl::MutexLock opening(&open_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return absl::CancelledError("the node is stopping");
    if (store_ != nullptr) return store_.get();
  }
  // A mount that hangs must not hold up those who only want to know.
  ASSIGN_OR_RETURN(auto objects, open_());
  absl::MutexLock lock(&mutex_);
  if (stopped_) return absl::CancelledError("the node is stopping");
  objects_ = std::move(objects);
  store_ = std::make_unique<archive::ArchiveStore>(objects_.get());
  return store_.get();
}

std::string ArchiveAccess::location() const {
  absl::MutexLock lock(&mutex_);
  return store_ == nullptr ? "" : store_->url();
}

absl::Status ArchiveAccess::RemoveUnfinished(WallMicros older_than_us) {
  RETURN_IF_ERROR(Store().status());
  // Opened once, it stays.
  objects::ObjectStore* objects = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    objects = objects_.get();
  }
  return objects->RemoveUnfinished(older_than_us).status();
}

void ArchiveAccess::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  if (objects_ != nullptr) objects_->Stop();
}

// ---- Listings -----------------------------------------------------------------------------------

absl::StatusOr<ArchiveAccess::Path> ArchiveAccess::PathOf(const archive::LogPlace& place,
                                                          const archive::RunPath::End& end,
                                                          Seq need) {
  if (Path known = Find(place, need)) return known;
  ASSIGN_OR_RETURN(const archive::ArchiveStore* store, Store());
  ASSIGN_OR_RETURN(std::vector<archive::StoredRun> runs, store->Runs(place));
  auto path = std::make_shared<const archive::RunPath>(std::move(runs), end);
  Keep(place, path);
  return path;
}

ArchiveAccess::Path ArchiveAccess::Find(const archive::LogPlace& place, Seq need) {
  absl::MutexLock lock(&mutex_);
  const auto at = std::find_if(paths_.begin(), paths_.end(),
                               [&](const KeptPath& kept) { return kept.place == place; });
  // One that reached as far some time ago is the beginning of what there is now.
  if (at == paths_.end() || at->path->Find(need) == nullptr) return nullptr;
  paths_.splice(paths_.begin(), paths_, at);
  return at->path;
}

void ArchiveAccess::Keep(const archive::LogPlace& place, Path path) {
  absl::MutexLock lock(&mutex_);
  paths_.remove_if([&](const KeptPath& kept) { return kept.place == place; });
  paths_.push_front({place, std::move(path)});
  if (paths_.size() > kMaxPaths) paths_.pop_back();
}

void ArchiveAccess::Forget(const archive::LogPlace& place) {
  absl::MutexLock lock(&mutex_);
  paths_.remove_if([&](const KeptPath& kept) { return kept.place == place; });
}

Seq ArchiveAccess::FirstSeqOf(const archive::LogPlace& place) const {
  absl::MutexLock lock(&mutex_);
  for (const KeptPath& kept : paths_) {
    if (kept.place != place) continue;
    const archive::StoredRun* const first = kept.path->FirstUnbroken();
    return first == nullptr ? Seq() : first->name.first_seq;
  }
  return Seq();
}

// ---- Runs ---------------------------------------------------------------------------------------

absl::StatusOr<ArchiveAccess::Run> ArchiveAccess::Fetch(const archive::StoredRun& run) {
  ASSIGN_OR_RETURN(const archive::ArchiveStore* store, Store());
  if (Run known = FindOrBegin(run.key)) return known;
  metrics_->archive_fetches_total.Increment();
  absl::StatusOr<archive::Run> fetched = store->ReadRun(run);
  if (!fetched.ok()) {
    metrics_->archive_errors_total.Increment();
    Fetched(run.key, nullptr);
    return fetched.status();
  }
  metrics_->archive_fetched_bytes_total.Increment(static_cast<double>(fetched->bytes().size()));
  auto kept = std::make_shared<const archive::Run>(*std::move(fetched));
  Fetched(run.key, kept);
  return kept;
}

bool ArchiveAccess::Holds(const archive::StoredRun& run) const {
  absl::MutexLock lock(&mutex_);
  return by_key_.contains(run.key) || fetching_.contains(run.key);
}

ArchiveAccess::Run ArchiveAccess::FindOrBegin(const std::string& key) {
  absl::MutexLock lock(&mutex_);
  const auto at_rest = [&]()
                           ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !fetching_.contains(key); };
  mutex_.Await(absl::Condition(&at_rest));
  const auto at = by_key_.find(key);
  if (at == by_key_.end()) {
    fetching_.insert(key);
    return nullptr;
  }
  runs_.splice(runs_.begin(), runs_, at->second);
  return at->second->run;
}

void ArchiveAccess::Fetched(const std::string& key, Run run) {
  absl::MutexLock lock(&mutex_);
  fetching_.erase(key);
  if (run != nullptr) Keep(key, std::move(run));
}

void ArchiveAccess::Keep(const std::string& key, Run run) {
  kept_bytes_ += run->bytes().size();
  runs_.push_front({key, std::move(run)});
  by_key_[key] = runs_.begin();
  while (kept_bytes_ > cache_bytes_) {
    kept_bytes_ -= runs_.back().run->bytes().size();
    by_key_.erase(runs_.back().key);
    runs_.pop_back();
  }
}

}  // namespace cairn::server
