// ViewImport: fills a view from a snapshot, in place of what it held.
//
//   ViewImport::Begin ──► view is incomplete ──Add, …──► Finish ──► view stands at the position
//
// Whatever ends it before Finish, the view says that it is incomplete, also after a crash: it shows
// no items and takes no records, until another import or a Reset.
//
// Threads: the view's applying thread. Lifetime: one at a time, within the view's.
// Bounds: a batch of a few MiB, and RocksDB's memtables.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_reader.h"
#include "adapter/memcache/view.h"

namespace cairn::adapter::memcache {

class ViewImport {
 public:
  // Empties the view, and has it say that it is incomplete. Errors: the disk's.
  static absl::StatusOr<std::unique_ptr<ViewImport>> Begin(View* view);
  ~ViewImport();
  ViewImport(const ViewImport&) = delete;
  ViewImport& operator=(const ViewImport&) = delete;

  // Requires: a kStore, each key once; in the order of the keys it is fastest.
  absl::Status Add(const EffectView& item, EffectId stored_by);
  // The view has the items and stands there, durably. The import is spent.
  absl::Status Finish(const ViewPosition& position);

 private:
  struct Batch;
  explicit ViewImport(std::unique_ptr<Batch> batch);

  const std::unique_ptr<Batch> batch_;
};

}  // namespace cairn::adapter::memcache
