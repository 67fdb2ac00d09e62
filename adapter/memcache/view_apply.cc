// Writing to a view: steps of whole records, each with the position behind it.
#include <fmt/format.h>
#include <rocksdb/convenience.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <utility>

#include "adapter/memcache/view_impl.h"
#include "base/status_macros.h"
#include "storage/rocks_status.h"

namespace cairn::adapter::memcache {
namespace {

using storage::FromRocks;

// A step's memory beside the message's own; larger only by what one record has.
constexpr size_t kStepBytes = size_t{8} << 20;

}  // namespace

absl::Status View::Impl::Apply(std::span<const RecordBatch> batches) {
  RETURN_IF_ERROR(failure);
  RETURN_IF_ERROR(Incomplete());
  for (const RecordBatch& batch : batches) RETURN_IF_ERROR(Final(TakeBatch(batch)));
  return Final(Step());
}

absl::Status View::Impl::Final(const absl::Status& status) {
  if (!status.ok()) failure = Annotate(status, options.directory);
  return failure;
}

absl::Status View::Impl::TakeBatch(const RecordBatch& batch) {
  const Seq wanted = reader->read_seq() + 1;
  if (batch.first_seq > wanted) {
    return absl::DataLossError(
        fmt::format("records from {} on; expected {}", batch.first_seq, wanted));
  }
  if (batch.last_seq() == next.chain_seq && batch.chain != 0 && batch.chain != next.chain) {
    return absl::DataLossError(
        fmt::format("the chain behind record {} is {:016x}; expected {:016x}", next.chain_seq,
                    batch.chain, next.chain));
  }
  for (const Record& record : batch.records) {
    if (record.seq < wanted) continue;
    RETURN_IF_ERROR(TakeRecord(record, batch.timestamp_us));
    if (fold->bytes() >= kStepBytes) RETURN_IF_ERROR(Step());
  }
  const bool ends_known = batch.chain != 0 && next.read.seq == batch.last_seq();
  if (ends_known) {
    next.chain_seq = batch.last_seq();
    next.chain = batch.chain;
  }
  return absl::OkStatus();
}

absl::Status View::Impl::TakeRecord(const Record& record, int64_t log_time_us) {
  // The effect of a run points into the reader.
  const bool ends_run = reader->held_bytes() > 0;
  absl::Status added;
  const auto add = [this, ends_run, &added](const EffectView& effect, EffectId id) {
    if (added.ok()) added = fold->Add(ends_run ? fold->Own(effect) : effect, id);
  };
  RETURN_IF_ERROR(reader->Next(record, add));
  RETURN_IF_ERROR(added);
  if (reader->position().seq != record.seq) return absl::OkStatus();
  next.read = reader->position();
  next.log_time_us = log_time_us;
  next.flush_due_at = fold->flush_due_at().value_or(next.flush_due_at);
  return absl::OkStatus();
}

absl::Status View::Impl::Step() {
  if (next == Seen().position && fold->empty()) return absl::OkStatus();
  rocksdb::WriteBatch batch(fold->bytes() + fold->bytes() / 4);
  RETURN_IF_ERROR(fold->MoveTo(&batch));
  const PositionRow row = {.log_id = options.log_id, .importing = false, .position = next};
  return Write(&batch, row, /*sync=*/false);
}

absl::Status View::Impl::Write(rocksdb::WriteBatch* batch, const PositionRow& row, bool sync) {
  RETURN_IF_ERROR(FromRocks(batch->Put(ToSlice(kPositionKey), ToSlice(EncodePosition(row)))));
  rocksdb::WriteOptions write;
  write.sync = sync;
  RETURN_IF_ERROR(FromRocks(db->Write(write, batch)));
  filter.SetHorizon(PurgeHorizon(row.position.log_time_us));
  const absl::MutexLock lock(&mutex);
  seen = row;
  return absl::OkStatus();
}

absl::Status View::Impl::Clear(bool importing) {
  failure = absl::OkStatus();
  filter.SetHorizon(PurgeFilter::kNothing);
  rocksdb::WriteBatch batch;
  const std::string items_end = ItemsEnd();
  RETURN_IF_ERROR(FromRocks(batch.DeleteRange(ToSlice(kItemPrefix), ToSlice(items_end))));
  const PositionRow row = {.log_id = options.log_id, .importing = importing, .position = {}};
  RETURN_IF_ERROR(Final(Write(&batch, row, /*sync=*/true)));
  // Only for the space: what these tables hold is deleted already, and that is durable.
  const rocksdb::Slice begin = ToSlice(kItemPrefix);
  const rocksdb::Slice end = ToSlice(items_end);
  rocksdb::DeleteFilesInRange(db.get(), db->DefaultColumnFamily(), &begin, &end)
      .PermitUncheckedError();
  Continue(row);
  return absl::OkStatus();
}

void View::Impl::Continue(const PositionRow& row) {
  next = row.position;
  reader.emplace(RecordReader::Options{.lease_name = options.lease_name}, next.read);
  fold.emplace(db.get());
  failure = absl::OkStatus();
  filter.SetHorizon(row.importing ? PurgeFilter::kNothing : PurgeHorizon(next.log_time_us));
  const absl::MutexLock lock(&mutex);
  seen = row;
}

}  // namespace cairn::adapter::memcache
