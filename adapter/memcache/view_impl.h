// View's inside, shared by its sources: view.cc (opening, reading), view_apply.cc, view_scan.cc
// and view_import.cc.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <memory>
#include <optional>
#include <span>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "adapter/memcache/view.h"
#include "adapter/memcache/view_fold.h"
#include "adapter/memcache/view_rocks.h"
#include "adapter/memcache/view_rows.h"

namespace cairn::adapter::memcache {

struct View::Impl {
  explicit Impl(ViewOptions options_in) : options(std::move(options_in)) {}

  // ---- Opening (view.cc) --------------------------------------------------------------
  absl::Status Open();
  absl::Status OpenDatabase(const std::string& path, bool create);
  absl::Status LoadPosition();

  // ---- Writing; the applying thread (view_apply.cc) ------------------------------------
  absl::Status Apply(std::span<const RecordBatch> batches);
  absl::Status TakeBatch(const RecordBatch& batch);
  absl::Status TakeRecord(const Record& record, int64_t log_time_us);
  // Writes what was folded, and the position behind it, in one step.
  absl::Status Step();
  // Writes the row, with what `batch` has, and makes it the position that is seen.
  absl::Status Write(rocksdb::WriteBatch* batch, const PositionRow& row, bool sync);
  // No items, position 0.
  absl::Status Clear(bool importing);
  // Goes on behind `row`.
  void Continue(const PositionRow& row);
  // Nothing is applied any more after an error.
  absl::Status Final(const absl::Status& status);

  // ---- Reading; any thread --------------------------------------------------------------
  [[nodiscard]] PositionRow Seen() const ABSL_LOCKS_EXCLUDED(mutex);
  [[nodiscard]] absl::Status Incomplete() const;

  // Declared in the order in which they are opened.
  const ViewOptions options;
  std::unique_ptr<rocksdb::Env> own_env;
  rocksdb::Env* env = nullptr;
  PurgeFilter filter;
  std::unique_ptr<rocksdb::DB> db;

  // The applying thread's.
  std::optional<ViewFold> fold;
  std::optional<RecordReader> reader;
  ViewPosition next;  // Behind what was folded.
  absl::Status failure;

  mutable absl::Mutex mutex;
  PositionRow seen ABSL_GUARDED_BY(mutex);  // As it is written.
};

}  // namespace cairn::adapter::memcache
