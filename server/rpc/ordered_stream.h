// OrderedStream: the reactor of a bidirectional call whose requests are answered in the order
// in which they came, with many in flight (AppendStream, KeepAlive).
//
//   OnReadDone -> Submit (derived) -> ... -> Answer, in any order -> StartWrite, in order
//
// Back-pressure: at most kMaxInFlight requests and kMaxInFlightBytes of them are unanswered or
// unsent, and only one while the node's budget is spent (request_budget.h); at that bound the
// stream is not read, and gRPC's flow control stops the caller.
//
// Threads: reads and writes complete on gRPC threads, replies come on a worker's. One leaf lock
//   orders them. Start… calls are made with it held, so that none can come after Finish; gRPC
//   never runs a reaction inside them.
// Lifetime: Finish comes only when every submitted request has been answered, so the reactor
//   outlives its replies, also when the caller went away. Frees itself in OnDone.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "server/rpc/call.h"
#include "server/rpc/convert.h"
#include "server/rpc/request_id.h"

namespace cairn::rpc {

template <class Request, class Response>
class OrderedStream : public grpc::ServerBidiReactor<Request, Response>,
                      protected server::ReplySink,
                      private Closable {
 public:
  // `rpc` is what the stream needs the right of.
  OrderedStream(Environment* environment, grpc::CallbackServerContext* context, Rpc rpc)
      : environment_(environment),
        context_(context),
        access_(&environment->authority, context, rpc) {
    (void)RequestIdOf(*context);  // Decided while the call may still be told (request_id.h).
    environment_->node->metrics().open_streams.Increment();
  }

  // The first read. The stream is its own owner from here on.
  OrderedStream* Start() {
    if (!environment_->streams.Add(this)) {
      this->Finish(ToStatus(ShuttingDown("stream")));
      return this;
    }
    if (Refusal refusal = access_.CheckLogin()) {
      this->Finish(ToStatus(*refusal));
      return this;
    }
    absl::MutexLock lock(&mutex_);
    ReadMore();
    return this;
  }

 protected:
  // Judges one request, in arrival order and never two at a time: answers it here, or posts it
  // with `token` to have the reply come to OnReply. May take the request's contents.
  virtual void Submit(uint64_t token, Request& request) = 0;
  [[nodiscard]] virtual Response ToResponse(server::Reply reply) = 0;
  // How long the stream has to wait before it submits `request`, in microseconds. Asked once a
  // request, in arrival order.
  [[nodiscard]] virtual int64_t HoldUs(const Request& /*request*/) { return 0; }

  // Each token exactly once.
  void Answer(uint64_t token, Response response) {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      CHECK_GE(token, first_token_);
      CHECK_LT(token - first_token_, slots_.size());
      Slot& slot = slots_[token - first_token_];
      CHECK(!slot.response.has_value());
      slot.response = std::move(response);
      if (!writing_) WriteNext();
      end = TakeEnd();
    }
    if (end) this->Finish(*end);
  }

  [[nodiscard]] Environment& environment() { return *environment_; }
  [[nodiscard]] StreamAccess& access() { return access_; }
  [[nodiscard]] const grpc::CallbackServerContext& context() const { return *context_; }

 private:
  static constexpr size_t kMaxInFlight = 1024;
  static constexpr uint64_t kMaxInFlightBytes = 32 << 20;

  struct Slot {
    uint64_t bytes = 0;
    std::optional<Response> response;  // Unset until answered.
  };

  void OnReply(uint64_t token, server::Reply reply) override {
    Answer(token, ToResponse(std::move(reply)));
  }

  void OnReadDone(bool ok) override {
    uint64_t token = 0;  // None.
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      if (ok && !closing_) {
        token = TakeSlot();
      } else {
        reads_done_ = true;
        end = TakeEnd();
      }
    }
    if (end) this->Finish(*end);
    if (token == 0) return;
    const int64_t hold_us = HoldUs(request_);
    if (hold_us == 0) {
      Go(token);
    } else {
      hold_.Set(After(hold_us), [this, token](bool) { Go(token); });
    }
  }

  // The request is unanswered until here, so the stream is still there.
  void Go(uint64_t token) {
    Submit(token, request_);
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    ReadMore();
  }

  void OnWriteDone(bool ok) override {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) caller_gone_ = true;
      DropFront();
      WriteNext();
      ReadMore();
      end = TakeEnd();
    }
    if (end) this->Finish(*end);
  }

  void OnDone() override {
    environment_->streams.Remove(this);
    environment_->node->metrics().open_streams.Decrement();
    delete this;
  }

  void Close() override { CloseWith(ToStatus(ShuttingDown("stream"))); }

  // The rights on logs are looked at with each request.
  void Review() override {
    if (Refusal refusal = access_.CheckLogin()) CloseWith(ToStatus(*refusal));
  }

  void CloseWith(const grpc::Status& status) {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      if (!closing_) close_status_ = status;
      closing_ = true;
      end = TakeEnd();
    }
    if (end) this->Finish(*end);
  }

  // A place in the order for the request that was just read.
  uint64_t TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const uint64_t bytes = request_.ByteSizeLong();
    slots_.push_back({.bytes = bytes, .response = std::nullopt});
    bytes_in_flight_ += bytes;
    environment_->appends.Take(bytes);
    return first_token_ + slots_.size() - 1;
  }

  void DropFront() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    bytes_in_flight_ -= slots_.front().bytes;
    environment_->appends.Give(slots_.front().bytes);
    slots_.pop_front();
    ++first_token_;
  }

  void ReadMore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (reading_ || reads_done_ || closing_ || finished_) return;
    if (slots_.size() >= kMaxInFlight || bytes_in_flight_ >= kMaxInFlightBytes) return;
    // An answer to one of those under way will look again.
    if (!slots_.empty() && environment_->appends.spent()) return;
    reading_ = true;
    this->StartRead(&request_);
  }

  // Requires: !writing_.
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (caller_gone_ && !slots_.empty() && slots_.front().response) DropFront();
    if (slots_.empty() || !slots_.front().response) return;
    // A hint lets answers that are ready together share a packet; the last one is sent without.
    grpc::WriteOptions options;
    if (slots_.size() > 1 && slots_[1].response) options.set_buffer_hint();
    writing_ = true;
    this->StartWrite(&*slots_.front().response, options);
  }

  // The status to finish with, once, when nothing is left to answer. Whoever gets it calls
  // Finish, after the lock is released: the stream may be freed right after.
  std::optional<grpc::Status> TakeEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const bool done = (reads_done_ || closing_) && slots_.empty() && !writing_;
    if (!done || finished_) return std::nullopt;
    finished_ = true;
    return closing_ ? close_status_ : grpc::Status::OK;
  }

  Environment* const environment_;
  grpc::CallbackServerContext* const context_;
  StreamAccess access_;
  // Filled by the read under way; between reads it belongs to OnReadDone.
  Request request_;
  grpc::Alarm hold_;

  absl::Mutex mutex_;
  std::deque<Slot> slots_ ABSL_GUARDED_BY(mutex_);    // Oldest first; references stay valid.
  uint64_t first_token_ ABSL_GUARDED_BY(mutex_) = 1;  // Token of slots_.front().
  uint64_t bytes_in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;  // A read or the submission after it.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool reads_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool caller_gone_ ABSL_GUARDED_BY(mutex_) = false;  // A write failed: answers are dropped.
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status close_status_ ABSL_GUARDED_BY(mutex_);  // While closing_.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::rpc
