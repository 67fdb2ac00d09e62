// Log: a handle on one log, with the id that its name was resolved to.
//
// Threads: safe from any thread; a Log is a cheap value to copy.
// Lifetime: the Client that it came from must outlive it.
// Blocking: methods block up to their timeout, except those named Async. None may be called from
//   a callback of this library.
// Errors common to all: LOG_NOT_FOUND, LOG_RECREATED (open the log anew), UNAUTHENTICATED,
//   PERMISSION_DENIED, INVALID, and at the deadline kUnavailable or kDeadlineExceeded. See error.h
//   for IsUnknownOutcome: a plain Append whose connection broke is *not* retried, since that
//   might append twice. Use a Producer where that matters.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/client.h"
#include "cairn/error.h"
#include "cairn/types.h"

namespace cairn {

struct AppendOptions {
  CallOptions call;
  // Append only if the log's last seq is exactly this (0: the log is empty).
  // Otherwise CONDITION_FAILED with the actual last_seq.
  std::optional<Seq> if_last_seq;
  // Append only if this is the current epoch of `lease_name`. Otherwise LEASE_LOST, which is
  // final: an epoch never comes back.
  std::optional<Epoch> if_lease_epoch;
  std::string lease_name;  // Empty: "primary".
};

struct ReadOptions {
  CallOptions call;
  // First seq to return; 0: the first kept record. TRIMMED below that, SEQ_IN_FUTURE past
  // last_seq + 1.
  Seq start_seq;
  // Start instead at the first record whose timestamp is at or after this log time.
  std::optional<int64_t> start_timestamp_us;
  // Last seq to return, inclusive; 0: whatever is committed when the read starts.
  Seq end_seq;
  // Ends the read after that many records; 0: no limit.
  uint64_t max_records = 0;
  // Include everything that was acknowledged to anybody before the call. Otherwise any replica
  // answers from what it has.
  bool linearizable = false;
  // For event loops: runs on the client thread after a batch was queued and after the end, so that
  // ready() is true. Must not call a method of the stream itself.
  std::function<void()> on_ready;
};

// The records of one Read, batch by batch. Resumes by itself behind the last record it handed
// out when the connection breaks, so that none is missing and none comes twice.
// Threads: one at a time. Lifetime: must not outlive the Client.
class ReadStream {
 public:
  class Impl;
  explicit ReadStream(std::shared_ptr<Impl> impl);
  ReadStream(ReadStream&&) noexcept;
  ReadStream& operator=(ReadStream&&) noexcept;
  ~ReadStream();  // Cancels what is left.

  // The next batch; nullopt at the end. Blocks until the read's timeout, which counts from its
  // start. After an error or the end every call answers the same.
  // Errors: as Log, and TRIMMED if a retention passed the position in the middle.
  absl::StatusOr<std::optional<RecordBatch>> Next();

  // Next() would answer without waiting.
  [[nodiscard]] bool ready() const;

  // A replica without a quorum served some of it: newer records may exist elsewhere.
  [[nodiscard]] bool stale() const;

 private:
  std::shared_ptr<Impl> impl_;
};

struct DescribeOptions {
  CallOptions call;
  // Everything acknowledged before the call is counted. Otherwise one replica's view.
  bool linearizable = false;
  bool with_segments = false;
};

struct TrimOptions {
  CallOptions call;
  // Passes the log's trim guard. Audited by the server.
  bool force = false;
};

class Log {
 public:
  using AppendCallback = std::function<void(absl::StatusOr<AppendResult>)>;

  // Of the handle; Client::OpenLog makes it.
  Log(client::Core* core, std::string name, LogId log_id);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] LogId id() const { return log_id_; }

  // Appends one record, or all of `records` atomically (1 … 65,536, at most 16 MiB together), and
  // returns when they are synced on a majority.
  // Errors: CONDITION_FAILED, LEASE_LOST, FENCE_REQUIRED, TOO_LARGE, STORAGE_FULL: not done.
  //   OVERLOADED is waited out until the deadline. Unknown outcome: a lost connection or the
  //   deadline. With if_last_seq set, an unknown outcome can be resolved by reading the seq
  //   behind it.
  absl::StatusOr<AppendResult> Append(std::string_view payload, const AppendOptions& options = {});
  absl::StatusOr<AppendResult> Append(const std::vector<NewRecord>& records,
                                      const AppendOptions& options = {});

  // The same without blocking. `done` runs exactly once, possibly before AppendAsync returns.
  void AppendAsync(std::string_view payload, const AppendOptions& options, AppendCallback done);
  void AppendAsync(const std::vector<NewRecord>& records, const AppendOptions& options,
                   AppendCallback done);

  // Committed records in a range; errors show in ReadStream::Next().
  ReadStream Read(const ReadOptions& options = {});
  // The same, collected. Requires: the caller knows that the range fits into memory.
  absl::StatusOr<std::vector<RecordBatch>> ReadAll(const ReadOptions& options = {});

  absl::StatusOr<LogDescription> Describe(const DescribeOptions& options = {});

  // Drops whole segments below `first_seq`, the oldest record to keep (at most last_seq + 1).
  // Returns the oldest seq that is now kept. May be repeated safely.
  // Errors: TRIM_GUARDED (first_seq says how far a snapshot covers), SEQ_IN_FUTURE.
  absl::StatusOr<Seq> Trim(Seq first_seq, const TrimOptions& options = {});

  // Tells the log that consumer `name` saved its state as of `seq`, whose `chain` it received,
  // at `location` (opaque, at most 4,096 bytes). May be repeated safely.
  // Errors: CHAIN_MISMATCH: the state does not come from this log's history.
  absl::Status RegisterSnapshot(std::string_view name, Seq seq, uint64_t chain,
                                std::string_view location, const CallOptions& options = {});

  // The lease as the leader knows it, linearizable. A free lease has epoch 0.
  absl::StatusOr<LeaseInfo> GetLease(std::string_view lease_name = "primary",
                                     const CallOptions& options = {});

  // Single lease calls, for tools and tests. A process that acts on a lease uses LeaseKeeper,
  // which accounts for time; these do not.
  // Acquire: LEASE_HELD, CONDITION_FAILED; an unknown outcome is resolved by GetLease (the
  // holder's name must therefore be unique to the incarnation of the process).
  absl::StatusOr<Epoch> AcquireLease(std::string_view lease_name, std::string_view holder,
                                     absl::Duration ttl, std::optional<Seq> if_last_seq = {},
                                     const CallOptions& options = {});
  // Restarts the TTL, which is returned. LEASE_LOST is final.
  absl::StatusOr<absl::Duration> RenewLease(std::string_view lease_name, Epoch epoch,
                                            const CallOptions& options = {});
  // Frees the lease at once. LEASE_LOST: the epoch had already ended.
  absl::Status ReleaseLease(std::string_view lease_name, Epoch epoch,
                            const CallOptions& options = {});
  // Hands over to `heir` without a gap and returns its epoch. A zero `ttl` keeps the present one.
  // CONDITION_FAILED or NOT_CAUGHT_UP: nothing changed.
  absl::StatusOr<Epoch> TransferLease(std::string_view lease_name, Epoch epoch,
                                      std::string_view heir, absl::Duration ttl,
                                      std::optional<Seq> if_last_seq = {},
                                      const CallOptions& options = {});

  [[nodiscard]] client::Core* core() const { return core_; }

 private:
  client::Core* core_;
  std::string name_;
  LogId log_id_;
};

}  // namespace cairn
