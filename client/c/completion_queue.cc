#include "client/c/completion_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"

namespace cairn::c {

CompletionQueue::~CompletionQueue() {
  if (fd_ >= 0) close(fd_);
}

absl::Status CompletionQueue::Open() {
  fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd_ >= 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("eventfd: {}; close descriptors, or raise ulimit -n", std::strerror(errno)));
}

bool CompletionQueue::Reserve() {
  absl::MutexLock lock(&mutex_);
  if (reserved_ >= places_) return false;
  ++reserved_;
  return true;
}

bool CompletionQueue::Crowded() {
  absl::MutexLock lock(&mutex_);
  return items_.size() >= kCrowd;
}

void CompletionQueue::Push(std::unique_ptr<Event> event) { Add(std::move(event)); }
void CompletionQueue::PushSource(std::weak_ptr<Source> source) { Add(std::move(source)); }

void CompletionQueue::Add(Item item) {
  absl::MutexLock lock(&mutex_);
  if (shut_) return;
  items_.push_back(std::move(item));
  changed_.SignalAll();
  if (std::exchange(signalled_, true) || fd_ < 0) return;
  const uint64_t one = 1;
  CHECK(write(fd_, &one, sizeof(one)) == sizeof(one));
}

std::optional<CompletionQueue::Item> CompletionQueue::Pop() {
  absl::MutexLock lock(&mutex_);
  std::optional<Item> item;
  if (!items_.empty()) {
    item = std::move(items_.front());
    items_.pop_front();
  }
  if (items_.empty() && std::exchange(signalled_, false) && fd_ >= 0) {
    uint64_t count = 0;
    CHECK(read(fd_, &count, sizeof(count)) == sizeof(count));
  }
  return item;
}

std::unique_ptr<Event> CompletionQueue::Realise(Item item) {
  if (auto* event = std::get_if<std::unique_ptr<Event>>(&item)) return std::move(*event);
  const std::shared_ptr<Source> source = std::get<std::weak_ptr<Source>>(item).lock();
  return source ? source->Take() : nullptr;
}

std::unique_ptr<Event> CompletionQueue::Admit(std::unique_ptr<Event> event, bool for_callback) {
  absl::MutexLock lock(&mutex_);
  if (event->has_place) --reserved_;
  if (event->outlet->closed_) return nullptr;
  if (for_callback) {
    running_ = event->outlet.get();
    runner_ = std::this_thread::get_id();
  }
  return event;
}

std::unique_ptr<Event> CompletionQueue::TakeFor(bool for_callback) {
  while (std::optional<Item> item = Pop()) {
    std::unique_ptr<Event> event = Realise(*std::move(item));
    if (event) event = Admit(std::move(event), for_callback);
    if (event) return event;
  }
  return nullptr;
}

std::unique_ptr<Event> CompletionQueue::Take() { return TakeFor(/*for_callback=*/false); }

std::unique_ptr<Event> CompletionQueue::AwaitForCallback() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      while (items_.empty() && !shut_) changed_.Wait(&mutex_);
      if (shut_) return nullptr;
    }
    if (auto event = TakeFor(/*for_callback=*/true)) return event;
  }
}

void CompletionQueue::Ran() {
  absl::MutexLock lock(&mutex_);
  running_ = nullptr;
  changed_.SignalAll();
}

void CompletionQueue::Shutdown() {
  std::deque<Item> dropped;
  absl::MutexLock lock(&mutex_);
  shut_ = true;
  dropped.swap(items_);
  changed_.SignalAll();
}

void CompletionQueue::Close(Outlet& outlet) {
  absl::MutexLock lock(&mutex_);
  outlet.closed_ = true;
  while (running_ == &outlet && runner_ != std::this_thread::get_id()) changed_.Wait(&mutex_);
}

std::unique_ptr<Event> Outlet::Own(std::unique_ptr<Event> event) {
  event->context = context_;
  event->outlet = shared_from_this();
  return event;
}

}  // namespace cairn::c
