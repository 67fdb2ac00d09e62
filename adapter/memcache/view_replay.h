// ViewReplay: a throw-away view that holds a memcached cache as of one record of its log. What a
// snapshot is taken of, and what is restored.
//
//   store ──newest snapshot──► View ◄──records behind it── log
//
// Threads: blocks; of one thread at a time, but for Cancel. Lifetime: the store and the report
// outlive it; the directory is removed with it. Bounds: those of a view, and one batch of records.
// Errors: those of snapshot_fetch.h, view_snapshot.h, view.h and the log; kCancelled.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "adapter/memcache/view.h"
#include "adapter/progress_report.h"
#include "adapter/snapshot_catalog.h"
#include "base/ids.h"
#include "cairn/log.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter::memcache {

class ViewReplay {
 public:
  // `directory`: made by this; its parent exists. `store` may be null.
  ViewReplay(Log log, objects::ObjectStore* store, ProgressReport* report, std::string directory);
  ~ViewReplay();
  ViewReplay(const ViewReplay&) = delete;
  ViewReplay& operator=(const ViewReplay&) = delete;

  // The log as of `through`, or of the last record before it that ends no open run. Once.
  absl::Status Begin(Seq through);
  // Further, behind Begin.
  absl::Status Extend(Seq through);
  // Whatever is under way ends soon. The caller stops the store. Any thread.
  void Cancel() { cancelled_ = true; }

  // Requires: Begin returned OK, of all below.
  [[nodiscard]] const View& view() const { return *view_; }
  [[nodiscard]] Seq seq() const { return view_->position().read.seq; }
  // The log's chain behind seq() is known to the view.
  [[nodiscard]] bool chain_known() const;
  // What was loaded; nullptr: no snapshot, the log has every record.
  [[nodiscard]] const FoundSnapshot* loaded() const { return loaded_ ? &*loaded_ : nullptr; }
  [[nodiscard]] Seq loaded_seq() const { return loaded_ ? loaded_->manifest.seq : Seq(); }

 private:
  absl::Status Load(Seq through);
  // Of the way to `through`.
  absl::Status ReplayPart(Seq last, Seq through);

  Log log_;
  objects::ObjectStore* const store_;
  ProgressReport* const report_;
  const std::string directory_;
  std::unique_ptr<View> view_;
  std::optional<FoundSnapshot> loaded_;
  Seq read_seq_;  // Given to the view.
  std::atomic<bool> cancelled_{false};
};

}  // namespace cairn::adapter::memcache
