#include "server/tail_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"

namespace cairn::server {
namespace {

// A cold read of less is not worth its seek, even for a cursor with little credit.
constexpr uint64_t kMinColdReadBytes = 256 << 10;

// Without credit a heartbeat would only queue behind what the sink has not passed on.
bool WantsHeartbeats(const TailCursor& cursor) {
  return !cursor.bounded && cursor.credit_bytes > 0;
}

}  // namespace

TailHub::TailHub(GroupId group, CacheBudget* budget, Index last, LogPosition after,
                 uint64_t cold_read_bytes)
    : group_(group),
      cold_read_bytes_(cold_read_bytes),
      ring_(budget, last, after),
      applied_(last),
      visible_(after) {}

void TailHub::Reset(Index last, LogPosition after) {
  ring_.Reset(last, after);
  marks_.clear();
  // Until the store has installed the snapshot its old entries may be an uncommitted suffix.
  held_from_ = after.last_seq + 1;
}

void TailHub::Skip(Index last, LogPosition after) {
  ring_.Reset(last, after);
  marks_.clear();
}

void TailHub::Shrink() {
  ring_.Shrink();
  while (!marks_.empty() && marks_.front().index < ring_.first_index()) marks_.pop_front();
}

// ---- Opening and closing ------------------------------------------------------------

void TailHub::Open(const TailOpen& open, Seq first_seq, TurnTime now, Effects& effects) {
  CHECK_EQ(IdOf(open.sink, open.token), 0u);
  now_ = now.mono;
  first_seq_ = std::max(first_seq_, first_seq);

  TailCursor cursor;
  cursor.sink = open.sink;
  cursor.token = open.token;
  cursor.credit_bytes = static_cast<int64_t>(open.credit_bytes);
  if (std::optional<Rejection> why = Place(open.start, cursor)) {
    effects.ends.push_back({open.sink, open.token, {std::move(why)}});
    return;
  }
  cursor.bounded = open.bounded;
  if (open.bounded) {
    cursor.last = open.end_seq ? std::min(open.end_seq, visible_.last_seq) : visible_.last_seq;
    if (open.max_records != 0) cursor.records_left = open.max_records;
  }
  cursor.heartbeat_us = static_cast<int64_t>(open.heartbeat_us);
  cursor.sent_at = now.mono;
  cursor.wants_mark = !open.bounded;
  cursor.mark_after = now.mono;

  const CursorId id = ++last_cursor_;
  cursors_.emplace(id, std::move(cursor));
  by_token_[{open.sink, open.token}] = id;
  Pump(id, effects);
}

std::optional<Rejection> TailHub::Place(const TailStart& start, TailCursor& cursor) const {
  const Seq end = visible_.last_seq + 1;
  switch (start.kind) {
    case TailStart::Kind::kSeq:
      cursor.next = start.seq ? start.seq : first_seq_;
      break;
    case TailStart::Kind::kFirst:
      cursor.next = first_seq_;
      break;
    case TailStart::Kind::kNext:
      cursor.next = end;
      break;
    case TailStart::Kind::kTimestamp:
      cursor.next = end;
      cursor.from_timestamp_us = start.timestamp_us;
      cursor.seeking = true;
      break;
  }
  if (cursor.next < first_seq_) return Trimmed(cursor.next);
  if (cursor.next <= end) return std::nullopt;
  Rejection future = Reject(cairn::v1::REASON_SEQ_IN_FUTURE,
                            fmt::format("log {}: seq {} does not exist yet, the newest is {}",
                                        group_, cursor.next, visible_.last_seq));
  future.info.set_last_seq(visible_.last_seq.value());
  return future;
}

TailHub::CursorId TailHub::IdOf(TailSink* sink, uint64_t token) const {
  const auto found = by_token_.find({sink, token});
  return found == by_token_.end() ? 0 : found->second;
}

void TailHub::Credit(const TailCredit& credit, Effects& effects) {
  const CursorId id = IdOf(credit.sink, credit.token);
  if (id == 0) return;
  cursors_.at(id).credit_bytes += static_cast<int64_t>(credit.bytes);
  Pump(id, effects);
}

void TailHub::Close(const TailClose& close, Effects& effects) {
  const CursorId id = IdOf(close.sink, close.token);
  if (id != 0) End(id, std::nullopt, effects);
}

void TailHub::End(CursorId id, std::optional<Rejection> why, Effects& effects) {
  const auto found = cursors_.find(id);
  CHECK(found != cursors_.end());
  const TailCursor& cursor = found->second;
  effects.ends.push_back({cursor.sink, cursor.token, {std::move(why)}});
  by_token_.erase({cursor.sink, cursor.token});
  waiting_.erase(id);
  unmarked_.erase(id);
  cursors_.erase(found);
}

void TailHub::EndAll(const Rejection& why, Effects& effects) {
  while (!cursors_.empty()) End(cursors_.begin()->first, why, effects);
}

// ---- Delivery -----------------------------------------------------------------------

void TailHub::Pump(CursorId id, Effects& effects) {
  const auto found = cursors_.find(id);
  CHECK(found != cursors_.end());
  while (Step(id, found->second, effects)) {
  }
  if (cursors_.contains(id)) Settle(id, found->second);
}

bool TailHub::Step(CursorId id, TailCursor& cursor, Effects& effects) {
  if (cursor.Finished()) {
    End(id, std::nullopt, effects);
    return false;
  }
  if (cursor.loading || cursor.credit_bytes <= 0) return false;
  std::optional<TailChunk> chunk;
  if (!cursor.cold.empty()) {
    chunk = cursor.CutFromCold();
    ++effects.tally.chunks_from_disk;
  } else if (cursor.seeking || !Locate(cursor)) {
    RequestRead(id, cursor, effects);
    return true;
  } else if (cursor.through >= applied_) {
    return false;
  } else {
    chunk = CutFromRing(cursor);
    ++effects.tally.chunks_from_memory;
  }
  if (!chunk) {
    End(id,
        Reject(
            cairn::v1::REASON_LOG_HALTED,
            fmt::format("log {}: the entry with record {} does not decode", group_, cursor.next)),
        effects);
    return false;
  }
  if (!chunk->batches.empty() || !chunk->renewed.empty()) {
    Send(cursor, std::move(*chunk), effects);
  }
  return true;
}

bool TailHub::Locate(TailCursor& cursor) const {
  if (cursor.through && cursor.through >= ring_.before_index()) return true;
  if (cursor.next > visible_.last_seq) {
    cursor.through = applied_;
    return true;
  }
  if (cursor.next <= ring_.before().last_seq) return false;
  cursor.through = ring_.FindSeq(cursor.next).entry.index.Previous();
  return true;
}

std::optional<TailChunk> TailHub::CutFromRing(TailCursor& cursor) const {
  ChunkCut out = cursor.BeginChunk();
  for (Index index = cursor.through + 1; index <= applied_ && !out.full(); ++index) {
    const Slot* slot = ring_.Find(index);
    CHECK(slot != nullptr);
    const TailCursor::Cut cut = cursor.Take(slot->entry.payload, slot->header, out);
    if (cut == TailCursor::Cut::kDamaged) return std::nullopt;
    if (cut == TailCursor::Cut::kInside) break;
    cursor.through = index;
    // Marks come after all batches of their message, so the next records need a new one.
    if (cursor.Finished() || (!cursor.bounded && AddMarks(index, out.chunk))) break;
  }
  return std::move(out.chunk);
}

bool TailHub::AddMarks(Index index, TailChunk& chunk) const {
  auto mark = std::partition_point(marks_.begin(), marks_.end(),
                                   [index](const Mark& m) { return m.index < index; });
  for (; mark != marks_.end() && mark->index == index; ++mark) {
    chunk.renewed.push_back(mark->mark);
  }
  return !chunk.renewed.empty();
}

void TailHub::Send(TailCursor& cursor, TailChunk chunk, Effects& effects) const {
  chunk.stale = stale_;
  cursor.credit_bytes -= static_cast<int64_t>(chunk.bytes());
  cursor.sent_at = now_;
  if (!chunk.batches.empty() && !cursor.bounded) cursor.wants_mark = true;
  effects.chunks.push_back({cursor.sink, cursor.token, std::move(chunk)});
}

void TailHub::Settle(CursorId id, const TailCursor& cursor) {
  const bool waits = cursor.credit_bytes > 0 && !cursor.seeking && !cursor.loading &&
                     cursor.cold.empty() && cursor.through >= applied_;
  if (waits) {
    waiting_.insert(id);
  } else {
    waiting_.erase(id);
  }
  if (waits && cursor.wants_mark) {
    unmarked_.insert(id);
  } else {
    unmarked_.erase(id);
  }
}

// ---- Cold reads ---------------------------------------------------------------------

std::optional<Seq> TailHub::SeekInRing(int64_t timestamp_us) const {
  const Seq end = visible_.last_seq + 1;
  if (visible_.timestamp_us < timestamp_us) return end;
  const std::optional<Seq> found = ring_.FindTime(timestamp_us);
  return found ? std::optional(std::min(*found, end)) : std::nullopt;
}

void TailHub::RequestRead(CursorId id, TailCursor& cursor, Effects& effects) const {
  storage::ReadRequest request;
  request.group = group_;
  request.ticket = kTicketBit | id;
  // What is before the ring is applied and on this node's disk. What is in it may be on the
  // disk in a version that was replaced.
  request.last = ring_.before_index();
  const auto credit = static_cast<uint64_t>(cursor.credit_bytes);
  request.max_bytes = std::min(std::max(credit, kMinColdReadBytes), cold_read_bytes_);
  if (cursor.seeking) {
    if (const std::optional<Seq> found = SeekInRing(*cursor.from_timestamp_us)) {
      cursor.next = std::min(cursor.next, std::max(*found, first_seq_));
      cursor.seeking = false;
      return;
    }
    request.timestamp_us = *cursor.from_timestamp_us;
  } else {
    request.seq = cursor.next;
  }
  cursor.loading = true;
  Hit(::cairn::Mark::kColdTail);
  effects.reads.push_back(request);
}

void TailHub::OnLoaded(const storage::ReadResult& result, Effects& effects) {
  const CursorId id = result.ticket & ~kTicketBit;
  const auto found = cursors_.find(id);
  if (found == cursors_.end()) return;  // Closed or ended meanwhile.
  if (std::optional<Rejection> why = TakeLoaded(result, found->second)) {
    End(id, std::move(why), effects);
  } else {
    Pump(id, effects);
  }
}

std::optional<Rejection> TailHub::TakeLoaded(const storage::ReadResult& result,
                                             TailCursor& cursor) const {
  CHECK(cursor.loading);
  cursor.loading = false;
  cursor.through = Index();
  if (!result.status.ok()) return LoadFailure(result.status, cursor.next);
  const bool sought = std::exchange(cursor.seeking, false);
  if (sought && result.seq) cursor.next = std::min(cursor.next, std::max(*result.seq, first_seq_));
  for (const storage::StoredEntry& entry : result.entries) {
    if (static_cast<consensus::EntryKind>(entry.kind) != consensus::EntryKind::kData) continue;
    const auto header = storage::ParseEntryHeader(entry.payload.view());
    if (!header.ok()) return LoadFailure(header.status(), cursor.next);
    cursor.cold.push_back({entry.index, entry.payload, *header});
  }
  // Else the same read would be asked for again and again.
  const bool useful = !cursor.cold.empty() && cursor.cold.back().header.last_seq() >= cursor.next;
  if (!useful && !sought) {
    return LoadFailure(absl::DataLossError("the store returned no entry that holds it"),
                       cursor.next);
  }
  if (!useful) cursor.cold.clear();
  return std::nullopt;
}

Rejection TailHub::LoadFailure(const absl::Status& status, Seq asked) const {
  const std::string message =
      fmt::format("log {}: reading record {}: {}", group_, asked, std::string(status.message()));
  switch (status.code()) {
    case absl::StatusCode::kOutOfRange:
      return Trimmed(asked);
    case absl::StatusCode::kCancelled:
      return Reject(cairn::v1::REASON_SHUTTING_DOWN, message);
    case absl::StatusCode::kNotFound:
      return Reject(cairn::v1::REASON_LOG_NOT_FOUND, message);
    default:
      return Reject(cairn::v1::REASON_LOG_HALTED, message);
  }
}

Rejection TailHub::Reject(cairn::v1::Reason reason, std::string message) const {
  Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.info.set_log_id(group_.value());
  rejection.message = std::move(message);
  return rejection;
}

Rejection TailHub::Trimmed(Seq asked) const {
  Rejection trimmed = Reject(cairn::v1::REASON_TRIMMED,
                             fmt::format("log {}: record {} was trimmed, the oldest kept is {}",
                                         group_, asked, first_seq_));
  trimmed.info.set_first_seq(first_seq_.value());
  return trimmed;
}

// ---- What the group tells -----------------------------------------------------------

void TailHub::OnApplied(Index index, const LogPosition& position, Effects& effects) {
  CHECK_GE(index, applied_);
  applied_ = index;
  visible_ = position;
  pumping_.assign(waiting_.begin(), waiting_.end());
  for (CursorId id : pumping_) Pump(id, effects);
}

void TailHub::OnRenewed(Index index, const cairn::v1::LeaseRenewedMark& mark) {
  CHECK_GT(index, applied_);
  CHECK(marks_.empty() || marks_.back().index <= index);
  marks_.push_back({index, mark});
}

void TailHub::OnTrimmed(Seq first_seq, Effects& effects) {
  first_seq = std::max(first_seq, held_from_);
  if (first_seq <= first_seq_) return;
  first_seq_ = first_seq;
  std::vector<CursorId> gone;
  for (const auto& [id, cursor] : cursors_) {
    if (cursor.next < first_seq_) gone.push_back(id);
  }
  for (CursorId id : gone) End(id, Trimmed(cursors_.at(id).next), effects);
}

void TailHub::OnConfirmed(MonoMicros asked, Index index, TurnTime now, Effects& effects) {
  now_ = now.mono;
  if (applied_ < index) return;
  pumping_.assign(unmarked_.begin(), unmarked_.end());
  for (CursorId id : pumping_) {
    TailCursor& cursor = cursors_.at(id);
    if (asked < cursor.mark_after) continue;  // The round knew nothing of this subscription.
    TailChunk chunk;
    chunk.caught_up.emplace();
    chunk.caught_up->set_seq(visible_.last_seq.value());
    chunk.caught_up->set_chain(visible_.chain);
    chunk.caught_up->set_age_us(static_cast<uint64_t>(now.mono - asked));
    Send(cursor, std::move(chunk), effects);
    cursor.wants_mark = false;
    cursor.mark_after = now.mono;
    Settle(id, cursor);
  }
}

std::optional<MonoMicros> TailHub::NextHeartbeat() const {
  std::optional<MonoMicros> next;
  for (const auto& [id, cursor] : cursors_) {
    if (!WantsHeartbeats(cursor)) continue;
    const MonoMicros due = cursor.sent_at + cursor.heartbeat_us;
    if (!next || due < *next) next = due;
  }
  return next;
}

void TailHub::OnTick(TurnTime now, bool stale, Effects& effects) {
  now_ = now.mono;
  stale_ = stale;
  slowest_tail_ = 0;
  for (auto& [id, cursor] : cursors_) {
    if (!cursor.bounded && !cursor.seeking && cursor.next <= visible_.last_seq) {
      slowest_tail_ = std::max<uint64_t>(slowest_tail_, visible_.last_seq - cursor.next + 1);
    }
    if (!WantsHeartbeats(cursor) || now.mono - cursor.sent_at < cursor.heartbeat_us) continue;
    TailChunk chunk;
    chunk.heartbeat = visible_.last_seq;
    Send(cursor, std::move(chunk), effects);
    Settle(id, cursor);
  }
}

}  // namespace cairn::server
