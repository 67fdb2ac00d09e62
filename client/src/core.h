// Core: what everything opened from one Client shares: the two ports, the clock, the routes, and
// unary calls with retries.
//
// Threads: all methods from any thread. Callbacks of Call run on a transport thread or on the
//   client thread, one per call, exactly once.
// Lifetime: outlives every object opened from it; Client's destructor ends it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "cairn/client.h"
#include "client/src/retry.h"
#include "client/src/route.h"
#include "client/src/stub.h"

namespace cairn::client {

// What a unary call is, beside its bytes.
struct CallSpec {
  Method method = Method::kStatus;
  // Log that it concerns, for the route; empty: the catalog.
  std::string log;
  Route::Goal goal = Route::Goal::kLeader;
  // First to ask; with kPinned the only one.
  std::string endpoint;
  CallTraits traits;
  CallOptions options;
};

class Core {
 public:
  using MessagePtr = std::unique_ptr<google::protobuf::Message>;
  // `endpoint` is the node that answered.
  using CallDone = std::function<void(absl::StatusOr<MessagePtr>, const std::string& endpoint)>;

  // Requires: `options.endpoints` is not empty; `clock` outlives the core.
  Core(ClientOptions options, std::unique_ptr<Stub> stub, std::unique_ptr<Executor> executor,
       const Clock& clock, uint64_t seed);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  [[nodiscard]] const ClientOptions& options() const { return options_; }
  [[nodiscard]] Stub& stub() { return *stub_; }
  [[nodiscard]] Executor& executor() { return *executor_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] RouteTable& routes() { return routes_; }
  // The call's timeout in microseconds, or the default.
  [[nodiscard]] int64_t TimeoutUs(const CallOptions& options) const;

  // Sends `request` and sees it through: redirects, retries and pauses until the deadline.
  // A call that may have taken effect without an answer ends with an unknown outcome.
  void Call(CallSpec spec, EncodedMessage request, CallDone done);

  // The same for a message type; `endpoint` may be null.
  template <class Response>
  void CallFor(CallSpec spec, const google::protobuf::Message& request,
               std::function<void(absl::StatusOr<Response>)> done) {
    Call(std::move(spec), EncodedMessage{request.SerializeAsString(), nullptr},
         [done = std::move(done)](absl::StatusOr<MessagePtr> got, const std::string&) {
           if (!got.ok()) return done(got.status());
           done(std::move(static_cast<Response&>(**got)));
         });
  }

  // Blocks until the answer. Must not be called from a callback.
  template <class Response>
  absl::StatusOr<Response> CallAndWait(CallSpec spec, const google::protobuf::Message& request,
                                       std::string* endpoint = nullptr) {
    absl::StatusOr<MessagePtr> got = CallAndWait(
        std::move(spec), EncodedMessage{request.SerializeAsString(), nullptr}, endpoint);
    if (!got.ok()) return got.status();
    return std::move(static_cast<Response&>(**got));
  }
  absl::StatusOr<MessagePtr> CallAndWait(CallSpec spec, EncodedMessage request,
                                         std::string* endpoint = nullptr);

 private:
  const ClientOptions options_;
  const Clock& clock_;
  RouteTable routes_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace cairn::client
