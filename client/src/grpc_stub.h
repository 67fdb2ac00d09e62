// GrpcStub: the Stub port over gRPC's callback API.
//
// It knows no service: methods are paths, requests are bytes that are already encoded (their
// slices are handed to gRPC without a copy), responses are parsed by their prototype. All rules
// (where to send, whether to retry) live above the port.
//
// Threads: as Stub. gRPC runs the callbacks on threads of its own.
// Bounds: one channel set per endpoint ever named, `connections_per_endpoint` connections each.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cairn/client.h"
#include "client/src/stub.h"
#include "client/src/token_file.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"

namespace cairn::client {

// The calls that are out, so that Shutdown can cancel them and wait for their end.
//
// A call ends in two steps. Its context holds on to the channel; were a callback to let go of a
// channel last, gRPC (1.51) would join the callback's own thread and abort. So CancelAll waits
// for the contexts to be gone, and the channels go after that, with the stub.
class ActiveCalls {
 public:
  // False after CancelAll: the call must not begin.
  bool Add(grpc::ClientContext* context);
  // The call is over: it is not cancelled any more, and its context may be destroyed.
  void Remove(grpc::ClientContext* context);
  // The context was destroyed.
  void Release();
  // Cancels all and waits until each was released.
  void CancelAll();

 private:
  absl::Mutex mutex_;
  absl::flat_hash_set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mutex_);
  size_t unreleased_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

class GrpcStub : public Stub {
 public:
  // Reads the PEM files that `options` names. `executor` takes the events of streams and must
  // outlive the stub.
  // Errors: kInvalidArgument for unreadable files, or a token that would travel in clear text.
  static absl::StatusOr<std::unique_ptr<GrpcStub>> Create(const ClientOptions& options,
                                                          Executor& executor);
  ~GrpcStub() override;

  void Call(const std::string& endpoint, Method method, const EncodedMessage& request,
            int64_t timeout_us, UnaryDone done) override;
  std::unique_ptr<Stream> Open(const std::string& endpoint, Method method,
                               StreamHandler handler) override;
  void Shutdown() override;

 private:
  using Connections = std::vector<std::unique_ptr<grpc::GenericStub>>;

  GrpcStub(const ClientOptions& options, std::shared_ptr<grpc::ChannelCredentials> credentials,
           Executor& executor);

  // A connection to `endpoint`, the next in turn. Valid for the stub's life.
  grpc::GenericStub& Connection(const std::string& endpoint);
  std::unique_ptr<grpc::GenericStub> Connect(const std::string& endpoint, int number) const;
  void AddMetadata(const std::string& endpoint, const std::string& request_id,
                   grpc::ClientContext& context) const;

  const ClientOptions options_;
  mutable TokenFile token_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  Executor& executor_;
  ActiveCalls active_;
  std::atomic<uint32_t> turn_{0};
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<Connections>> connections_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::client
