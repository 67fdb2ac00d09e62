// What the handles of cairn.h stand for, one class each. Their calls stand in client.cc, append.cc,
// reader.cc and lease.cc.
//
// Lifetime: each object holds what it was opened from, and declares it before what it wraps, so
// that
//   the wrapped goes first.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cairn/client.h"
#include "cairn/election.h"
#include "cairn/lease_keeper.h"
#include "cairn/log.h"
#include "cairn/producer.h"
#include "cairn/tailer.h"
#include "client/c/handles.h"

namespace cairn::c {

class ClientObject : public Object {
 public:
  static constexpr Kind kKind = Kind::kClient;
  static constexpr char kName[] = "client";

  ClientObject(std::unique_ptr<Client> client, std::shared_ptr<Outlet> outlet,
               cairn_event_callback on_event);
  ~ClientObject() override;

  void Close() override;
  [[nodiscard]] absl::Status CanClose() const override;

  [[nodiscard]] Client& client() { return *client_; }
  // Events are taken by a thread of the library.
  [[nodiscard]] bool has_callback() const { return on_event_ != nullptr; }

 private:
  void RunCallbacks();

  const std::unique_ptr<Client> client_;
  const cairn_event_callback on_event_;
  std::thread runner_;
};

class LogObject : public Object {
 public:
  static constexpr Kind kKind = Kind::kLog;
  static constexpr char kName[] = "log";

  // The log, once it is found; shared with the call that looks for it.
  class Finding {
   public:
    void Set(absl::StatusOr<Log> found);
    [[nodiscard]] absl::StatusOr<Log> Get() const;

   private:
    mutable absl::Mutex mutex_;
    absl::StatusOr<Log> found_ ABSL_GUARDED_BY(mutex_) =
        absl::FailedPreconditionError("the log is not open yet: wait for CAIRN_EVENT_LOG_OPENED");
  };

  LogObject(std::shared_ptr<ClientObject> client, std::shared_ptr<Outlet> outlet)
      : Object(kKind, std::move(outlet)), client_(std::move(client)) {}

  [[nodiscard]] const std::shared_ptr<ClientObject>& client() const { return client_; }
  [[nodiscard]] const std::shared_ptr<Finding>& finding() const { return finding_; }

 private:
  const std::shared_ptr<ClientObject> client_;
  const std::shared_ptr<Finding> finding_ = std::make_shared<Finding>();
};

class ProducerObject : public Object {
 public:
  static constexpr Kind kKind = Kind::kProducer;
  static constexpr char kName[] = "producer";

  ProducerObject(std::shared_ptr<ClientObject> client, std::shared_ptr<Outlet> outlet,
                 std::unique_ptr<Producer> producer)
      : Object(kKind, std::move(outlet)),
        client_(std::move(client)),
        producer_(std::move(producer)) {}

  [[nodiscard]] Producer& producer() { return *producer_; }

 private:
  const std::shared_ptr<ClientObject> client_;
  const std::unique_ptr<Producer> producer_;
};

// A log that a program is to act on, and where the events of what it opens go.
struct OpenedLog {
  std::shared_ptr<ClientObject> client;
  Log log;

  [[nodiscard]] std::shared_ptr<Outlet> NewOutlet(void* context) const {
    return std::make_shared<Outlet>(client->outlet()->shared_queue(), context);
  }
};
// Errors: kInvalidArgument for the handle; why it is not open.
absl::StatusOr<OpenedLog> FindOpened(cairn_log log);

}  // namespace cairn::c
