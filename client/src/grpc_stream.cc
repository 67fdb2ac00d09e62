#include "client/src/grpc_stream.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "client/src/error_codec.h"
#include "fmt/format.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/slice.h"

namespace cairn::client {
namespace {

// A slice that shares the owner's bytes.
grpc::Slice ShareSlice(const std::shared_ptr<const std::string>& bytes) {
  auto* owner = new std::shared_ptr<const std::string>(bytes);
  return grpc::Slice(
      const_cast<char*>(bytes->data()), bytes->size(),
      [](void* p) { delete static_cast<std::shared_ptr<const std::string>*>(p); }, owner);
}

// gRPC's load balancer gives these when it found no connection to put the call on: nothing was
// sent. There is no other sign of it in the API.
bool NeverLeft(const grpc::Status& status) {
  const std::string& message = status.error_message();
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         (message.rfind("failed to connect to all addresses", 0) == 0 ||
          message.rfind("DNS resolution failed", 0) == 0);
}

}  // namespace

grpc::ByteBuffer ToByteBuffer(const EncodedMessage& message) {
  std::vector<grpc::Slice> slices;
  slices.reserve(2);
  slices.emplace_back(message.head);
  if (message.body && !message.body->empty()) slices.push_back(ShareSlice(message.body));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

bool ParseByteBuffer(grpc::ByteBuffer& buffer, google::protobuf::Message* message) {
  return grpc::SerializationTraits<google::protobuf::MessageLite>::Deserialize(&buffer, message)
      .ok();
}

absl::Status FromGrpc(const grpc::Status& status) {
  absl::Status out = StatusFromTrailer(static_cast<int>(status.error_code()),
                                       status.error_message(), status.error_details());
  return NeverLeft(status) ? MarkNeverSent(std::move(out)) : out;
}

void GrpcStream::Start(grpc::GenericStub& connection) {
  self_ = shared_from_this();
  connection.PrepareBidiStreamingCall(&*context_, std::string(MethodPath(method_)), {}, this);
  AddHold();  // Until End: writes and reads start from outside a reaction.
  StartCall();
}

void GrpcStream::Refuse(absl::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  PostClosed(std::move(status));
}

void GrpcStream::Write(EncodedMessage message) {
  absl::MutexLock lock(&mutex_);
  if (ended_) return;
  CHECK(!writes_finished_);
  writes_.push_back(ToByteBuffer(message));
  PumpWrites();
}

void GrpcStream::FinishWrites() {
  absl::MutexLock lock(&mutex_);
  if (ended_ || writes_finished_) return;
  writes_finished_ = true;
  PumpWrites();
}

void GrpcStream::PumpWrites() {
  if (writing_) return;
  if (!writes_.empty()) {
    writing_ = true;
    StartWrite(&writes_.front());
  } else if (writes_finished_) {
    writing_ = true;  // Nothing may be written any more.
    StartWritesDone();
  }
}

void GrpcStream::OnWriteDone(bool ok) {
  if (!ok) return End();
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  writes_.pop_front();
  if (!ended_) PumpWrites();
}

void GrpcStream::AddReadCredit(int messages) {
  absl::MutexLock lock(&mutex_);
  credit_ += messages;
  if (reading_ || ended_ || credit_ <= 0) return;
  reading_ = true;
  --credit_;
  StartRead(&incoming_);
}

void GrpcStream::OnReadDone(bool ok) {
  if (!ok) return End();
  auto message = NewResponse(method_);
  if (!ParseByteBuffer(incoming_, message.get())) {
    Cancel();
    return End();
  }
  PostMessage(std::move(message));
  absl::MutexLock lock(&mutex_);
  reading_ = credit_ > 0;
  if (!reading_) return;
  --credit_;
  StartRead(&incoming_);
}

void GrpcStream::End() {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    ended_ = true;
  }
  RemoveHold();
}

// Only marks the call, so the lock may be held.
void GrpcStream::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (context_) context_->TryCancel();
}

void GrpcStream::Abandon() {
  abandoned_ = true;
  Cancel();
  End();
}

void GrpcStream::OnDone(const grpc::Status& status) {
  const std::shared_ptr<GrpcStream> last_reference = std::move(self_);
  active_.Remove(&*context_);
  {
    absl::MutexLock lock(&mutex_);
    context_.reset();
  }
  PostClosed(NameRequest(FromGrpc(status), request_id_));
  active_.Release();  // Last: the stub, and with it the executor, may go.
}

void GrpcStream::PostMessage(std::unique_ptr<google::protobuf::Message> message) {
  // A task must be copyable, so the message travels in a shared box.
  auto box = std::make_shared<std::unique_ptr<google::protobuf::Message>>(std::move(message));
  executor_.Post([self = shared_from_this(), box] {
    if (!self->abandoned_) self->handler_.on_message(std::move(*box));
  });
}

void GrpcStream::PostClosed(absl::Status status) {
  executor_.Post([self = shared_from_this(), status = std::move(status)] {
    if (self->abandoned_) return;
    const auto on_closed = std::exchange(self->handler_.on_closed, nullptr);
    self->handler_.on_message = nullptr;
    if (on_closed) on_closed(status);
  });
}

}  // namespace cairn::client
