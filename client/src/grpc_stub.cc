#include "client/src/grpc_stub.h"

#include <chrono>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/request_id.h"
#include "base/status_macros.h"
#include "client/src/error_codec.h"
#include "client/src/grpc_stream.h"
#include "fmt/format.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "grpcpp/support/channel_arguments.h"

namespace cairn::client {
namespace {

// A failover must not wait for a connection's backoff: a node that refuses is asked again soon,
// and one that does not answer at all is given up after a second.
constexpr int kFirstReconnectMs = 50;
constexpr int kMaxReconnectMs = 500;
constexpr int kConnectTimeoutMs = 1000;
// The largest batch plus its framing; the bound itself is the server's to judge.
constexpr int kMaxMessageBytes = 64 << 20;
// A connection that died without a word (a cut cable, a paused machine) is noticed while a call
// or a tail waits on it: a ping that often, and the answer within that time. The server allows
// pings once a second.
constexpr int kPingIntervalMs = 5000;
constexpr int kPingTimeoutMs = 5000;
// HTTP/2 window of a stream: what a tail may have under way.
constexpr int kStreamWindowBytes = 4 << 20;

// gRPC's files' watcher looks this often whether they have changed.
constexpr unsigned kLookAtFilesSeconds = 1;

// Now, since gRPC would only log that it cannot.
absl::Status CheckReadable(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (path.empty() || in.peek() != std::ifstream::traits_type::eof()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("cannot read the PEM file {}", path));
}

// Credentials that follow the files: a handshake uses what they held a second before.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> FollowFiles(const TlsOptions& tls) {
  for (const std::string* path : {&tls.ca_file, &tls.key_file, &tls.certificate_file}) {
    RETURN_IF_ERROR(CheckReadable(*path));
  }
  // The system's authorities, and nothing to show: there is nothing to follow.
  if (tls.ca_file.empty() && tls.key_file.empty()) return grpc::SslCredentials({});
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          tls.key_file, tls.certificate_file, tls.ca_file, kLookAtFilesSeconds));
  if (!tls.ca_file.empty()) options.watch_root_certs();
  if (!tls.key_file.empty()) options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

bool IsLoopback(const std::string& endpoint) {
  return endpoint.rfind("127.", 0) == 0 || endpoint.rfind("localhost:", 0) == 0 ||
         endpoint.rfind("[::1]:", 0) == 0;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const ClientOptions& options) {
  const TlsOptions& tls = options.tls;
  if (!tls.enabled) {
    for (const std::string& endpoint : options.endpoints) {
      if (options.bearer_token.empty() || IsLoopback(endpoint)) continue;
      return absl::InvalidArgumentError(
          fmt::format("a token must not go to {} without TLS", endpoint));
    }
    return grpc::InsecureChannelCredentials();
  }
  return FollowFiles(tls);
}

// A unary call on its way.
struct UnaryState {
  std::optional<grpc::ClientContext> context{std::in_place};
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  Method method;
  Stub::UnaryDone done;

  void Finish(const grpc::Status& status) {
    if (!status.ok()) return done(FromGrpc(status), nullptr);
    auto message = NewResponse(method);
    if (!ParseByteBuffer(response, message.get())) {
      return done(absl::InternalError("the response does not parse"), nullptr);
    }
    done(absl::OkStatus(), std::move(message));
  }
};

}  // namespace

bool ActiveCalls::Add(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return false;
  contexts_.insert(context);
  ++unreleased_;
  return true;
}

void ActiveCalls::Remove(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  CHECK_EQ(contexts_.erase(context), 1u);
}

void ActiveCalls::Release() {
  absl::MutexLock lock(&mutex_);
  CHECK_GT(unreleased_, 0u);
  --unreleased_;
}

void ActiveCalls::CancelAll() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  // TryCancel only marks the call; its end comes on another thread.
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
  const auto gone = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return unreleased_ == 0; };
  mutex_.Await(absl::Condition(&gone));
}

absl::StatusOr<std::unique_ptr<GrpcStub>> GrpcStub::Create(const ClientOptions& options,
                                                           Executor& executor) {
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials, MakeCredentials(options));
  return std::unique_ptr<GrpcStub>(new GrpcStub(options, std::move(credentials), executor));
}

GrpcStub::GrpcStub(const ClientOptions& options,
                   std::shared_ptr<grpc::ChannelCredentials> credentials, Executor& executor)
    : options_(options),
      token_(options.bearer_token_file, options.bearer_token),
      credentials_(std::move(credentials)),
      executor_(executor) {}

GrpcStub::~GrpcStub() { Shutdown(); }

void GrpcStub::Shutdown() { active_.CancelAll(); }

void GrpcStub::Call(const std::string& endpoint, Method method, const EncodedMessage& request,
                    int64_t timeout_us, UnaryDone done) {
  CHECK_GT(timeout_us, 0);
  auto state = std::make_shared<UnaryState>();
  if (!active_.Add(&*state->context)) {
    return done(MarkNeverSent(absl::CancelledError("the client is closed")), nullptr);
  }
  AddMetadata(endpoint, request.request_id.empty() ? MakeRequestId() : request.request_id,
              *state->context);
  state->context->set_deadline(std::chrono::system_clock::now() +
                               std::chrono::microseconds(timeout_us));
  state->request = ToByteBuffer(request);
  state->method = method;
  state->done = std::move(done);
  Connection(endpoint).UnaryCall(&*state->context, std::string(MethodPath(method)), {},
                                 &state->request, &state->response,
                                 [this, state](const grpc::Status& status) {
                                   state->Finish(status);
                                   active_.Remove(&*state->context);
                                   state->context.reset();
                                   // Last, since Shutdown promises that no `done` runs any more.
                                   active_.Release();
                                 });
}

std::unique_ptr<Stream> GrpcStub::Open(const std::string& endpoint, Method method,
                                       StreamHandler handler) {
  auto stream = std::make_shared<GrpcStream>(method, std::move(handler), executor_, active_);
  if (active_.Add(&stream->context())) {
    AddMetadata(endpoint, stream->request_id(), stream->context());
    stream->Start(Connection(endpoint));
  } else {
    stream->Refuse(MarkNeverSent(absl::CancelledError("the client is closed")));
  }
  return std::make_unique<GrpcStreamHandle>(std::move(stream));
}

grpc::GenericStub& GrpcStub::Connection(const std::string& endpoint) {
  const uint32_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<Connections>& connections = connections_[endpoint];
  if (!connections) {
    connections = std::make_unique<Connections>();
    for (int i = 0; i < options_.connections_per_endpoint; ++i) {
      connections->push_back(Connect(endpoint, i));
    }
  }
  return *(*connections)[turn % connections->size()];
}

std::unique_ptr<grpc::GenericStub> GrpcStub::Connect(const std::string& endpoint,
                                                     int number) const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  // A tail sends no data for as long as it lives.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  // Retries are ours to decide; a proxy or a TXT record must not divert the cluster's traffic.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Channels with equal arguments would share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt("cairn.connection", number);
  if (!options_.tls.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options_.tls.server_name);
  }
  return std::make_unique<grpc::GenericStub>(
      grpc::CreateCustomChannel(endpoint, credentials_, arguments));
}

void GrpcStub::AddMetadata(const std::string& endpoint, const std::string& request_id,
                           grpc::ClientContext& context) const {
  context.AddMetadata("cairn-leader", "redirect");
  context.AddMetadata(kRequestIdHeader, request_id);
  // A redirect may name an endpoint that nobody configured: it gets no token in clear text either.
  if (options_.bearer_token.empty() || !(options_.tls.enabled || IsLoopback(endpoint))) return;
  context.AddMetadata("authorization", "Bearer " + token_.Current(SystemClock().Mono()));
}

}  // namespace cairn::client
