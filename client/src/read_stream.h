// ReadStream::Impl: a bounded read that survives broken streams.
//
// It opens a Read at the best node, hands out batches through a small queue, and opens anew at the
// next wanted seq on another node when the stream breaks or goes silent.
//
// Threads: Next and stale on the caller's thread; everything private on the Executor's. One lock
//   for the queue between them; the rest belongs to the Executor.
// Lifetime: shared by the caller's ReadStream and by events on their way; Cancel ends it.
// Bounds: kCredit messages ahead of the caller.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cairn/log.h"
#include "cairn/v1/log.pb.h"
#include "client/src/core.h"
#include "client/src/route.h"
#include "client/src/stub.h"
#include "client/src/wake_timer.h"

namespace cairn {

class ReadStream::Impl : public std::enable_shared_from_this<ReadStream::Impl> {
 public:
  static std::shared_ptr<Impl> Start(const Log& log, const ReadOptions& options);
  Impl(const Log& log, const ReadOptions& options);

  absl::StatusOr<std::optional<RecordBatch>> Next();
  void Cancel();
  [[nodiscard]] bool ready() const;
  [[nodiscard]] bool stale() const;

 private:
  struct Queued {
    RecordBatch batch;
    bool frees_credit;  // The last one of its message.
  };

  // Messages that may be read ahead of the caller.
  static constexpr int kCredit = 4;

  void OpenStream();
  void OnMessage(v1::ReadResponse* message);
  void OnClosed(const absl::Status& status);
  void OnTimer();
  // The caller took a message's last batch.
  void GiveCredit();
  // The stream is of no use: opens another one, after a pause if there must be one.
  void Retry(const absl::Status& status);
  void Finish(absl::Status status);
  // Moves the request behind the batch. False: the batch does not continue the read.
  bool Advance(const RecordBatch& batch);
  void ArmTimer();
  [[nodiscard]] MonoMicros QuietDeadlineUs() const;

  client::Core& core_;
  const MonoMicros deadline_us_;
  const std::function<void()> on_ready_;

  // The Executor's thread.
  v1::ReadRequest request_;  // What is still wanted.
  const bool limited_;       // max_records was given.
  client::Route route_;
  std::optional<client::WakeTimer> timer_;
  std::unique_ptr<client::Stream> stream_;
  MonoMicros quiet_since_us_ = 0;
  int credit_ = 0;  // Messages that the stream may still send.
  bool over_ = false;
  bool silenced_ = false;  // The owner is going: no callback any more.

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool stale_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn
