// CacheClients: clients that set, increment and read keys of a cache while it is harmed, and note
// each call and its answer; and readers of the replicas.
//
//   writers   each on a connection to an agent that may be written to (cache_kind.h), over a few
//             keys that all share. A key is left for a new one after kMaxCalls, or when many of its
//             calls went unanswered, so that each key's history can be judged (tests/history).
//   pairs     one writer increments `first`, then `second`; on every agent a reader asks for
//             `second`, then `first`. A replica that shows a prefix of the writes never answers
//             more for `second` than for `first`.
//
// Threads: one for each client, inside; calls from one thread. Lifetime: the CacheLab outlives it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/failover/cache_lab.h"
#include "tests/history/register_history.h"

namespace cairn::failover {

// Of all keys, over the whole time.
struct CacheVerdict {
  uint64_t acknowledged = 0;  // Writes.
  uint64_t unanswered = 0;
  uint64_t reads = 0;
  uint64_t keys = 0;
  uint64_t not_linearizable = 0;  // Keys; final reads from every agent are part of the history.
  uint64_t replica_reads = 0;     // Pairs.
  uint64_t replica_errors = 0;    // Those that were no prefix.
  std::vector<std::string> findings;
};

class CacheClients {
 public:
  CacheClients(CacheLab& lab, uint64_t seed);
  ~CacheClients();
  CacheClients(const CacheClients&) = delete;
  CacheClients& operator=(const CacheClients&) = delete;

  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  // The longest time without an acknowledged write since the last call.
  absl::Duration TakeLongestGap();

  // Ends all clients, reads every key from every agent, and judges. Requires: the lab is whole.
  CacheVerdict Judge();

 private:
  struct Key {
    std::string name;
    bool counter = false;
    absl::Mutex mutex;
    std::vector<history::RegisterCall> calls ABSL_GUARDED_BY(mutex);
    uint64_t unanswered ABSL_GUARDED_BY(mutex) = 0;
  };
  using SharedKey = std::shared_ptr<Key>;
  // One client's connection for writing, as far as it has one.
  struct Way {
    std::unique_ptr<CacheConnection> connection;
    size_t next_agent = 0;
  };

  void Write(uint64_t seed, int client);
  void WritePairs();
  void ReadPairs(size_t agent);
  bool FindWriter(Way& way);
  // One call on the key, noted. False: the connection is of no more use.
  bool Call(CacheConnection& connection, Key& key, history::RegisterCall call);
  SharedKey PickKey(size_t slot);
  SharedKey NewKey(bool counter);
  void NoteAcknowledged();
  void Find(std::string finding);
  void ReadAllFrom(size_t agent, CacheVerdict& verdict);
  void JudgeKeys(CacheVerdict& verdict);
  void Stop();

  CacheLab& lab_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<uint64_t> unanswered_{0};
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> replica_reads_{0};
  std::atomic<uint64_t> replica_errors_{0};
  std::atomic<int64_t> next_value_{1};

  absl::Mutex mutex_;
  std::vector<SharedKey> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<SharedKey> all_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> findings_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_acknowledged_ ABSL_GUARDED_BY(mutex_);
  absl::Duration longest_gap_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::thread> threads_;
};

}  // namespace cairn::failover
