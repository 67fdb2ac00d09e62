#include "server/recovered_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "consensus/membership.h"
#include "server/log_state.h"

namespace cairn::server {
namespace {

using consensus::EntryKind;

constexpr uint64_t kFlushBytes = 8 << 20;
// Where a log without entries begins: behind an entry that never was.
constexpr Index kFirstIndex{1};
constexpr Term kFirstTerm{1};

EntryKind KindOf(const storage::StoredEntry& entry) { return static_cast<EntryKind>(entry.kind); }

}  // namespace

RecoveredLog::RecoveredLog(const Parts& parts) : parts_(parts) {
  report_.term = parts_.hard_state.term;
  pending_.group = parts_.id;
}

absl::Status RecoveredLog::NoteMembership(std::string_view bytes) {
  ASSIGN_OR_RETURN(const consensus::Membership membership, consensus::DecodeMembership(bytes));
  report_.voted = membership.IsVoter(parts_.old_node);
  report_.placed = !membership.voters.empty();
  return absl::OkStatus();
}

absl::StatusOr<storage::SegmentRow> RecoveredLog::Rewrite(const storage::SegmentRow& row,
                                                          Index before, Term before_term) {
  cairn::v1::GroupSnapshot snapshot;
  if (!snapshot.ParseFromString(row.state)) {
    return absl::DataLossError("a segment row's state does not parse");
  }
  RETURN_IF_ERROR(NoteMembership(snapshot.membership()));
  report_.doubtful = report_.doubtful || snapshot.doubtful();
  consensus::Membership alone;
  alone.voters = {parts_.node};
  snapshot.set_membership(consensus::EncodeMembership(alone));
  snapshot.set_doubtful(false);
  snapshot.set_index(before.value());
  snapshot.set_term(before_term.value());
  snapshot.mutable_state()->set_log_id(parts_.id.value());
  if (!installed_) {
    ASSIGN_OR_RETURN(facts_, LogFacts::FromSnapshot(snapshot.state()));
    report_.first_seq = row.first_seq;
  }
  storage::SegmentRow rewritten = row;
  rewritten.before_index = before;
  rewritten.before_term = before_term;
  rewritten.state = snapshot.SerializeAsString();
  return rewritten;
}

absl::Status RecoveredLog::Install(const storage::SegmentRow& row, Index before, Term before_term) {
  ASSIGN_OR_RETURN(pending_.install, Rewrite(row, before, before_term));
  installed_ = true;
  begin_ = last_ = before;
  report_.last_term = before_term;
  return absl::OkStatus();
}

absl::Status RecoveredLog::OnSegment(const storage::SegmentRow& row) {
  if (installed_) {
    if (row.before_index == begin_) return absl::OkStatus();  // It begins there already.
    ASSIGN_OR_RETURN(storage::SegmentRow rewritten,
                     Rewrite(row, row.before_index, row.before_term));
    pending_.segments.push_back(std::move(rewritten));
    return absl::OkStatus();
  }
  if (row.before_index) return Install(row, row.before_index, row.before_term);
  first_row_ = row;
  return absl::OkStatus();
}

absl::Status RecoveredLog::PassFirst(const storage::StoredEntry& entry) {
  if (entry.index != kFirstIndex || KindOf(entry) != EntryKind::kNoop) {
    return absl::DataLossError(ToAbsl(
        fmt::format("the log begins with entry {} of kind {}, expected a leader's first one at {}",
                    entry.index, entry.kind, kFirstIndex)));
  }
  return Install(*std::exchange(first_row_, std::nullopt), entry.index, entry.term);
}

absl::Status RecoveredLog::OnEntry(const storage::StoredEntry& entry) {
  if (first_row_) return PassFirst(entry);
  CHECK_EQ(entry.index, last_ + 1);
  storage::StoredEntry kept = entry;
  switch (KindOf(entry)) {
    case EntryKind::kNoop:
      break;
    case EntryKind::kConfig:
      RETURN_IF_ERROR(NoteMembership(entry.payload.view()));
      kept.kind = static_cast<uint8_t>(EntryKind::kNoop);
      kept.payload = Bytes();
      break;
    case EntryKind::kData: {
      ASSIGN_OR_RETURN(const storage::EntryView view,
                       storage::EntryView::Parse(entry.payload.view()));
      RETURN_IF_ERROR(facts_.ApplyEntry(entry.index, view));
      break;
    }
  }
  last_ = entry.index;
  report_.last_term = entry.term;
  if (entry.index <= parts_.hard_state.commit) report_.committed_seq = facts_.last_seq;
  pending_bytes_ += kept.payload.size();
  pending_.entries.push_back(std::move(kept));
  return pending_bytes_ < kFlushBytes ? absl::OkStatus() : Flush();
}

void RecoveredLog::AddEnd(TurnTime now) {
  report_.last_seq = facts_.last_seq;
  report_.chain = facts_.chain;
  report_.newest_us = facts_.timestamp_us;
  report_.leases = facts_.leases.size();
  report_.producers = facts_.producers.size();
  report_.importing = facts_.importing;
  const Term term(std::max(report_.term, report_.last_term).value() + 1);
  LogState state(std::move(facts_), last_, LogLimits());
  state.BeginTerm(now);
  state.BeginEntry(last_ + 1, now);
  state.EvaluateEndOfAll();
  if (std::optional<Bytes> payload = state.FinishEntry()) {
    last_ = last_ + 1;
    const auto header = storage::ParseEntryHeader(payload->view());
    CHECK_EQ(header.status(), absl::OkStatus());
    pending_.entries.push_back({.index = last_,
                                .term = term,
                                .kind = static_cast<uint8_t>(EntryKind::kData),
                                .payload = *std::move(payload),
                                .first_seq = header->first_seq,
                                .record_count = header->record_count,
                                .timestamp_us = header->timestamp_us});
  }
  pending_.hard_state = {term, NodeId(), last_};
}

absl::StatusOr<RecoveredLogReport> RecoveredLog::Finish(TurnTime now) {
  if (first_row_) {
    RETURN_IF_ERROR(Install(*std::exchange(first_row_, std::nullopt), kFirstIndex, kFirstTerm));
  }
  if (!installed_) return report_;  // Not even its first row can be read.
  // What stands before the first kept entry was trimmed, which only what is committed can be.
  report_.committed_seq = std::max(report_.committed_seq, report_.first_seq.Previous());
  AddEnd(now);
  RETURN_IF_ERROR(Flush());
  return report_;
}

absl::Status RecoveredLog::Flush() {
  storage::GroupWrite write;
  write.group = parts_.id;
  std::swap(write, pending_);
  pending_bytes_ = 0;
  if (parts_.store == nullptr) return absl::OkStatus();
  storage::StoreBatch batch;
  batch.groups.push_back(std::move(write));
  return parts_.store->Write(batch);
}

}  // namespace cairn::server
