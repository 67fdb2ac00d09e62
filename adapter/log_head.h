// LogHead: follows a cache's log at its end, and tells the role machine what it sees there.
//
//   Log ──Tailer──► LogFacts ──LogSeenEvent──► owner
//
// It begins where the log ends, having read back only as far as the last whole data record: lease
// and others' grants behind that are all that counts. From there it reads everything that comes,
// in order, and never goes back.
//
// Threads: the engine thread; reads wait on a thread of the Background. Lifetime: Stop() before it
// is destroyed. Bounds: one message of the tail here, and the Tailer's buffer.
// Without the right to read it says so in the log of the process and tries again.
// Errors: final ones of the log (error.h) and records that are none of a cache, told to the owner.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "adapter/background.h"
#include "adapter/denial_note.h"
#include "adapter/log_facts.h"
#include "cairn/log.h"
#include "cairn/tailer.h"

namespace cairn::adapter {

class LogHeadOwner {
 public:
  virtual ~LogHeadOwner() = default;
  virtual void OnSeen(const LogSeenEvent& seen) = 0;
  // Nothing more comes.
  virtual void OnHeadFailed(const absl::Status& why) = 0;
};

class LogHead {
 public:
  struct Options {
    std::string lease_name = "primary";
    absl::Duration heartbeat = absl::Milliseconds(500);
    absl::Duration call_timeout = absl::Seconds(5);
  };
  LogHead(asio::any_io_executor executor, Background* background, Log log, Options options,
          const HolderNames* names, PlaceReader read_place, LogHeadOwner* owner);
  ~LogHead();
  LogHead(const LogHead&) = delete;
  LogHead& operator=(const LogHead&) = delete;

  // Looks up where the log stands, tells it, and begins to follow. May be tried again.
  asio::awaitable<absl::Status> Start();
  asio::awaitable<void> Stop();

  // A tail is connected, to a replica that hears a leader.
  [[nodiscard]] bool reachable() const;
  [[nodiscard]] const LogPosition& position() const { return facts_.position(); }

 private:
  static absl::StatusOr<LogPosition> LookUp(Log log, const Options& options, LogFacts* facts);
  asio::awaitable<void> Follow(std::shared_ptr<Tailer> tailer);

  const asio::any_io_executor executor_;
  Background* const background_;
  Log log_;
  const Options options_;
  LogFacts facts_;
  LogHeadOwner* const owner_;
  DenialNote denial_;  // Of the client thread.
  std::shared_ptr<Tailer> tailer_;
  bool stale_ = false;
  bool following_ = false;
};

}  // namespace cairn::adapter
