#include "cli/raw_reader.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <fstream>
#include <iterator>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/v1/log.pb.h"

namespace cairn::cli {
namespace {

constexpr char kReadMethod[] = "/cairn.v1.LogService/Read";
// A batch of 16 MiB and its framing.
constexpr int kMaxMessageBytes = 20 << 20;
// As the client library: a machine that is gone is noticed while a read waits for it.
constexpr int kPingIntervalMs = 5000;
constexpr int kPingTimeoutMs = 5000;
constexpr std::chrono::milliseconds kInterruptInterval{100};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::InvalidArgumentError(fmt::format("the file {} cannot be read", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The token, or the first line of the file that holds it.
absl::StatusOr<std::string> TokenOf(const ClientOptions& client) {
  if (!client.bearer_token.empty()) return client.bearer_token;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(client.bearer_token_file));
  return text.substr(0, text.find('\n'));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const ClientOptions& client,
                                                           const std::string& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!client.tls.enabled) {
    return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
  }
  grpc::SslCredentialsOptions ssl;
  ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadFile(client.tls.ca_file));
  ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadFile(client.tls.certificate_file));
  ASSIGN_OR_RETURN(ssl.pem_private_key, ReadFile(client.tls.key_file));
  if (!client.tls.server_name.empty()) {
    arguments.SetSslTargetNameOverride(client.tls.server_name);
  }
  return grpc::CreateCustomChannel(endpoint, grpc::SslCredentials(ssl), arguments);
}

v1::ReadRequest ToRequest(const RawReadOptions& options) {
  v1::ReadRequest request;
  request.set_log(options.log);
  request.set_log_id(options.log_id.value());
  request.set_start_seq(options.start_seq.value());
  request.set_end_seq(options.end_seq.value());
  return request;
}

// One call, driven step by step on a completion queue of its own.
class RawCall {
 public:
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& token,
          const RawReadOptions& options)
      : interrupt_(options.interrupt), stub_(channel) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + options.timeout));
    if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
    call_ = stub_.PrepareCall(&context_, kReadMethod, &queue_);
  }
  ~RawCall() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) {
    }
  }

  void Send(const v1::ReadRequest& request) {
    call_->StartCall(nullptr);
    if (!Step()) return;
    call_->WriteLast(request, grpc::WriteOptions(), nullptr);
    Step();
  }
  bool Next(RawReadResponse& response) {
    call_->Read(&response, nullptr);
    return Step();
  }
  absl::Status Finish() {
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Step();
    return {static_cast<absl::StatusCode>(status.error_code()), ToAbsl(status.error_message())};
  }

 private:
  // Waits for the one operation under way. False: the call has ended.
  bool Step() {
    void* tag = nullptr;
    bool ok = false;
    const auto wait = [&] {
      const auto until = std::chrono::system_clock::now() + kInterruptInterval;
      return queue_.AsyncNext(&tag, &ok, until);
    };
    while (wait() == grpc::CompletionQueue::TIMEOUT) {
      if (interrupt_ != nullptr && interrupt_->Requested()) context_.TryCancel();
    }
    return ok;
  }

  const Interrupt* const interrupt_;
  grpc::TemplatedGenericStub<v1::ReadRequest, RawReadResponse> stub_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ReadRequest, RawReadResponse>> call_;
};

}  // namespace

absl::Status ReadRaw(const ClientOptions& client, const RawReadOptions& options,
                     const std::function<absl::Status(const RawRecordBatch&)>& on_batch) {
  ASSIGN_OR_RETURN(const auto channel, OpenChannel(client, options.endpoint));
  ASSIGN_OR_RETURN(const std::string token, TokenOf(client));
  RawCall call(channel, token, options);
  call.Send(ToRequest(options));
  for (RawReadResponse response; call.Next(response);) {
    for (const RawRecordBatch& batch : response.batches()) RETURN_IF_ERROR(on_batch(batch));
  }
  return call.Finish();
}

}  // namespace cairn::cli
