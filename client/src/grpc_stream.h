// GrpcStream: one stream of GrpcStub, as a gRPC reactor.
//
// gRPC allows one write and one read at a time; the rest waits here. The reactor keeps itself
// alive until gRPC is done with it; the handle (GrpcStreamHandle) belongs to the caller, and
// destroying it cancels the call and silences the events.
//
// Threads: reactions run on gRPC's threads, Write/AddReadCredit/Abandon on the Executor's; one
//   leaf lock between them, with no call into gRPC's reactions under it.
// Bounds: the writer bounds what waits to be written; credit bounds what is read ahead.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/request_id.h"
#include "client/src/grpc_stub.h"
#include "client/src/stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/client_callback.h"

namespace cairn::client {

// Bytes ↔ gRPC's buffers.
grpc::ByteBuffer ToByteBuffer(const EncodedMessage& message);
bool ParseByteBuffer(grpc::ByteBuffer& buffer, google::protobuf::Message* message);
// The status of a finished call, ErrorInfo and the never-sent mark included.
absl::Status FromGrpc(const grpc::Status& status);

class GrpcStream : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                   public std::enable_shared_from_this<GrpcStream> {
 public:
  GrpcStream(Method method, StreamHandler handler, Executor& executor, ActiveCalls& active)
      : method_(method), handler_(std::move(handler)), executor_(executor), active_(active) {}

  [[nodiscard]] const std::string& request_id() const { return request_id_; }
  // Requires: the call was not started yet.
  grpc::ClientContext& context() { return *context_; }
  // Starts the call, over `connection`. The stub must have added the context to its active calls.
  void Start(grpc::GenericStub& connection);
  // For a call that could not begin: posts `status` as its end.
  void Refuse(absl::Status status);

  void Write(EncodedMessage message);
  void FinishWrites();
  void AddReadCredit(int messages);
  void Abandon();

 private:
  void OnWriteDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  // Starts the next write, if there is one and none is out.
  void PumpWrites() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Cancel();
  // No operation starts from outside a reaction any more.
  void End();
  void PostMessage(std::unique_ptr<google::protobuf::Message> message);
  void PostClosed(absl::Status status);

  const Method method_;
  const std::string request_id_ = MakeRequestId();
  StreamHandler handler_;  // The Executor's thread, after the construction.
  Executor& executor_;
  ActiveCalls& active_;
  grpc::ByteBuffer incoming_;         // The reading reaction's.
  std::shared_ptr<GrpcStream> self_;  // Until OnDone.
  bool abandoned_ = false;            // The Executor's thread.

  absl::Mutex mutex_;
  // Set until OnDone; with the lock from Start on.
  std::optional<grpc::ClientContext> context_{std::in_place};
  std::deque<grpc::ByteBuffer> writes_ ABSL_GUARDED_BY(mutex_);  // The first one is out.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool writes_finished_ ABSL_GUARDED_BY(mutex_) = false;
  int credit_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class GrpcStreamHandle : public Stream {
 public:
  explicit GrpcStreamHandle(std::shared_ptr<GrpcStream> stream) : stream_(std::move(stream)) {}
  ~GrpcStreamHandle() override { stream_->Abandon(); }

  void Write(EncodedMessage message) override { stream_->Write(std::move(message)); }
  void FinishWrites() override { stream_->FinishWrites(); }
  void AddReadCredit(int messages) override { stream_->AddReadCredit(messages); }

 private:
  const std::shared_ptr<GrpcStream> stream_;
};

}  // namespace cairn::client
