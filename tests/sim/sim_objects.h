// A store of objects in a simulated world: the store itself, which never loses anything, and how a
// node reaches it.
//
// A node's calls take their time, fail, and fail although they were carried out; those of a process
// that ends, too. Puts are atomic, as ObjectStore promises.
//
// Threads: the store's from those of the simulator, one at a time. Lifetime: what is passed to a
// constructor outlives the object.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "base/threads.h"
#include "storage/objects/object_store.h"

namespace cairn::sim {

// Answers at once, always.
class SimObjects final : public objects::ObjectStore {
 public:
  explicit SimObjects(Random* random) : random_(random) {}

  // Half of a call's way between a node and the store.
  struct Travel {
    int64_t delay_ms = 0;
    bool lost = false;  // The call fails there.
  };
  Travel DrawTravel();
  // Nothing is lost or slow from now on.
  void Calm() { calm_ = true; }

  [[nodiscard]] const std::string& url() const override { return url_; }
  absl::StatusOr<uint64_t> Put(std::string_view key, Source source) override;
  absl::Status Get(std::string_view key, Sink sink) override;
  absl::StatusOr<objects::StoredObject> Head(std::string_view key) override;
  absl::StatusOr<std::vector<objects::StoredObject>> List(std::string_view prefix) override;
  absl::Status Delete(std::string_view key) override;
  absl::StatusOr<uint64_t> RemoveUnfinished(WallMicros /*older_than_us*/) override { return 0; }
  void Stop() override {}

 private:
  const std::string url_ = "sim://archive";
  Random* const random_;
  bool calm_ = false;
  std::map<std::string, std::string, std::less<>> objects_;
};

// A node's way there.
class SimObjectsFromAfar final : public objects::ObjectStore {
 public:
  SimObjectsFromAfar(SimObjects* store, Threads* threads) : store_(store), threads_(threads) {}

  [[nodiscard]] const std::string& url() const override { return store_->url(); }
  absl::StatusOr<uint64_t> Put(std::string_view key, Source source) override;
  absl::Status Get(std::string_view key, Sink sink) override;
  absl::StatusOr<objects::StoredObject> Head(std::string_view key) override;
  absl::StatusOr<std::vector<objects::StoredObject>> List(std::string_view prefix) override;
  absl::Status Delete(std::string_view key) override;
  absl::StatusOr<uint64_t> RemoveUnfinished(WallMicros older_than_us) override;
  void Stop() override;

 private:
  // An error if the call fails on the way.
  absl::Status Travel();

  SimObjects* const store_;
  Threads* const threads_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::sim
