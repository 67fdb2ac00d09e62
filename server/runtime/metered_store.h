// MeteredStore: a LogStore that times the writes of another one. Everything else is passed
// on as it is.
//
// Threads: as the store behind it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "server/runtime/metrics.h"
#include "storage/log_store.h"

namespace cairn::server {

class MeteredStore : public storage::LogStore {
 public:
  // `clock` and `metrics` outlive it.
  MeteredStore(std::unique_ptr<storage::LogStore> store, const Clock* clock, Metrics* metrics)
      : store_(std::move(store)), clock_(clock), metrics_(metrics) {}

  absl::Status Write(const storage::StoreBatch& batch) override {
    const MonoMicros begin = clock_->Mono();
    absl::Status status = store_->Write(batch);
    const MonoMicros took_us = clock_->Mono() - begin;
    metrics_->store_turn_seconds.Observe(static_cast<double>(took_us) / kMicrosPerSecond);
    metrics_->store_turn_groups.Observe(static_cast<double>(batch.groups.size()));
    return status;
  }

  absl::StatusOr<std::unique_ptr<storage::RunBuilder>> BeginRun(GroupId group,
                                                                Index after) override {
    return store_->BeginRun(group, after);
  }
  absl::StatusOr<std::unique_ptr<storage::RunBuilder>> BeginRunBehind(
      const storage::EntryRun& run) override {
    return store_->BeginRunBehind(run);
  }
  [[nodiscard]] bool Continues(const storage::EntryRun& run) const override {
    return store_->Continues(run);
  }
  absl::Status ReadRows(GroupId group, Index first, Index last,
                        absl::FunctionRef<bool(std::string_view)> take) const override {
    return store_->ReadRows(group, first, last, take);
  }
  absl::StatusOr<storage::EntryRange> ReadEntries(GroupId group, Index first, Index last,
                                                  uint64_t max_bytes) const override {
    return store_->ReadEntries(group, first, last, max_bytes);
  }
  absl::StatusOr<Index> SeekSeq(GroupId group, Seq seq) const override {
    return store_->SeekSeq(group, seq);
  }
  absl::StatusOr<std::optional<Seq>> SeekTime(GroupId group, int64_t timestamp_us) const override {
    return store_->SeekTime(group, timestamp_us);
  }
  absl::StatusOr<std::vector<storage::StoredGroup>> LoadGroups() const override {
    return store_->LoadGroups();
  }
  absl::StatusOr<std::vector<uint64_t>> SegmentBytes(GroupId group) const override {
    return store_->SegmentBytes(group);
  }
  [[nodiscard]] storage::NodeIdentity Identity() const override { return store_->Identity(); }
  absl::Status SetFormed(const std::string& formed) override { return store_->SetFormed(formed); }
  [[nodiscard]] storage::RecoveryVerdict Verdict() const override { return store_->Verdict(); }
  [[nodiscard]] std::string VerdictDetail() const override { return store_->VerdictDetail(); }
  absl::Status ResolveVerdict() override { return store_->ResolveVerdict(); }
  [[nodiscard]] std::string Damage() const override { return store_->Damage(); }
  absl::Status RebuildAtNextOpen() override { return store_->RebuildAtNextOpen(); }
  [[nodiscard]] storage::Room FreeRoom() const override { return store_->FreeRoom(); }
  [[nodiscard]] storage::StoreStats Stats() const override { return store_->Stats(); }

 private:
  const std::unique_ptr<storage::LogStore> store_;
  const Clock* const clock_;
  Metrics* const metrics_;
};

}  // namespace cairn::server
