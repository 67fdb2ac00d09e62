#include "server/rpc/peer_service.h"

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/convert.h"
#include "server/rpc/group_call.h"

namespace cairn::rpc {
namespace {

// One peer's stream: a hello, its answer, then messages until the peer or this node ends it.
//
// Back-pressure: one request is in memory at a time. Node::Receive never blocks; what a full
// mailbox cannot take is dropped there, and the sender's core repeats it.
// Lifetime: frees itself in OnDone.
class ExchangeStream final
    : public grpc::ServerBidiReactor<v1::ExchangeRequest, v1::ExchangeResponse>,
      private Closable {
 public:
  explicit ExchangeStream(Environment* environment) : environment_(environment) {}

  ExchangeStream* Start() {
    if (!environment_->streams.Add(this)) {
      End(ToStatus(ShuttingDown("exchange")));
      return this;
    }
    ReadMore();
    return this;
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) {
      End(grpc::Status::OK);
      return;
    }
    if (!greeted_) {
      Greet();
    } else {
      environment_->node->Receive(request_);
    }
    ReadMore();
  }

  void OnWriteDone(bool /*ok*/) override {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      end = TakeEnd();
    }
    if (end) Finish(*end);
  }

  void Greet() {
    greeted_ = true;
    answer_.set_refusal(environment_->node->CheckHello(request_.hello()));
    absl::MutexLock lock(&mutex_);
    if (status_) return;
    writing_ = true;
    StartWrite(&answer_);
    if (!answer_.refusal().empty()) status_ = grpc::Status::OK;  // After the answer.
  }

  // With the lock held, so that no read is started after Finish.
  void ReadMore() {
    absl::MutexLock lock(&mutex_);
    if (!status_) StartRead(&request_);
  }

  void End(const grpc::Status& status) {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      if (!status_) status_ = status;
      end = TakeEnd();
    }
    if (end) Finish(*end);
  }

  // The status to finish with, once, when no write is under way. Whoever gets it calls Finish
  // after the lock is released.
  std::optional<grpc::Status> TakeEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!status_ || writing_ || finished_) return std::nullopt;
    finished_ = true;
    return status_;
  }

  void Close() override { End(ToStatus(ShuttingDown("exchange"))); }

  void OnDone() override {
    environment_->streams.Remove(this);
    delete this;
  }

  Environment* const environment_;
  v1::ExchangeRequest request_;  // Filled by the read under way.
  v1::ExchangeResponse answer_;
  bool greeted_ = false;  // In reactions to reads only, which come one at a time.
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> status_ ABSL_GUARDED_BY(mutex_);  // Set: the call is to end.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerBidiReactor<v1::ExchangeRequest, v1::ExchangeResponse>* PeerService::Exchange(
    grpc::CallbackServerContext* /*context*/) {
  return (new ExchangeStream(environment_))->Start();
}

grpc::ServerUnaryReactor* PeerService::Introduce(grpc::CallbackServerContext* context,
                                                 const v1::IntroduceRequest* request,
                                                 v1::IntroduceResponse* response) {
  *response = environment_->node->Introduce(*request);
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* PeerService::Form(grpc::CallbackServerContext* context,
                                            const v1::FormRequest* request,
                                            v1::FormResponse* response) {
  *response = environment_->node->Form(*request);
  return Answer(context, grpc::Status::OK);
}

}  // namespace cairn::rpc
