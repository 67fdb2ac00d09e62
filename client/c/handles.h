// Handles: what the numbers that programs hold stand for.
//
// An object lives as long as its handle or a call that uses it. The library's callbacks never hold
// an object, only its Outlet: so objects end on threads of the program, where they may wait for
// the client thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/c/completion_queue.h"

namespace cairn::c {

enum class Kind { kClient, kLog, kProducer, kReader, kLease, kElection };

class Object {
 public:
  Object(Kind kind, std::shared_ptr<Outlet> outlet) : kind_(kind), outlet_(std::move(outlet)) {}
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // Before the handle goes. From then on nothing of it reaches the program.
  virtual void Close() { outlet_->Close(); }
  // Why it cannot be closed here and now.
  [[nodiscard]] virtual absl::Status CanClose() const { return absl::OkStatus(); }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::shared_ptr<Outlet>& outlet() const { return outlet_; }

 private:
  const Kind kind_;
  const std::shared_ptr<Outlet> outlet_;
};

// Threads: any.
class Handles {
 public:
  static Handles& Get();

  uint64_t Add(std::shared_ptr<Object> object);

  // Errors: kInvalidArgument: closed, never opened, or of another kind.
  template <class T>
  absl::StatusOr<std::shared_ptr<T>> Find(uint64_t id) {
    std::shared_ptr<Object> object = FindAny(id);
    if (!object || object->kind() != T::kKind) return NoSuch(T::kName);
    return std::static_pointer_cast<T>(std::move(object));
  }
  template <class T>
  absl::Status Close(uint64_t id) {
    return CloseAs(id, T::kKind, T::kName);
  }
  // Closes all objects whose events go to `queue`.
  void CloseAllOf(const CompletionQueue& queue);

 private:
  std::shared_ptr<Object> FindAny(uint64_t id);
  std::shared_ptr<Object> Remove(uint64_t id);
  absl::Status CloseAs(uint64_t id, Kind kind, std::string_view name);
  static absl::Status NoSuch(std::string_view name);

  absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Object>> objects_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

// True on the library's own thread while it runs a program's on_unsafe: nothing may wait there.
bool& InUnsafeCallback();

}  // namespace cairn::c
