#include "server/runtime/archive_tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/record_region.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/runtime/archive_reader.h"

namespace cairn::server {
namespace {

constexpr MonoMicros kTimeoutUs = 10 * kMicrosPerSecond;
constexpr uint64_t kChunkBytes = 1 << 20;

Rejection Reject(cairn::v1::Reason reason, GroupId log, std::string message) {
  Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.info.set_log_id(log.value());
  rejection.message = std::move(message);
  return rejection;
}

// Records [from, through] of a batch.
TailBatch Part(const archive::Batch& batch, const Bytes& owner, Seq from, Seq through) {
  std::string_view rest = batch.records;
  for (Seq seq = batch.first_seq; seq < from; ++seq) CHECK(SplitRecord(rest).has_value());
  const std::string_view begin = rest;
  const Seq last = std::min(through, batch.first_seq + batch.count - 1);
  for (Seq seq = from; seq <= last; ++seq) CHECK(SplitRecord(rest).has_value());
  return {.first_seq = from,
          .count = static_cast<uint32_t>(last - from + 1),
          .timestamp_us = batch.timestamp_us,
          .chain = rest.empty() ? batch.chain : 0,
          .owner = owner,
          .records = begin.substr(0, begin.size() - rest.size())};
}

}  // namespace

// ---- From outside ------------------------------------------------------------------------------

void ArchiveTail::Credit(uint64_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    credit_ += static_cast<int64_t>(bytes);
  }
  Schedule();
}

void ArchiveTail::Close() {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  Schedule();
}

void ArchiveTail::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  Schedule();
}

void ArchiveTail::Begin() {
  reader_->PostUrgent(group_, Request{.reply_to = {this, 0},
                                      .body = DescribeOp{},
                                      .deadline = reader_->Now() + kTimeoutUs});
}

void ArchiveTail::OnReply(uint64_t /*token*/, Reply reply) {
  {
    absl::MutexLock lock(&mutex_);
    described_ = std::move(reply);
  }
  Schedule();
}

void ArchiveTail::Schedule() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(scheduled_, true)) return;
  }
  reader_->Queue(shared_from_this());
}

// ---- On a thread of the reader -----------------------------------------------------------------

bool ArchiveTail::MayGoOn() {
  absl::MutexLock lock(&mutex_);
  // The group knows this object until it has answered; a stopped one never will.
  const bool ends = closed_ && described_;
  const bool reads = described_ && credit_ > 0;
  if (stopping_ || ends || reads) return true;
  scheduled_ = false;
  return false;
}

void ArchiveTail::Pump() {
  while (MayGoOn()) {
    {
      absl::MutexLock lock(&mutex_);
      if (closed_) return End(std::nullopt);
      if (stopping_) {
        return End(Reject(cairn::v1::REASON_SHUTTING_DOWN, group_, "the node is stopping"));
      }
      if (auto* rejection = std::get_if<Rejection>(&*described_)) return End(*rejection);
    }
    Step step = Next();
    if (!step.ok()) return End(ToRejection(step.status()));
    if (!*step) return End(std::nullopt);
    {
      absl::MutexLock lock(&mutex_);
      credit_ -= static_cast<int64_t>((*step)->bytes());
    }
    open_.sink->OnChunk(open_.token, **std::move(step));
  }
}

void ArchiveTail::End(std::optional<Rejection> why) {
  reader_->Forget(this);
  open_.sink->OnEnd(open_.token, {std::move(why)});
}

ArchiveTail::Step ArchiveTail::Next() {
  if (!placed_) RETURN_IF_ERROR(Place());
  if (next_ > last_ || records_left_ == 0) return std::nullopt;
  RETURN_IF_ERROR(Load());
  return Cut();
}

absl::Status ArchiveTail::Place() {
  cairn::v1::DescribeLogResponse log;
  {
    absl::MutexLock lock(&mutex_);
    log = std::get<Described>(*described_).response;
  }
  placed_ = true;
  border_ = Seq(log.first_seq());
  path_end_ = {Seq(log.archive().archived_seq()), log.archive().chain()};
  last_ = border_.Previous();
  if (open_.bounded && open_.end_seq) last_ = std::min(last_, open_.end_seq);
  if (open_.bounded && open_.max_records != 0) records_left_ = open_.max_records;
  const bool by_seq = open_.start.kind == TailStart::Kind::kSeq && open_.start.seq;
  next_ = by_seq ? open_.start.seq : border_;
  if (by_seq ? next_ >= border_ : border_ == Seq(1)) return absl::OkStatus();
  const auto place = archive::LogPlace::FromLocation(log.archive().location());
  if (!place) return by_seq ? Missing() : absl::OkStatus();
  place_ = *place;
  const Seq newest = std::min(border_.Previous(), path_end_.seq);
  ASSIGN_OR_RETURN(path_, reader_->access().PathOf(place_, path_end_, by_seq ? next_ : newest));
  if (by_seq) return absl::OkStatus();
  if (open_.start.kind == TailStart::Kind::kTimestamp) {
    ASSIGN_OR_RETURN(next_, SeekTime(*path_));
  } else if (const archive::StoredRun* first = path_->FirstUnbroken()) {
    next_ = std::min(first->name.first_seq, border_);
  }
  return absl::OkStatus();
}

absl::StatusOr<Seq> ArchiveTail::SeekTime(const archive::RunPath& path) {
  const archive::StoredRun* const stored = path.FindTime(open_.start.timestamp_us);
  if (stored == nullptr || stored->name.first_seq >= border_) return border_;
  ASSIGN_OR_RETURN(run_, reader_->access().Fetch(*stored));
  batch_ = 0;
  for (const archive::Batch& batch : run_->batches()) {
    if (batch.timestamp_us >= open_.start.timestamp_us) return std::min(batch.first_seq, border_);
  }
  return border_;
}

absl::Status ArchiveTail::Load() {
  if (run_ != nullptr && run_->name().first_seq <= next_ && next_ <= run_->name().last_seq) {
    return absl::OkStatus();
  }
  const archive::StoredRun* const stored = path_->Find(next_);
  if (stored == nullptr) return Missing();
  // Whoever has read one run to its end wants the next ones, too.
  if (run_ != nullptr) {
    const Seq last = records_left_ ? std::min(last_, next_ + *records_left_ - 1) : last_;
    reader_->ReadAhead(*path_, stored->name.last_seq + 1, last);
  }
  absl::StatusOr<ArchiveAccess::Run> fetched = reader_->access().Fetch(*stored);
  if (absl::IsNotFound(fetched.status())) {
    // It was removed since it was listed; the next listing says whether something else has it.
    reader_->access().Forget(place_);
    return absl::UnavailableError(
        ToAbsl(fmt::format("archive object {} is not there any more", stored->key)));
  }
  RETURN_IF_ERROR(fetched.status());
  run_ = *std::move(fetched);
  batch_ = 0;
  return absl::OkStatus();
}

TailChunk ArchiveTail::Cut() {
  const std::vector<archive::Batch>& batches = run_->batches();
  TailChunk chunk;
  uint64_t bytes = 0;
  for (; batch_ < batches.size() && next_ <= last_ && bytes < kChunkBytes; ++batch_) {
    const archive::Batch& batch = batches[batch_];
    if (batch.first_seq + batch.count <= next_) continue;
    Seq through = last_;
    if (records_left_) through = std::min(through, next_ + *records_left_ - 1);
    if (through < next_) break;
    chunk.batches.push_back(Part(batch, run_->bytes(), next_, through));
    const TailBatch& shown = chunk.batches.back();
    bytes += shown.records.size();
    next_ = next_ + shown.count;
    if (records_left_) *records_left_ -= shown.count;
    if (next_ < batch.first_seq + batch.count) break;  // Its rest is not asked for.
  }
  return chunk;
}

// ---- What went wrong ---------------------------------------------------------------------------

absl::Status ArchiveTail::Missing() const {
  return absl::OutOfRangeError(ToAbsl(
      fmt::format("record {} was trimmed, and the archive has not got it; the oldest kept is {}",
                  next_, border_)));
}

Rejection ArchiveTail::ToRejection(const absl::Status& status) const {
  const std::string message = fmt::format("log {}: {}", group_, ToStd(status.message()));
  switch (status.code()) {
    case absl::StatusCode::kOutOfRange: {
      Rejection trimmed = Reject(cairn::v1::REASON_TRIMMED, group_, message);
      trimmed.info.set_first_seq(border_.value());
      return trimmed;
    }
    case absl::StatusCode::kDataLoss:
      return Reject(cairn::v1::REASON_ARCHIVE_DAMAGED, group_, message);
    case absl::StatusCode::kCancelled:
      return Reject(cairn::v1::REASON_SHUTTING_DOWN, group_, message);
    default:
      return Reject(cairn::v1::REASON_ARCHIVE_UNAVAILABLE, group_, message);
  }
}

}  // namespace cairn::server
