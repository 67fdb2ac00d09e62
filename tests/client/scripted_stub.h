// ScriptedStub: a transport whose other end is the test.
//
// Unary calls and streams wait in lists until the test answers them. Nothing is answered by
// itself, so each test reads as the story of one exchange:
//
//   ScriptedCall call = script.TakeCall(Method::kRenew);
//   time.Advance(…);
//   call.Answer(response);
//
// Threads: the test's only, over VirtualTime.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/v1/error.pb.h"
#include "client/src/core.h"
#include "client/src/error_codec.h"
#include "client/src/stub.h"
#include "tests/client/virtual_time.h"

namespace cairn::client {

// A refusal as a server gives it.
inline absl::Status Refusal(v1::Reason reason, absl::StatusCode code, v1::ErrorInfo info = {}) {
  info.set_reason(reason);
  return RefusalStatus(static_cast<int>(code), v1::Reason_Name(reason), info);
}

inline absl::Status NotLeader(const std::string& leader = "") {
  v1::ErrorInfo info;
  info.set_leader_address(leader);
  return Refusal(v1::REASON_NOT_LEADER, absl::StatusCode::kUnavailable, info);
}

// A unary call that waits for its answer.
struct ScriptedCall {
  std::string endpoint;
  Method method;
  std::string request_bytes;
  int64_t timeout_us = 0;
  Stub::UnaryDone done;

  template <class Request>
  [[nodiscard]] Request As() const {
    Request request;
    CHECK(request.ParseFromString(request_bytes));
    return request;
  }
  template <class Response>
  void Answer(const Response& response) const {
    done(absl::OkStatus(), std::make_unique<Response>(response));
  }
  void Fail(absl::Status status) const { done(std::move(status), nullptr); }
};

// The server's end of a stream.
struct ScriptedStream {
  std::string endpoint;
  Method method;
  std::vector<std::string> writes;  // As they were written, joined.
  bool writes_finished = false;
  int credit = 0;
  bool destroyed = false;  // The client gave it up.
  StreamHandler handler;
  Executor* executor = nullptr;

  template <class Request>
  [[nodiscard]] Request Written(size_t i) const {
    Request request;
    CHECK_LT(i, writes.size());
    CHECK(request.ParseFromString(writes[i]));
    return request;
  }

  // Sends a message; the client must have allowed it.
  template <class Response>
  static void Send(const std::shared_ptr<ScriptedStream>& stream, const Response& response) {
    CHECK_GT(stream->credit, 0);
    --stream->credit;
    stream->executor->Post([stream, response] {
      if (!stream->destroyed) stream->handler.on_message(std::make_unique<Response>(response));
    });
  }
  static void Close(const std::shared_ptr<ScriptedStream>& stream, const absl::Status& status) {
    stream->executor->Post([stream, status] {
      if (!stream->destroyed) stream->handler.on_closed(status);
    });
  }
};
using ScriptedStreamPtr = std::shared_ptr<ScriptedStream>;

// What the test sees of the transport; outlives the stub.
struct Script {
  std::deque<ScriptedCall> calls;
  std::deque<ScriptedStreamPtr> streams;  // Opened and not taken yet.

  ScriptedCall TakeCall(Method method) {
    CHECK(!calls.empty());
    ScriptedCall call = std::move(calls.front());
    calls.pop_front();
    CHECK(call.method == method);
    return call;
  }
  ScriptedStreamPtr TakeStream() {
    CHECK(!streams.empty());
    ScriptedStreamPtr stream = std::move(streams.front());
    streams.pop_front();
    return stream;
  }
};

class ScriptedStub : public Stub {
 public:
  ScriptedStub(Script& script, Executor& executor) : script_(script), executor_(executor) {}

  void Call(const std::string& endpoint, Method method, const EncodedMessage& request,
            int64_t timeout_us, UnaryDone done) override {
    CHECK_GT(timeout_us, 0);
    script_.calls.push_back({endpoint, method, request.Joined(), timeout_us, std::move(done)});
  }

  std::unique_ptr<Stream> Open(const std::string& endpoint, Method method,
                               StreamHandler handler) override {
    auto stream = std::make_shared<ScriptedStream>();
    stream->endpoint = endpoint;
    stream->method = method;
    stream->handler = std::move(handler);
    stream->executor = &executor_;
    script_.streams.push_back(stream);
    return std::make_unique<Handle>(std::move(stream));
  }

  void Shutdown() override {
    while (!script_.calls.empty()) {
      const ScriptedCall call = std::move(script_.calls.front());
      script_.calls.pop_front();
      call.Fail(MarkNeverSent(absl::CancelledError("closed")));
    }
  }

 private:
  class Handle : public Stream {
   public:
    explicit Handle(ScriptedStreamPtr stream) : stream_(std::move(stream)) {}
    ~Handle() override { stream_->destroyed = true; }
    void Write(EncodedMessage message) override {
      CHECK(!stream_->writes_finished);
      stream_->writes.push_back(message.Joined());
    }
    void FinishWrites() override { stream_->writes_finished = true; }
    void AddReadCredit(int messages) override { stream_->credit += messages; }

   private:
    const ScriptedStreamPtr stream_;
  };

  Script& script_;
  Executor& executor_;
};

// A client of three endpoints "a:1", "b:1", "c:1" over a script.
class ScriptedClient {
 public:
  explicit ScriptedClient(uint64_t seed = 1) {
    auto time = std::make_unique<VirtualTime>();
    time_ = time.get();
    ClientOptions options;
    options.endpoints = {"a:1", "b:1", "c:1"};
    auto stub = std::make_unique<ScriptedStub>(script_, *time);
    client_ = std::make_unique<Client>(
        std::make_unique<Core>(std::move(options), std::move(stub), std::move(time), *time_, seed));
  }

  [[nodiscard]] Log log() const { return client_->LogWithId("orders", LogId{7}); }
  [[nodiscard]] Core& core() const { return client_->core(); }
  [[nodiscard]] VirtualTime& time() const { return *time_; }
  [[nodiscard]] Script& script() { return script_; }
  // Of the streams that are opened when all that is due has been done.
  ScriptedStreamPtr TakeStream() {
    time_->Run();
    return script_.TakeStream();
  }
  [[nodiscard]] bool HasStream() {
    time_->Run();
    return !script_.streams.empty();
  }
  // Ends the client before the fixture's own end.
  void Close() { client_.reset(); }

 private:
  Script script_;
  VirtualTime* time_ = nullptr;  // Owned by the core.
  std::unique_ptr<Client> client_;
};

}  // namespace cairn::client
