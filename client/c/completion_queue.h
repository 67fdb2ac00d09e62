// CompletionQueue: events on their way from the library's threads to the program.
//
// An event waits here as a whole, or as a Source that makes it when it is taken: readers do so,
// and thereby hold back their streams while the program is busy. The descriptor is readable
// exactly while something waits.
//
// Threads: any. Bounds: `places` for what a program begins one by one (Reserve), kCrowd for what
//   comes by itself, by the producers that look at Crowded().
// Lifetime: shared by the client, its objects and their callbacks.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/c/event.h"

namespace cairn::c {

class CompletionQueue {
 public:
  class Source {
   public:
    virtual ~Source() = default;
    // The next event; null: there is none now. On the thread that takes it.
    virtual std::unique_ptr<Event> Take() = 0;
  };

  explicit CompletionQueue(size_t places) : places_(places) {}
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  // Makes the descriptor. Errors: kResourceExhausted.
  absl::Status Open();
  [[nodiscard]] int fd() const { return fd_; }

  // Takes a place for an event that is to come (has_place). False: all are taken.
  bool Reserve();
  // More events wait than a program that looks at them at all would let gather.
  bool Crowded();

  void Push(std::unique_ptr<Event> event);
  void PushSource(std::weak_ptr<Source> source);

  // The oldest event whose outlet is open; null: none waits.
  std::unique_ptr<Event> Take();

  // For the one thread that takes events for callbacks. Waits for an event and marks its outlet
  // as running, until Ran(). Null: the queue was shut down.
  std::unique_ptr<Event> AwaitForCallback();
  void Ran();
  // Wakes that thread for good, and drops what waits.
  void Shutdown();

  // No event of `outlet` is taken any more. Waits for a callback of it that runs on another thread.
  void Close(Outlet& outlet);

 private:
  using Item = std::variant<std::unique_ptr<Event>, std::weak_ptr<Source>>;
  static constexpr size_t kCrowd = 65'536;

  void Add(Item item);
  std::optional<Item> Pop();
  static std::unique_ptr<Event> Realise(Item item);
  // Null: its outlet was closed.
  std::unique_ptr<Event> Admit(std::unique_ptr<Event> event, bool for_callback);
  std::unique_ptr<Event> TakeFor(bool for_callback);

  const size_t places_;
  int fd_ = -1;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::deque<Item> items_ ABSL_GUARDED_BY(mutex_);
  size_t reserved_ ABSL_GUARDED_BY(mutex_) = 0;
  bool signalled_ ABSL_GUARDED_BY(mutex_) = false;
  bool shut_ ABSL_GUARDED_BY(mutex_) = false;
  const Outlet* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread::id runner_ ABSL_GUARDED_BY(mutex_);
};

// Outlet: where the events of one object go, with its context. Closed with the object, after which
// its events are dropped.
// Threads: any. Lifetime: shared by the object, its callbacks and its events.
class Outlet : public std::enable_shared_from_this<Outlet> {
 public:
  Outlet(std::shared_ptr<CompletionQueue> queue, void* context)
      : queue_(std::move(queue)), context_(context) {}

  // `event` with the context and this outlet, ready for the queue.
  std::unique_ptr<Event> Own(std::unique_ptr<Event> event);
  void Push(std::unique_ptr<Event> event) { queue_->Push(Own(std::move(event))); }
  void Close() { queue_->Close(*this); }

  [[nodiscard]] CompletionQueue& queue() { return *queue_; }
  [[nodiscard]] const std::shared_ptr<CompletionQueue>& shared_queue() const { return queue_; }
  [[nodiscard]] void* context() const { return context_; }

 private:
  friend class CompletionQueue;
  const std::shared_ptr<CompletionQueue> queue_;
  void* const context_;
  bool closed_ = false;  // Guarded by the queue's mutex.
};

}  // namespace cairn::c
