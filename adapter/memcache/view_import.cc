#include "adapter/memcache/view_import.h"

#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <utility>

#include "adapter/memcache/view_impl.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/rocks_status.h"

namespace cairn::adapter::memcache {
namespace {

using storage::FromRocks;

constexpr size_t kBatchBytes = size_t{4} << 20;

}  // namespace

struct ViewImport::Batch {
  View::Impl* view;
  ViewFold fold;

  // Past the write-ahead log: what is lost in a crash belongs to a view that is incomplete.
  absl::Status Write() {
    rocksdb::WriteBatch batch(fold.bytes() + fold.bytes() / 4);
    RETURN_IF_ERROR(fold.MoveTo(&batch));
    rocksdb::WriteOptions write;
    write.disableWAL = true;
    return FromRocks(view->db->Write(write, &batch));
  }

  // All items are in tables, and durable.
  absl::Status MakeDurable() {
    RETURN_IF_ERROR(Write());
    return FromRocks(view->db->Flush(rocksdb::FlushOptions()));
  }
};

ViewImport::ViewImport(std::unique_ptr<Batch> batch) : batch_(std::move(batch)) {}
ViewImport::~ViewImport() = default;

absl::StatusOr<std::unique_ptr<ViewImport>> ViewImport::Begin(View* view) {
  View::Impl* const impl = view->impl_.get();
  RETURN_IF_ERROR(impl->Clear(/*importing=*/true));
  auto batch = std::make_unique<Batch>(Batch{impl, ViewFold(impl->db.get())});
  return std::unique_ptr<ViewImport>(new ViewImport(std::move(batch)));
}

absl::Status ViewImport::Add(const EffectView& item, EffectId stored_by) {
  CHECK(item.kind == EffectKind::kStore);
  RETURN_IF_ERROR(batch_->fold.Add(batch_->fold.Own(item), stored_by));
  return batch_->fold.bytes() < kBatchBytes ? absl::OkStatus() : batch_->Write();
}

absl::Status ViewImport::Finish(const ViewPosition& position) {
  RETURN_IF_ERROR(batch_->MakeDurable());
  View::Impl* const impl = batch_->view;
  const PositionRow row = {
      .log_id = impl->options.log_id, .importing = false, .position = position};
  rocksdb::WriteBatch nothing_else;
  RETURN_IF_ERROR(impl->Write(&nothing_else, row, /*sync=*/true));
  impl->Continue(row);
  return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
