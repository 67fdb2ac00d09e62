// SlotWatch: follows a cache's slot log, and says things there.
//
//   SlotLog ──Tailer──► entry() ──► owner
//           ◄──Append───────────── SlotKeeper
//
// Threads: the engine thread; calls that block run in the Background. Lifetime: Stop(), and await
// it, before it is destroyed; its coroutines end by that. Bounds: one record.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/background.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/resharding/slot_log.h"
#include "cairn/tailer.h"

namespace cairn::adapter::redis {

class SlotWatch {
 public:
  // `first`: what was read of the log. `on_change` is told of every later entry.
  SlotWatch(asio::any_io_executor executor, Background* background, SlotLog log, SlotEntry first,
            std::function<void()> on_change);
  ~SlotWatch();
  SlotWatch(const SlotWatch&) = delete;
  SlotWatch& operator=(const SlotWatch&) = delete;

  void Start();
  asio::awaitable<void> Stop();

  // The newest that is known; a later one may be there.
  [[nodiscard]] const SlotEntry& entry() const { return entry_; }
  // What is the last one now, or was since the call began.
  asio::awaitable<absl::Status> Refresh();
  // `next` right behind `base`. It is tried until the outcome is certain. Errors: kAborted:
  // somebody was faster, and entry() says what; kCancelled: stopped, and it may be there.
  asio::awaitable<absl::Status> Append(Seq base, SlotState next);

 private:
  asio::awaitable<void> Follow();
  asio::awaitable<absl::Status> FollowOnce();
  absl::Status TakeRecord(const Record& record);
  void Take(SlotEntry entry);

  const asio::any_io_executor executor_;
  Background* const background_;
  const SlotLog log_;
  SlotEntry entry_;
  const std::function<void()> on_change_;
  std::shared_ptr<Tailer> tailer_;
  WakeUp pause_;
  bool stopping_ = false;
  size_t under_way_ = 0;  // Coroutines.
};

}  // namespace cairn::adapter::redis
