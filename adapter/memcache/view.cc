#include "adapter/memcache/view.h"

#include <fmt/format.h>
#include <rocksdb/options.h>

#include <utility>

#include "adapter/memcache/view_directory.h"
#include "adapter/memcache/view_impl.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "storage/rocks_status.h"

namespace cairn::adapter::memcache {

using storage::FromRocks;

UnixSeconds PurgeHorizon(int64_t log_time_us) {
  return log_time_us / kMicrosPerSecond - kPurgeMarginSeconds;
}

absl::StatusOr<std::unique_ptr<View>> View::Open(ViewOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<View>(new View(std::move(impl)));
}

absl::Status View::Remove(const std::string& directory) { return ViewDirectory::Remove(directory); }

View::View(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
View::~View() = default;

absl::Status View::Impl::Open() {
  env = rocksdb::Env::Default();
  if (options.file_system) {
    own_env = rocksdb::NewCompositeEnv(options.file_system);
    env = own_env.get();
  }
  ASSIGN_OR_RETURN(ViewDirectory directory,
                   ViewDirectory::Open(options.directory, options.log_id, env));
  RETURN_IF_ERROR(directory.Explain(OpenDatabase(directory.database(), directory.is_new())));
  if (!directory.is_new()) return directory.Explain(LoadPosition());
  RETURN_IF_ERROR(directory.Explain(Clear(/*importing=*/false)));
  return directory.Explain(directory.FinishCreation());
}

absl::Status View::Impl::OpenDatabase(const std::string& path, bool create) {
  rocksdb::Options rocks = ViewRocksOptions(options, env, &filter);
  rocks.create_if_missing = create;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(rocks, path, &opened);
  // What RocksDB takes for a wrong argument is that its files are gone.
  if (status.IsInvalidArgument()) return absl::DataLossError(status.ToString());
  RETURN_IF_ERROR(FromRocks(status));
  db.reset(opened);
  fold.emplace(opened);
  return absl::OkStatus();
}

absl::Status View::Impl::LoadPosition() {
  std::string value;
  const rocksdb::Status read = db->Get(rocksdb::ReadOptions(), ToSlice(kPositionKey), &value);
  if (read.IsNotFound()) return absl::DataLossError("it has no position");
  RETURN_IF_ERROR(FromRocks(read));
  ASSIGN_OR_RETURN(const PositionRow row, ParsePosition(value));
  if (row.log_id != options.log_id) {
    return absl::DataLossError(
        fmt::format("its database is of log {}, not of {}", row.log_id, options.log_id));
  }
  Continue(row);
  return absl::OkStatus();
}

PositionRow View::Impl::Seen() const {
  const absl::MutexLock lock(&mutex);
  return seen;
}

absl::Status View::Impl::Incomplete() const {
  if (!Seen().importing) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "{}: incomplete: its import was not finished; import again, or reset", options.directory));
}

absl::Status View::Apply(std::span<const RecordBatch> batches) { return impl_->Apply(batches); }

absl::Status View::Confirm(Seq seq, uint64_t chain) const {
  const ViewPosition known = position();
  const bool differs =
      seq == known.chain_seq && chain != 0 && known.chain != 0 && chain != known.chain;
  if (!differs) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("{}: the log's chain behind record {} is {:016x}, the view's {:016x}: it is "
                  "another log's; remove it",
                  impl_->options.directory, seq, chain, known.chain));
}

absl::Status View::Reset() { return impl_->Clear(/*importing=*/false); }

absl::StatusOr<std::optional<ViewItem>> View::Get(std::string_view key, UnixSeconds now) const {
  RETURN_IF_ERROR(impl_->Incomplete());
  rocksdb::PinnableSlice value;
  const rocksdb::Status read = impl_->db->Get(
      rocksdb::ReadOptions(), impl_->db->DefaultColumnFamily(), ToSlice(ItemKey(key)), &value);
  if (read.IsNotFound()) return std::optional<ViewItem>();
  RETURN_IF_ERROR(FromRocks(read));
  ASSIGN_OR_RETURN(const ItemRow row, ParseItem(ToView(value)));
  if (HasExpired(row.item.at, now)) return std::optional<ViewItem>();
  return std::optional<ViewItem>(
      ViewItem{Item{std::string(row.item.value), row.item.client_flags, row.item.at},
               row.item.binary, row.stored_by});
}

ViewPosition View::position() const { return impl_->Seen().position; }

bool View::incomplete() const { return impl_->Seen().importing; }

View::Size View::EstimateSize() const {
  Size size;
  impl_->db->GetIntProperty(rocksdb::DB::Properties::kEstimateNumKeys, &size.items);
  impl_->db->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &size.disk_bytes);
  if (size.items > 0) --size.items;  // The position's row.
  return size;
}

}  // namespace cairn::adapter::memcache
