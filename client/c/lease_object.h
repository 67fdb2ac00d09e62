// What stands behind a cairn_lease: the keeper, and its voice on the client thread.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cairn/lease_keeper.h"
#include "client/c/objects.h"

namespace cairn::c {

// LeaseVoice: what a keeper says on the client thread becomes events, once the program has been
// told which lease they are about.
class LeaseVoice {
 public:
  LeaseVoice(std::shared_ptr<Outlet> outlet, void (*on_unsafe)(void*))
      : outlet_(std::move(outlet)), on_unsafe_(on_unsafe) {}

  void AtRisk() { Say(std::make_unique<Event>(CAIRN_EVENT_LEASE_AT_RISK, absl::OkStatus())); }

  void Lost(const absl::Status& why) {
    if (on_unsafe_ != nullptr) {
      InUnsafeCallback() = true;
      on_unsafe_(outlet_->context());
      InUnsafeCallback() = false;
    }
    Say(std::make_unique<Event>(CAIRN_EVENT_LEASE_LOST, why));
  }

  void Say(std::unique_ptr<Event> event) {
    absl::MutexLock lock(&mutex_);
    if (id_ == 0) {
      held_back_.push_back(std::move(event));
    } else {
      Push(std::move(event));
    }
  }

  // The lease has a handle: `first`, if any, then what was held back.
  void Name(uint64_t id, std::unique_ptr<Event> first) {
    absl::MutexLock lock(&mutex_);
    id_ = id;
    if (first) Push(std::move(first));
    for (std::unique_ptr<Event>& event : held_back_) Push(std::move(event));
    held_back_.clear();
  }

  [[nodiscard]] const std::shared_ptr<Outlet>& outlet() const { return outlet_; }

 private:
  void Push(std::unique_ptr<Event> event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    event->lease = {id_};
    outlet_->Push(std::move(event));
  }

  const std::shared_ptr<Outlet> outlet_;
  void (*const on_unsafe_)(void*);
  absl::Mutex mutex_;
  uint64_t id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Event>> held_back_ ABSL_GUARDED_BY(mutex_);
};

class LeaseObject : public Object {
 public:
  static constexpr Kind kKind = Kind::kLease;
  static constexpr char kName[] = "lease";

  LeaseObject(std::shared_ptr<ClientObject> client, std::shared_ptr<LeaseVoice> voice,
              std::unique_ptr<LeaseKeeper> keeper)
      : Object(kKind, voice->outlet()),
        client_(std::move(client)),
        voice_(std::move(voice)),
        keeper_(std::move(keeper)) {}

  // The keeper goes at once, whoever else uses the object: none of its callbacks runs after that.
  void Close() override {
    Object::Close();
    std::shared_ptr<LeaseKeeper> keeper;
    absl::MutexLock lock(&mutex_);
    keeper.swap(keeper_);
  }

  // Null: it was closed.
  std::shared_ptr<LeaseKeeper> keeper() {
    absl::MutexLock lock(&mutex_);
    return keeper_;
  }

  [[nodiscard]] const std::shared_ptr<LeaseVoice>& voice() const { return voice_; }

 private:
  const std::shared_ptr<ClientObject> client_;
  const std::shared_ptr<LeaseVoice> voice_;
  absl::Mutex mutex_;
  std::shared_ptr<LeaseKeeper> keeper_ ABSL_GUARDED_BY(mutex_);
};

// Errors: kInvalidArgument.
absl::StatusOr<LeaseOptions> ToLease(const cairn_lease_options& options);

}  // namespace cairn::c
