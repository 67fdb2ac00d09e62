#include "adapter/memcache/view_replay.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "adapter/memcache/view_snapshot.h"
#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

// One call of the log brings so many, and may take that long.
constexpr uint64_t kPartRecords = 16'384;
constexpr absl::Duration kPartTimeout = absl::Minutes(10);

}  // namespace

ViewReplay::ViewReplay(Log log, objects::ObjectStore* store, ProgressReport* report,
                       std::string directory)
    : log_(std::move(log)), store_(store), report_(report), directory_(std::move(directory)) {}

ViewReplay::~ViewReplay() {
  view_ = nullptr;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

bool ViewReplay::chain_known() const {
  const ViewPosition position = view_->position();
  return position.read.seq && position.chain_seq == position.read.seq;
}

absl::Status ViewReplay::Begin(Seq through) {
  ViewOptions options;
  options.directory = directory_;
  options.log_id = log_.id();
  ASSIGN_OR_RETURN(view_, View::Open(std::move(options)));
  RETURN_IF_ERROR(Load(through));
  return Extend(through);
}

absl::Status ViewReplay::Load(Seq through) {
  ASSIGN_OR_RETURN(loaded_, ChooseSnapshot(store_, log_, {ViewEngine(), through}));
  if (!loaded_) return absl::OkStatus();
  const auto progress = [this](uint64_t bytes, uint64_t of) {
    report_->Update(Phase::kDownload, bytes, of);
  };
  RETURN_IF_ERROR(
      LoadViewSnapshot(*store_, loaded_->name, loaded_->manifest, view_.get(), progress).status());
  read_seq_ = loaded_->manifest.seq;
  return absl::OkStatus();
}

absl::Status ViewReplay::Extend(Seq through) {
  while (read_seq_ < through) {
    RETURN_IF_ERROR(ReplayPart(std::min(through, read_seq_ + kPartRecords), through));
  }
  return absl::OkStatus();
}

absl::Status ViewReplay::ReplayPart(Seq last, Seq through) {
  ReadOptions options;
  options.call.timeout = kPartTimeout;
  options.start_seq = read_seq_ + 1;
  options.end_seq = last;
  ReadStream stream = log_.Read(options);
  while (true) {
    if (cancelled_) return absl::CancelledError("stopped");
    ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
    if (!batch) break;
    RETURN_IF_ERROR(view_->Apply({&*batch, 1}));
    read_seq_ = batch->last_seq();
    report_->Update(Phase::kReplay, read_seq_.value(), through.value());
  }
  if (read_seq_ == last) return absl::OkStatus();
  return absl::UnavailableError("the log gave less than was asked for");
}

}  // namespace cairn::adapter::memcache
