#include "adapter/redis/key_marks.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "xxhash.h"

namespace cairn::adapter::redis {
namespace {

// Hashes of whole databases stand in a range of their own, which keys leave to them.
constexpr uint64_t kWideTag = 0xffff'ffff'0000'0000;

bool IsWide(KeyHash key) {
  return key == kEverything || (static_cast<uint64_t>(key) & kWideTag) == kWideTag;
}

}  // namespace

KeyHash HashKey(uint32_t database, std::string_view key) {
  const uint64_t hash = XXH3_64bits_withSeed(key.data(), key.size(), database);
  const KeyHash plain{hash};
  return IsWide(plain) ? KeyHash{hash ^ (1ull << 63)} : plain;
}

KeyHash WholeDatabase(uint32_t database) { return KeyHash{kWideTag | database}; }

BatchId BatchLedger::Begin() {
  ++last_;
  unknown_.insert(unknown_.end(), last_);
  return last_;
}

void BatchLedger::Known(BatchId batch, StreamOffset offset) {
  CHECK_EQ(unknown_.erase(batch), 1u);
  covering_ = std::max(covering_, offset);
}

BatchId BatchLedger::known_through() const {
  return unknown_.empty() ? last_ : unknown_.begin()->Previous();
}

void KeyMarks::Mark(BatchId batch, KeyHash key) {
  Entry& entry = entries_[static_cast<uint64_t>(key)];
  if (!entry.unknown.empty() && entry.unknown.back() == batch) return;
  entry.unknown.push_back(batch);
  unknown_[batch].push_back(key);
}

void KeyMarks::Known(BatchId batch, StreamOffset offset) {
  const auto found = unknown_.find(batch);
  if (found == unknown_.end()) return;  // None of its keys is here.
  for (const KeyHash key : found->second) {
    Entry& entry = entries_.at(static_cast<uint64_t>(key));
    entry.known = std::max(entry.known, offset);
    const auto end = std::remove(entry.unknown.begin(), entry.unknown.end(), batch);
    entry.unknown.erase(end, entry.unknown.end());
  }
  std::vector<KeyHash>& keys = known_[offset];
  if (keys.empty()) {
    keys = std::move(found->second);
  } else {
    keys.insert(keys.end(), found->second.begin(), found->second.end());
  }
  unknown_.erase(found);
  Commit(committed_);  // It may have been committed before it was known.
}

void KeyMarks::Commit(StreamOffset committed) {
  committed_ = std::max(committed_, committed);
  while (!known_.empty() && known_.begin()->first <= committed_) {
    for (const KeyHash key : known_.begin()->second) {
      const auto entry = entries_.find(static_cast<uint64_t>(key));
      if (entry == entries_.end()) continue;  // Marked by several batches up to here.
      if (entry->second.unknown.empty() && entry->second.known <= committed_) entries_.erase(entry);
    }
    known_.erase(known_.begin());
  }
}

void KeyMarks::Judge(KeyHash key, MarkVerdict& verdict) const {
  const auto found = entries_.find(static_cast<uint64_t>(key));
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  if (entry.known > committed_) verdict.offset = std::max(verdict.offset, entry.known);
  for (const BatchId batch : entry.unknown) verdict.through = std::max(verdict.through, batch);
}

BatchId SharedKeyMarks::Begin() {
  absl::MutexLock lock(&ledger_mutex_);
  return ledger_.Begin();
}

void SharedKeyMarks::Mark(BatchId batch, KeyHash key) {
  if (IsWide(key)) wide_.store(true);
  Shard& shard = ShardOf(key);
  absl::MutexLock lock(&shard.mutex);
  shard.marks.Mark(batch, key);
}

// First the marks, then the ledger: who is told that a batch is known finds its offset covered.
void SharedKeyMarks::Known(BatchId batch, StreamOffset offset) {
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    shard.marks.Known(batch, offset);
  }
  absl::MutexLock lock(&ledger_mutex_);
  ledger_.Known(batch, offset);
}

void SharedKeyMarks::Commit(StreamOffset committed) {
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    shard.marks.Commit(committed);
  }
}

MarkVerdict SharedKeyMarks::Judge(uint32_t database, std::span<const KeyHash> keys) const {
  MarkVerdict verdict;
  const auto judge = [&](KeyHash key) {
    const Shard& shard = ShardOf(key);
    absl::MutexLock lock(&shard.mutex);
    shard.marks.Judge(key, verdict);
  };
  for (const KeyHash key : keys) judge(key);
  if (wide_.load()) {
    judge(kEverything);
    judge(WholeDatabase(database));
  }
  return verdict;
}

std::optional<StreamOffset> SharedKeyMarks::Covering(BatchId through) const {
  absl::MutexLock lock(&ledger_mutex_);
  if (ledger_.known_through() < through) return std::nullopt;
  return ledger_.covering();
}

size_t SharedKeyMarks::size() const {
  size_t size = 0;
  for (const Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    size += shard.marks.size();
  }
  return size;
}

}  // namespace cairn::adapter::redis
