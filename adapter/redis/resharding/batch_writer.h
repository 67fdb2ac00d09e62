// BatchWriter: writes batches of keys into an engine, the one while its caller reads the next.
//
//   SlotCopy ──Push──► BatchWriter ──► KeyLink ──► engine ──stream──► log
//
// It waits for the log each time when kUncommittedBytes have been written, so that a copy cannot
// run ahead of what the log takes.
//
// Threads: the engine thread. Lifetime: Finish(), and await it, before it is destroyed, also after
// an error. Bounds: two batches. Errors: the first of the engine or its log stays.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/resharding/key_link.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

struct KeyBatch {
  std::vector<std::string> keys;
  std::vector<WholeKey> as;  // What each of them becomes.
  uint64_t bytes = 0;        // Of all dumps.
};

class BatchWriter {
 public:
  static constexpr uint64_t kUncommittedBytes = uint64_t{4} << 20;

  using CommitAll = std::function<asio::awaitable<absl::StatusOr<Seq>>()>;

  // The link outlives this.
  BatchWriter(asio::any_io_executor executor, KeyLink* to, CommitAll commit_all);
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;

  // Begins with this one when the one before is written. Errors: of those before.
  asio::awaitable<absl::Status> Push(KeyBatch batch);
  // All are written, or one has failed.
  asio::awaitable<absl::Status> Finish();

 private:
  asio::awaitable<void> WriteOne(KeyBatch batch);

  const asio::any_io_executor executor_;
  KeyLink* const to_;
  const CommitAll commit_all_;
  uint64_t uncommitted_bytes_ = 0;
  absl::Status status_;
  bool writing_ = false;
  WakeUp done_;
};

}  // namespace cairn::adapter::redis
