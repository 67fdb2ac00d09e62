#include "storage/check_logs.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/v1/store.pb.h"
#include "storage/entry_codec.h"
#include "storage/key_codec.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

constexpr uint8_t kDataKind = 1;  // consensus::EntryKind, as it stands on disk.
constexpr uint8_t kLastKind = 2;
constexpr GroupId kCatalog{0};

template <class... Args>
absl::Status Wrong(fmt::format_string<Args...> format, Args&&... args) {
  return absl::DataLossError(ToAbsl(fmt::format(format, std::forward<Args>(args)...)));
}

// One group's rows of one family, from `begin` on.
class Rows {
 public:
  Rows(const Columns& columns, Family family, GroupId group, const std::string& begin)
      : end_(GroupEnd(group)), end_slice_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &end_slice_;
    options.fill_cache = false;
    options.readahead_size = 1 << 20;
    it_.reset(columns.db->NewIterator(options, columns[family]));
    it_->Seek(begin);
  }
  [[nodiscard]] bool Valid() const { return it_->Valid(); }
  void Next() { it_->Next(); }
  // 0: not a key of this family.
  [[nodiscard]] uint64_t position() const {
    return PositionOfKey(it_->key().ToStringView()).value_or(0);
  }
  [[nodiscard]] std::string_view value() const { return it_->value().ToStringView(); }
  [[nodiscard]] absl::Status status() const { return FromRocks(it_->status()); }

 private:
  const std::string end_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

class LogCheck {
 public:
  LogCheck(const Columns& columns, const LoadedGroup& group, std::map<GroupId, std::string>* names,
           LogVisitor* visitor)
      : group_(group),
        id_(group.stored.group),
        names_(names),
        visitor_(visitor),
        entries_(columns, Family::kEntries, id_, EntryKey(id_, FirstIndex())),
        seqs_(columns, Family::kSeqs, id_, SeqKey(id_, FirstSeq())) {
    log_.id = id_;
    log_.removed = group.removed_at.has_value();
    log_.first_seq = next_seq_ = FirstSeq();
  }

  absl::StatusOr<CheckedLog> Run(const std::function<void(uint64_t)>& on_bytes) {
    absl::Status status = Begin();
    for (; status.ok() && entries_.Valid() && !AtUnfinished(); entries_.Next()) {
      status = TakeEntry();
      on_bytes(entries_.value().size());
    }
    if (status.ok()) status = End();
    // (All that is found wrong here is kDataLoss, or RocksDB's.)
    RETURN_IF_ERROR(visitor_failed_);
    log_.damage = ToStd(status.message());
    log_.last_seq = next_seq_ - 1;
    log_.chain = chain_;
    return std::move(log_);
  }

 private:
  [[nodiscard]] Index FirstIndex() const { return group_.stored.before_index + 1; }
  [[nodiscard]] Seq FirstSeq() const {
    return group_.segments.empty() ? Seq(1) : group_.segments.front().first_seq;
  }

  // What stands behind this a start deletes.
  [[nodiscard]] bool AtUnfinished() const {
    return group_.unfinished && last_ == *group_.unfinished;
  }

  absl::Status Begin() {
    if (group_.stored.segments.empty()) return absl::OkStatus();
    const SegmentRow& first = group_.stored.segments.front();
    last_ = first.before_index;
    term_ = first.before_term;
    chain_ = first.chain_before;
    timestamp_us_ = first.timestamp_us;
    bytes_ = group_.segments.front().bytes_before;
    return CheckSegment();
  }

  // The segment row that stands after the last entry, if there is one.
  absl::Status CheckSegment() {
    const std::vector<SegmentRow>& rows = group_.stored.segments;
    if (next_segment_ == rows.size() || rows[next_segment_].before_index != last_) {
      return absl::OkStatus();
    }
    const SegmentRow& row = rows[next_segment_];
    const uint64_t bytes_before = group_.segments[next_segment_].bytes_before;
    ++next_segment_;
    if (row.before_term == term_ && row.first_seq == next_seq_ && row.chain_before == chain_ &&
        row.timestamp_us == timestamp_us_ && bytes_before == bytes_) {
      RETURN_IF_ERROR(CheckState(row));
      return Visit(&LogVisitor::OnSegment, row);
    }
    return Wrong(
        "the segment row after entry {} says term {}, next seq {}, chain {:016x}, time {}, {} "
        "bytes, and the entries term {}, next seq {}, chain {:016x}, time {}, {} bytes",
        last_, row.before_term, row.first_seq, row.chain_before, row.timestamp_us, bytes_before,
        term_, next_seq_, chain_, timestamp_us_, bytes_);
  }

  template <class Part>
  absl::Status Visit(absl::Status (LogVisitor::*take)(const Part&), const Part& part) {
    if (visitor_ == nullptr) return absl::OkStatus();
    absl::Status status = (visitor_->*take)(part);
    if (!status.ok() && !absl::IsDataLoss(status)) visitor_failed_ = status;
    return status;
  }

  absl::Status CheckState(const SegmentRow& row) const {
    cairn::v1::GroupSnapshot snapshot;
    if (!snapshot.ParseFromString(row.state)) {
      return Wrong("the state in the segment row after entry {} does not parse", last_);
    }
    const cairn::v1::LogStateSnapshot& state = snapshot.state();
    if (snapshot.index() == last_.value() && snapshot.term() == row.before_term.value() &&
        state.log_id() == id_.value() && state.last_seq() + 1 == row.first_seq.value() &&
        state.chain() == row.chain_before && state.timestamp_us() == row.timestamp_us) {
      return absl::OkStatus();
    }
    return Wrong("the state in the segment row after entry {} is that of another place: {}", last_,
                 snapshot.ShortDebugString());
  }

  absl::Status TakeEntry() {
    const Index index = last_ + 1;
    if (entries_.position() != index.value()) return Wrong("entry {} is missing", index);
    ASSIGN_OR_RETURN(const StoredEntry entry, DecodeEntryRow(id_, index, entries_.value()));
    ASSIGN_OR_RETURN(const uint64_t through, DecodeBytesThrough(id_, index, entries_.value()));
    RETURN_IF_ERROR(TakeTerm(entry));
    if (entry.kind > kLastKind) return Wrong("entry {} has the unknown kind {}", index, entry.kind);
    if (entry.kind == kDataKind) {
      RETURN_IF_ERROR(Annotate(TakeRecords(entry), fmt::format("entry {}", index)));
    } else if (entry.record_count != 0) {
      return Wrong("entry {} cannot have records", index);
    }
    bytes_ += entry.payload.size();
    if (through != bytes_) {
      return Wrong("entry {} says that {} bytes end with it, there are {}", index, through, bytes_);
    }
    RETURN_IF_ERROR(Visit(&LogVisitor::OnEntry, entry));
    last_ = index;
    ++log_.entries;
    log_.bytes += entry.payload.size();
    return CheckSegment();
  }

  // There is a row for the first kept entry, and for each that begins a term.
  absl::Status TakeTerm(const StoredEntry& entry) {
    if (entry.term < term_) {
      return Wrong("entry {} is of term {}, the one before of {}", entry.index, entry.term, term_);
    }
    const bool begins = log_.entries == 0 || entry.term > term_;
    term_ = entry.term;
    const std::vector<StoredGroup::TermRow>& rows = group_.stored.terms;
    const bool has_row = next_term_ < rows.size() && rows[next_term_].first == entry.index;
    if (has_row != begins || (has_row && rows[next_term_].term != entry.term)) {
      return Wrong("the term rows do not fit entry {} of term {}", entry.index, entry.term);
    }
    next_term_ += has_row ? 1 : 0;
    return absl::OkStatus();
  }

  absl::Status TakeRecords(const StoredEntry& entry) {
    ASSIGN_OR_RETURN(const EntryView view, EntryView::Parse(entry.payload.view()));
    const EntryHeader& header = view.header();
    RETURN_IF_ERROR(view.Items().status());
    if (header.first_seq != next_seq_ || entry.first_seq != next_seq_) {
      return Wrong("its first seq is {}, expected {}", header.first_seq, next_seq_);
    }
    if (header.timestamp_us < timestamp_us_ || header.timestamp_us != entry.timestamp_us) {
      return Wrong("its log time is {}, the one before was {}", header.timestamp_us, timestamp_us_);
    }
    chain_ = view.ComputeChain(chain_);
    if (header.chain != chain_) {
      return Wrong("its chain is {:016x}, computed {:016x}", header.chain, chain_);
    }
    if (entry.record_count != header.record_count) return Wrong("its count of records");
    timestamp_us_ = header.timestamp_us;
    if (header.record_count > 0) RETURN_IF_ERROR(TakeSeqRow(entry));
    if (names_ != nullptr) NoteNames(view);
    next_seq_ = header.last_seq() + 1;
    log_.records += header.record_count;
    return absl::OkStatus();
  }

  absl::Status TakeSeqRow(const StoredEntry& entry) {
    RETURN_IF_ERROR(seqs_.status());
    if (!seqs_.Valid() || seqs_.position() != entry.first_seq.value()) {
      return Wrong("the row of seq {} is missing", entry.first_seq);
    }
    ASSIGN_OR_RETURN(const SeqRow row, DecodeSeqRow(seqs_.value()));
    if (row != SeqRow{entry.index, entry.timestamp_us, entry.record_count}) {
      return Wrong("the row of seq {} is not its own", entry.first_seq);
    }
    seqs_.Next();
    return absl::OkStatus();
  }

  void NoteNames(const EntryView& view) {
    view.ForEachRecord([&](uint32_t offset, std::string_view bytes) {
      cairn::v1::Record record;
      cairn::v1::CatalogCommand command;
      if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
          record.kind() != cairn::v1::RECORD_KIND_CATALOG ||
          !command.ParseFromString(record.payload())) {
        return;
      }
      if (command.has_cluster_formed()) log_id_base_ = command.cluster_formed().log_id_base();
      if (command.has_log_created()) {
        (*names_)[GroupId(log_id_base_ + (next_seq_ + offset).value())] =
            command.log_created().name();
      }
    });
  }

  absl::Status End() {
    RETURN_IF_ERROR(entries_.status());
    RETURN_IF_ERROR(seqs_.status());
    if (next_segment_ != group_.stored.segments.size() ||
        next_term_ != group_.stored.terms.size() || (seqs_.Valid() && !AtUnfinished())) {
      return Wrong("entry {} is missing", last_ + 1);
    }
    const StoredHardState& hard = group_.stored.hard_state;
    if (hard.term < term_)
      return Wrong("the hard state is of term {}, the log of {}", hard.term, term_);
    if (hard.commit > last_ && group_.stored.damage.empty()) {
      return Wrong("entry {} was committed, and the log ends with {}", hard.commit, last_);
    }
    if (!group_.stored.damage.empty()) return Wrong("noted before: {}", group_.stored.damage);
    return absl::OkStatus();
  }

  const LoadedGroup& group_;
  const GroupId id_;
  std::map<GroupId, std::string>* const names_;
  LogVisitor* const visitor_;
  absl::Status visitor_failed_;
  Rows entries_;
  Rows seqs_;
  CheckedLog log_;
  uint64_t log_id_base_ = 0;  // Of the catalog: what its cluster adds to a seq.
  // As of the last entry that was in order.
  Index last_;
  Term term_;
  Seq next_seq_;
  uint64_t chain_ = 0;
  int64_t timestamp_us_ = 0;
  uint64_t bytes_ = 0;
  // Of the rows that come next.
  size_t next_segment_ = 0;
  size_t next_term_ = 0;
};

}  // namespace

absl::StatusOr<CheckedLog> CheckLog(const Columns& columns, const LoadedGroup& group,
                                    const std::function<void(uint64_t)>& on_bytes,
                                    std::map<GroupId, std::string>* names, LogVisitor* visitor) {
  if (group.removed_at == kPurging) {
    return CheckedLog{.id = group.stored.group, .removed = true};  // Nothing of it counts.
  }
  std::map<GroupId, std::string>* const noted = group.stored.group == kCatalog ? names : nullptr;
  return LogCheck(columns, group, noted, visitor).Run(on_bytes);
}

}  // namespace cairn::storage
