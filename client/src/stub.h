// Stub and Executor: the two ports between the client's logic and the world.
//
// Everything above them (routing, retries, producer, tailer, lease keeper) is decided by what
// comes through these two, a Clock and a seeded Random; so the simulator runs the real client by
// implementing them. grpc_stub.h and thread_executor.h are the implementations of production.
//
// Threads: Stub methods may be called from any thread. A unary call's `done` runs on any thread
//   but never inside Call(); events of a stream are posted to the Executor, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/clock.h"
#include "google/protobuf/message.h"

namespace cairn::client {

// Every call of the API that this library makes.
enum class Method {
  kCreateLog,
  kDescribeLog,
  kListLogs,
  kUpdateLog,
  kDeleteLog,
  kAppend,
  kAppendStream,
  kRegisterProducer,
  kRead,
  kTail,
  kTrim,
  kRegisterSnapshot,
  kAcquire,
  kRenew,
  kRelease,
  kTransfer,
  kGetLease,
  kStatus,
  kMembers,
  kTransferLeadership,
  kCanIStop,
  kAddMember,
  kChangeMember,
  kMoveReplica,
  kWhoAmI,
  kGetPolicy,
  kPutPrincipal,
  kDeletePrincipal,
  kCreateToken,
  kRevokeToken,
  kPutTenantQuota,
  kDeleteTenantQuota,
  kEnable,
  kDisable,
  kBeginImport,
  kImportRecords,
  kFinishImport,
  kGetChain,
};

// "/cairn.v1.LogService/Append", …
std::string_view MethodPath(Method method);
// A new empty response message of the method.
std::unique_ptr<google::protobuf::Message> NewResponse(Method method);

// A serialized request: `head` and then `body`. Records are encoded once, into `body`, and shared
// by all tries of a request without a copy; the small rest stands in `head`. Their concatenation
// is one valid message. A null body is empty.
struct EncodedMessage {
  std::string head;
  std::shared_ptr<const std::string> body;
  // Names the call in the servers' logs, the same in all its tries; empty: each try has its own.
  std::string request_id;

  [[nodiscard]] size_t size() const { return head.size() + (body ? body->size() : 0); }
  // One contiguous copy, for parsing.
  [[nodiscard]] std::string Joined() const { return body ? head + *body : head; }
};

// The sending half of a stream. Destroying it cancels the stream, and no event comes after that.
// Threads: all of it, the destructor included, belongs to the Executor's thread.
class Stream {
 public:
  virtual ~Stream() = default;
  // Queues a message behind the earlier ones. The caller bounds how many are unanswered.
  virtual void Write(EncodedMessage message) = 0;
  // No more writes.
  virtual void FinishWrites() = 0;
  // Allows that many more messages to be read. A stream begins with no credit.
  virtual void AddReadCredit(int messages) = 0;
};

// What a stream tells, on the Executor. on_closed comes exactly once and last, unless the Stream
// was destroyed before; OK means that the server ended it regularly.
struct StreamHandler {
  std::function<void(std::unique_ptr<google::protobuf::Message>)> on_message;
  std::function<void(absl::Status)> on_closed;
};

class Stub {
 public:
  using UnaryDone =
      std::function<void(absl::Status, std::unique_ptr<google::protobuf::Message> response)>;

  virtual ~Stub() = default;

  // Sends one request to `endpoint` ("host:port"). `done` is called exactly once, with a response
  // when OK. A failure before anything was sent is marked (MarkNeverSent in error_codec.h); other
  // transport errors mean that the outcome is unknown.
  // Requires: timeout_us > 0.
  virtual void Call(const std::string& endpoint, Method method, const EncodedMessage& request,
                    int64_t timeout_us, UnaryDone done) = 0;

  // Opens a stream; writes may follow at once. Never fails: a failure to connect is on_closed.
  virtual std::unique_ptr<Stream> Open(const std::string& endpoint, Method method,
                                       StreamHandler handler) = 0;

  // Cancels everything, and returns when no `done` runs or will run any more. A call that begins
  // after that fails at once, as never sent.
  virtual void Shutdown() = 0;
};

class Executor {
 public:
  using Task = std::function<void()>;

  virtual ~Executor() = default;

  // Runs `task` soon on the executor's one thread, in the order of posting. After Shutdown tasks
  // are dropped.
  virtual void Post(Task task) = 0;
  // Runs `task` no earlier than `delay_us` from now. There is no cancelling: a task that is no
  // longer wanted must find that out by itself.
  virtual void PostAfter(int64_t delay_us, Task task) = 0;

  // Runs `task` on the executor's thread, behind what was posted, and returns when it has run.
  // Requires: not called from a task, nor after Shutdown.
  virtual void RunAndWait(Task task) = 0;

  // Drops what waits, and returns when no task runs any more.
  // Requires: not called from a task.
  virtual void Shutdown() = 0;
};

}  // namespace cairn::client
