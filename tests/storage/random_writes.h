// RandomWrites: batches as nodes would write them, and a copy in memory of what they add up
// to, against which a store is compared after each crash.
//
// Threads: not safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "storage/mem_log_store.h"

namespace cairn::storage {

// Everything that a store shows of its groups, in one text: rows, entries, both directions of
// the seq index. Errors: the first one that any read answers.
absl::StatusOr<std::string> Dump(const LogStore& store);

class RandomWrites {
 public:
  explicit RandomWrites(uint64_t seed) : random_(seed) {}

  // The next batch: mostly appends to a few groups; also votes, replaced suffixes, new
  // segments, trims, installed snapshots and removed groups. Not applied yet.
  StoreBatch Next();
  // The same for a run of entries that continues a group, if there is one, and opens a segment
  // behind itself. What `store` is to be given is in `*for_store`; without a run there, it is
  // empty. Errors: the store's.
  absl::StatusOr<StoreBatch> NextRun(LogStore& store, StoreBatch* for_store);
  // `batch`, the last that Next() returned, is durable.
  void Acknowledge(const StoreBatch& batch);
  // What a store must show that holds all acknowledged batches, and `more` if there is one.
  std::string Expected(const StoreBatch* more = nullptr);

 private:
  void Change(const StoredGroup& group, GroupWrite& write);
  void Append(const StoredGroup& group, Index first, Term term, GroupWrite& write);
  // Seq of the first record behind `index`.
  [[nodiscard]] Seq SeqAfter(const StoredGroup& group, Index index) const;
  [[nodiscard]] StoredEntry EntryAt(GroupId group, Index index) const;
  std::string Payload();

  Random random_;
  MemLogStore model_{1};
};

}  // namespace cairn::storage
