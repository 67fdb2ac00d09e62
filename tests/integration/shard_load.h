// ShardLoad: clients that write and read keys of all kinds and slots, and keep the history of each.
//
// Threads: some of its own; the methods from the test's. Lifetime: the destructor ends the clients.
// Bounds: a key has some hundred calls; then another one takes its place.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/random.h"
#include "tests/history/register_history.h"
#include "tests/integration/slot_client.h"

namespace cairn::integration {

// Lists count their elements, hashes have a counter in a field; all but registers are incremented,
// by plain calls, scripts and transactions.
struct LoadKey {
  enum class Kind : uint8_t { kRegister, kCounter, kList, kHash };
  std::string name;
  Kind kind = Kind::kRegister;
  std::vector<history::RegisterCall> calls;
  uint64_t unanswered = 0;
};

class ShardLoad {
 public:
  ShardLoad(std::vector<std::string> addresses, uint64_t seed);
  ~ShardLoad() { Stop(); }
  ShardLoad(const ShardLoad&) = delete;
  ShardLoad& operator=(const ShardLoad&) = delete;

  // So many more changes are acknowledged, counted from now. Waits.
  bool AwaitMore(uint64_t writes);
  void Stop();

  // ---- Requires: Stop ----
  // Reads each key once more, and notes it. False: somebody did not answer.
  bool ReadAll();
  [[nodiscard]] const std::vector<std::shared_ptr<LoadKey>>& keys() const
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return all_;
  }
  // Errors that a client does not expect.
  [[nodiscard]] uint64_t strange() const { return strange_; }
  // How often clients were sent elsewhere.
  [[nodiscard]] uint64_t moved() const { return moved_; }
  [[nodiscard]] uint64_t acknowledged() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr size_t kPlaces = 24;

  void Run(uint64_t seed);
  void One(SlotClient& client, Random& random);
  std::shared_ptr<LoadKey> Pick(size_t place) ABSL_LOCKS_EXCLUDED(mutex_);
  void Note(LoadKey& key, const history::RegisterCall& call) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::vector<std::string> addresses_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<LoadKey> places_[kPlaces] ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<LoadKey>> all_ ABSL_GUARDED_BY(mutex_);
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Notification stop_;
  std::atomic<uint64_t> strange_{0};
  std::atomic<uint64_t> moved_{0};
  std::vector<std::thread> threads_;
};

}  // namespace cairn::integration
