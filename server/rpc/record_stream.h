// RecordStream: the reactor of Read and Tail.
//
//   (linearizable: SyncOp ->) TailOpen -> OnChunk ... -> StartWrite -> OnWriteDone -> TailCredit
//
// Where the log says TRIMMED, and the node has an archive, a tail of the archive is opened in its
// place; when that ends, one of the log behind it (server/runtime/archive_tail.h). To readers it is
// one stream.
//
// Flow control: the group never has more than a credit outstanding, 4 MiB, or 64 KiB while the
// node's budget is spent by others (Environment::readers); credit goes back when gRPC has taken a
// message. Chunks that arrive while a write is under way leave together in the next one.
//
// Threads: chunks come on a worker's thread, writes complete on gRPC's. One leaf lock orders
//   them. StartWrite is called with it held, so that none can come after Finish; gRPC never
//   runs a reaction inside it. So are the posts to the group, whose mailbox is a leaf too, so
//   that they keep their order.
// Lifetime: once a tail is open, Finish comes only after the group's OnEnd, so the reactor
//   outlives its tail; a cancelled call closes the tail and waits. Frees itself in OnDone.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/call.h"

namespace cairn::rpc {

class RecordStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           private server::ReplySink,
                           private server::TailSink,
                           private Closable {
 public:
  enum class Form : uint8_t { kRead, kTail };

  RecordStream(Environment* environment, grpc::CallbackServerContext* context, Form form,
               std::string log);

  // Whether the caller may read the log. Asked before Start, and by Review.
  [[nodiscard]] Refusal CheckAccess() { return access_.Check(log_); }
  // Ends the call at once. Instead of Start.
  RecordStream* Refuse(const server::Rejection& rejection);
  // Opens `open` (its sink, token and credit are filled in here) on `group`. `sync_first`: only
  // after this replica has caught up with everything committed by now.
  RecordStream* Start(GroupId group, server::TailOpen open, bool sync_first);

 private:
  void OnReply(uint64_t token, server::Reply reply) override;
  void OnChunk(uint64_t token, server::TailChunk chunk) override;
  void OnEnd(uint64_t token, server::TailEnd end) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Close() override;
  void Review() override;

  void PostSync();
  // Opens the tail, of the log or of its archive, behind what was handed out already.
  void Open();
  [[nodiscard]] bool OpenSource() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A tail has ended so. Whether the other source has what follows; then it is to be opened.
  [[nodiscard]] bool GoesOn(const server::TailEnd& end);
  [[nodiscard]] bool IsComplete() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves open_ behind what was handed out.
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends a call whose tail is not open.
  void End(grpc::Status status);
  // Nothing more is written; the tail, if open, is closed, and the call ends with `status` once
  // the group has let go of it.
  void Stop(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StopAndFinish(const grpc::Status& status);
  // Takes its share of the node's budget, if it has none and there is one: then `extra_bytes_` is
  // new.
  [[nodiscard]] bool MayGrow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveCredit(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Requires: no write is under way.
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The status to finish with, once, when nothing is left to do. Whoever gets it calls Finish
  // after the lock is released: the stream may be freed right after.
  std::optional<grpc::Status> TakeEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Environment* const environment_;
  grpc::CallbackServerContext* const context_;
  const Form form_;
  const std::string log_;
  StreamAccess access_;
  const uint64_t token_;  // Never reused in this process: a late TailClose hits nobody else.
  // Set by Start, before anything is posted.
  GroupId group_;
  // Of the write under way.
  grpc::ByteBuffer message_;

  absl::Mutex mutex_;
  enum class State : uint8_t {
    kIdle,     // Nothing posted yet, or a sync is under way.
    kOpen,     // The tail is open (or its TailOpen is on the way).
    kClosing,  // TailClose was posted.
    kEnded,    // OnEnd came, or no tail was ever opened.
  };
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  server::TailOpen open_ ABSL_GUARDED_BY(mutex_);
  // Records that are trimmed come from the archive: then it is set, or about to be.
  bool from_archive_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<server::ArchiveTail> archive_ ABSL_GUARDED_BY(mutex_);
  // Of the tail that is open: what it has handed out.
  uint64_t records_ ABSL_GUARDED_BY(mutex_) = 0;
  Seq next_ ABSL_GUARDED_BY(mutex_);
  std::vector<server::TailChunk> pending_ ABSL_GUARDED_BY(mutex_);
  uint64_t extra_bytes_ ABSL_GUARDED_BY(mutex_) = 0;    // Of the node's budget.
  uint64_t writing_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Credit to give back; 0: no write.
  bool first_message_ ABSL_GUARDED_BY(mutex_) = true;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;  // No more writes: cancelled or closing.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::rpc
