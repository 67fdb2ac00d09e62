#include "cli/log_restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/record_region.h"
#include "base/status_macros.h"
#include "cairn/error.h"
#include "cli/units.h"

namespace cairn::cli {
namespace {

// Tries of one log that may fail, one after the other without progress in between.
constexpr int kTries = 60;
constexpr absl::Duration kPause = absl::Milliseconds(500);
// Of one request.
constexpr uint64_t kRequestBytes = 1 << 20;
constexpr uint64_t kRequestRecords = 4096;

// What may be cured by trying again: everything that does not speak of the log or of rights.
bool MayPass(const absl::Status& status) {
  const std::optional<Reason> reason =
      GetErrorInfo(status) ? std::optional(GetErrorInfo(status)->reason) : std::nullopt;
  // Another try finds what an unknown outcome has left.
  if (reason == Reason::kConditionFailed || reason == Reason::kLogExists) return true;
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || IsUnknownOutcome(status);
}

}  // namespace

absl::Status LogRestore::Differs() const {
  return absl::FailedPreconditionError(fmt::format(
      "log {} exists and is not what {} holds: restore under another name with --rename {}=NAME or "
      "--prefix, leave it out with --log, or delete it",
      name_, log_.origin, name_));
}

absl::Status LogRestore::LookAtName() {
  ASSIGN_OR_RETURN(const bool exists, Open());
  if (!exists) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ChainPoint end, backup_.GetChain(*target_));
  return end.importing || IsRestored(end) ? absl::OkStatus() : Differs();
}

absl::Status LogRestore::Run() {
  int failures = 0;
  while (true) {
    const Seq before = reached_;
    const absl::Status status = Annotate(Try(), name_);
    if (status.ok() || absl::IsCancelled(status)) return status;
    if (reached_ > before) failures = 0;
    if (!MayPass(status) || ++failures == kTries) return status;
    if (session_.interrupt().Wait(kPause)) return absl::CancelledError("interrupted");
  }
}

absl::StatusOr<bool> LogRestore::Open() {
  if (target_) return true;
  absl::StatusOr<Log> opened = session_.OpenLog(name_);
  if (GetReason(opened.status()) == Reason::kLogNotFound) return false;
  if (!opened.ok()) return opened.status();
  target_ = *std::move(opened);
  return true;
}

bool LogRestore::IsRestored(const ChainPoint& end) {
  if (end.seq < log_.last_seq) return false;
  const absl::StatusOr<ChainPoint> there = backup_.GetChain(*target_, log_.last_seq);
  return there.ok() && there->chain == log_.chain;
}

absl::Status LogRestore::Try() {
  ASSIGN_OR_RETURN(const bool exists, Open());
  if (!exists) {
    ASSIGN_OR_RETURN(const LogId id, backup_.BeginImport(name_, log_.settings, log_.base));
    target_.emplace(admin_.core(), name_, id);
  }
  ASSIGN_OR_RETURN(const ChainPoint end, backup_.GetChain(*target_));
  if (!end.importing) {
    if (result_.empty()) result_ = "was there";
    return IsRestored(end) ? absl::OkStatus() : Differs();
  }
  RETURN_IF_ERROR(ImportBehind(end));
  result_ = "restored";
  return backup_.FinishImport(*target_, log_.last_seq, log_.chain);
}

absl::Status LogRestore::ImportBehind(const ChainPoint& end) {
  request_.clear();
  const Seq first = log_.base.first_seq;
  if (end.seq + 1 < first || (end.seq + 1 == first && end.chain != log_.base.chain)) {
    return Differs();
  }
  const std::unique_ptr<BatchSource> source = log_.open();
  auto [next, chain] = source->SkipTo(end.seq + 1);
  if (next == end.seq + 1 && chain != end.chain) return Differs();
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<RawRecordBatch> batch, source->Next());
    if (!batch) break;
    if (Seq(batch->first_seq()) != next) {
      return absl::DataLossError(fmt::format("{}: expected seq {}, it goes on with {}", log_.origin,
                                             next, batch->first_seq()));
    }
    ImportBatch missing{.timestamp_us = batch->timestamp_us(), .records = {}};
    for (const std::string& record : batch->records()) {
      chain = ChainNext(chain, record);
      if (next == end.seq && chain != end.chain) return Differs();
      if (next > end.seq) missing.records.push_back(record);
      ++next;
    }
    RETURN_IF_ERROR(Queue(std::move(missing), next.Previous()));
    Show(source->bytes(), next);
  }
  RETURN_IF_ERROR(Flush());
  if (next == log_.last_seq + 1 && chain == log_.chain && end.seq < next) return absl::OkStatus();
  if (end.seq >= next) return Differs();
  return absl::DataLossError(fmt::format("{}: it ends with seq {} and chain {}, expected {} and {}",
                                         log_.origin, next.Previous(), FormatHash(chain),
                                         log_.last_seq, FormatHash(log_.chain)));
}

absl::Status LogRestore::Queue(ImportBatch batch, Seq last) {
  if (session_.interrupt().Requested()) return absl::CancelledError("interrupted");
  if (batch.records.empty()) return absl::OkStatus();
  if (request_.empty()) {
    request_after_ = last - batch.records.size();
    request_bytes_ = request_records_ = 0;
  }
  for (const std::string& record : batch.records) request_bytes_ += record.size();
  request_records_ += batch.records.size();
  request_.push_back(std::move(batch));
  const bool full = request_bytes_ >= kRequestBytes || request_records_ >= kRequestRecords;
  return full ? Flush() : absl::OkStatus();
}

absl::Status LogRestore::Flush() {
  if (request_.empty()) return absl::OkStatus();
  const std::vector<ImportBatch> batches = std::exchange(request_, {});
  ASSIGN_OR_RETURN(const ChainPoint done, backup_.ImportRecords(*target_, request_after_, batches));
  reached_ = done.seq;
  return absl::OkStatus();
}

void LogRestore::Show(uint64_t read_bytes, Seq next) {
  if (read_bytes <= shown_bytes_) return;
  counters_.bytes += read_bytes - std::exchange(shown_bytes_, read_bytes);
  counters_.records += next - std::exchange(shown_seq_, next);
}

}  // namespace cairn::cli
