// ReadRequest and ReadResult: a cold read as values, so that the worker box can ask for one and
// take its answer without knowing the thread that does it (storage/read_queue.h).
//
// Threads: none; plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "storage/log_store.h"

namespace cairn::storage {

// What to read. Exactly one of the three starting points is used:
// `first` when non-zero, else `seq` when non-zero, else `timestamp_us`.
struct ReadRequest {
  GroupId group;
  uint64_t ticket = 0;  // The submitter's.
  Index first;
  Seq seq;
  int64_t timestamp_us = 0;
  // Last index to return, inclusive.
  Index last;
  uint64_t max_bytes = 4 << 20;
  // Nobody waits for it, since it fills a replica: what it reads, beyond `free_bytes`, is taken of
  // what the node may spend on filling (storage/read_queue.h).
  bool paced = false;
  uint64_t free_bytes = 0;
};

struct ReadResult {
  GroupId group;
  uint64_t ticket = 0;
  // kOutOfRange: trimmed or not there. kDataLoss: damaged.
  absl::Status status;
  std::vector<StoredEntry> entries;
  // For a read by timestamp: the seq that it stands for; nullopt: all records are older.
  std::optional<Seq> seq;
};

}  // namespace cairn::storage
