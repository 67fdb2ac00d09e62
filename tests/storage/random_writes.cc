#include "tests/storage/random_writes.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "tests/storage/store_testing.h"
#include "tests/support/random_bytes.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kGroups = 4;
constexpr uint64_t kReadBytes = 1 << 20;
constexpr int64_t kMicrosPerEntry = 10;

absl::Status DumpEntries(const LogStore& store, const StoredGroup& group, std::string& text) {
  for (Index next = group.before_index + 1; next <= group.last_index;) {
    ASSIGN_OR_RETURN(const EntryRange range,
                     store.ReadEntries(group.group, next, group.last_index, kReadBytes));
    for (const StoredEntry& entry : range.entries) {
      CHECK_EQ(entry.index, next);
      ++next;
      text += fmt::format("  {}/{} kind {} seq {}+{} time {} bytes {} {:016x}\n", entry.index,
                          entry.term, entry.kind, entry.first_seq, entry.record_count,
                          entry.timestamp_us, entry.payload.size(),
                          std::hash<std::string_view>()(entry.payload.view()));
      if (entry.record_count == 0) continue;
      ASSIGN_OR_RETURN(const Index first, store.SeekSeq(group.group, entry.first_seq));
      ASSIGN_OR_RETURN(const Index last,
                       store.SeekSeq(group.group, entry.first_seq + (entry.record_count - 1)));
      ASSIGN_OR_RETURN(const auto at, store.SeekTime(group.group, entry.timestamp_us));
      text += fmt::format("    in {} and {}, at its time {}\n", first, last, at.value_or(Seq()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> Dump(const LogStore& store) {
  ASSIGN_OR_RETURN(const std::vector<StoredGroup> groups, store.LoadGroups());
  std::string text;
  for (const StoredGroup& group : groups) {
    text += fmt::format("group {} term {} vote {} commit {} after {}/{} through {}\n", group.group,
                        group.hard_state.term, group.hard_state.vote, group.hard_state.commit,
                        group.before_index, group.before_term, group.last_index);
    for (const auto& row : group.terms)
      text += fmt::format("  term {} from {}\n", row.term, row.first);
    ASSIGN_OR_RETURN(const std::vector<uint64_t> bytes, store.SegmentBytes(group.group));
    CHECK_EQ(bytes.size(), group.segments.size());
    for (size_t i = 0; i < bytes.size(); ++i) {
      const SegmentRow& row = group.segments[i];
      text += fmt::format("  segment after {}/{} seq {} time {} chain {} state {} bytes {}\n",
                          row.before_index, row.before_term, row.first_seq, row.timestamp_us,
                          row.chain_before, row.state, bytes[i]);
    }
    RETURN_IF_ERROR(DumpEntries(store, group, text));
  }
  return text;
}

StoreBatch RandomWrites::Next() {
  StoreBatch batch;
  const auto groups = model_.LoadGroups();
  CHECK(groups.ok());
  const uint64_t first = 1 + random_.Below(kGroups);
  const uint64_t writes = 1 + random_.Below(3);
  for (uint64_t i = 0; i < writes; ++i) {
    const GroupId id((first + i - 1) % kGroups + 1);
    const auto group = std::find_if(groups->begin(), groups->end(),
                                    [&](const StoredGroup& g) { return g.group == id; });
    if (group == groups->end()) {
      batch.groups.push_back(MakeGroup(id));
    } else {
      batch.groups.emplace_back().group = id;
      Change(*group, batch.groups.back());
    }
  }
  return batch;
}

void RandomWrites::Change(const StoredGroup& group, GroupWrite& write) {
  const Index last = group.last_index;
  const Term term =
      group.terms.empty() ? std::max(group.before_term, Term(1)) : group.terms.back().term;
  const uint64_t kind = random_.Below(100);
  if (kind < 70) {
    Append(group, last + 1, random_.Chance(0.1) ? term + 1 : term, write);
  } else if (kind < 78) {
    write.hard_state = StoredHardState{term + 1, NodeId(1 + random_.Below(3)), last};
  } else if (kind < 84 && last > group.before_index) {
    const Index from = last - random_.Below(std::min<uint64_t>(3, last - group.before_index));
    Append(group, from, term + 1, write);
  } else if (kind < 92 && last > group.segments.back().before_index) {
    write.segments = {MakeSegment(last.value(), term.value(), SeqAfter(group, last).value())};
  } else if (kind < 96) {
    write.trim_to = group.segments[random_.Below(group.segments.size())].before_index;
  } else if (kind < 98) {
    write.install = MakeSegment(last.value() + 5, term.value() + 1, last.value() + 7, "snapshot");
  } else {
    write.remove = true;
  }
}

absl::StatusOr<StoreBatch> RandomWrites::NextRun(LogStore& store, StoreBatch* for_store) {
  const auto groups = model_.LoadGroups();
  CHECK(groups.ok());
  if (groups->empty()) return StoreBatch();
  const StoredGroup& group = (*groups)[random_.Below(groups->size())];
  const Term term =
      group.terms.empty() ? std::max(group.before_term, Term(1)) : group.terms.back().term;
  GroupWrite model;
  model.group = group.group;
  Append(group, group.last_index + 1, random_.Chance(0.5) ? term + 1 : term, model);
  const StoredEntry& last = model.entries.back();
  Seq next_seq = SeqAfter(group, group.last_index);
  for (const StoredEntry& entry : model.entries) next_seq = next_seq + entry.record_count;
  model.segments = {MakeSegment(last.index.value(), last.term.value(), next_seq.value())};

  ASSIGN_OR_RETURN(const std::unique_ptr<RunBuilder> builder,
                   store.BeginRun(group.group, group.last_index));
  for (const StoredEntry& entry : model.entries) RETURN_IF_ERROR(builder->Add(RefTo(entry)));
  GroupWrite stored;
  stored.group = group.group;
  ASSIGN_OR_RETURN(stored.run, builder->Finish());
  stored.segments = model.segments;
  *for_store = OneWrite(std::move(stored));
  return OneWrite(std::move(model));
}

void RandomWrites::Append(const StoredGroup& group, Index first, Term term, GroupWrite& write) {
  Seq seq = SeqAfter(group, first - 1);
  const uint64_t count = 1 + random_.Below(3);
  for (Index index = first; index < first + count; ++index) {
    const auto records = static_cast<uint32_t>(random_.Below(3));
    write.entries.push_back(MakeEntry(index.value(), term.value(), Payload(), seq.value(), records,
                                      kMicrosPerEntry * static_cast<int64_t>(index.value())));
    seq = seq + records;
  }
}

StoredEntry RandomWrites::EntryAt(GroupId group, Index index) const {
  const auto range = model_.ReadEntries(group, index, index, 0);
  CHECK(range.ok());
  return range->entries.front();
}

Seq RandomWrites::SeqAfter(const StoredGroup& group, Index index) const {
  for (; index > group.before_index; index = index - 1) {
    const StoredEntry entry = EntryAt(group.group, index);
    if (entry.record_count > 0) return entry.first_seq + entry.record_count;
  }
  return group.segments.front().first_seq;
}

// Mostly small, now and then longer than a block of the write-ahead log.
std::string RandomWrites::Payload() {
  return testing::RandomBytes(random_, random_.Below(random_.Chance(0.05) ? 50000 : 4000));
}

void RandomWrites::Acknowledge(const StoreBatch& batch) { CHECK(model_.Write(batch).ok()); }

std::string RandomWrites::Expected(const StoreBatch* more) {
  if (more != nullptr) model_.WriteUnsynced(*more);
  const absl::StatusOr<std::string> text = Dump(model_);
  CHECK(text.ok());
  if (more != nullptr) model_.Crash(CrashFault::kLoseAll, random_);
  return *text;
}

}  // namespace cairn::storage
