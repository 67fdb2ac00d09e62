// KeyOrder: which changes may go on now, so that for each key the order of the log, of the engine
// and of the replies is the same.
//
//   Enter(op, keys) ──► ready, at once or by somebody's Leave ──► … ──► Leave(op)
//
// A *blind* op (set, delete) does not look at the item: on one key any number of them run at once,
// in the order in which they became ready, which the caller keeps. Any other op *looks*: it runs
// alone on its keys. Nobody overtakes anybody on a key, so nobody starves. A *barrier* (flush_all)
// runs alone on all keys.
//
// Keys are known by 64-bit hashes. Two keys with the same one only wait for each other.
//
// Threads: none of its own; pure. Bounds: a queue entry per op and key; the caller bounds the ops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

using KeyHash = uint64_t;
KeyHash HashKey(std::string_view key);
// Of all keys of a request, in their order.
absl::InlinedVector<KeyHash, 2> HashesOf(const Request& request);

class KeyOrder {
 public:
  using OpId = uint64_t;
  enum class Manner : uint8_t { kBlind, kLooks };

  // Adds to `ready` the op if it may run now. `keys` may name one twice. Requires: the id is new.
  void Enter(OpId op, std::span<const KeyHash> keys, Manner manner, std::vector<OpId>* ready);
  // As an op on all keys there are.
  void EnterBarrier(OpId op, std::vector<OpId>* ready);
  // It has ended: its effect, if any, is everywhere. Adds those that may run now. An op that never
  // became ready may leave, too.
  void Leave(OpId op, std::vector<OpId>* ready);

  // Ops that have entered and not left.
  [[nodiscard]] size_t size() const { return ops_.size(); }

 private:
  struct Op {
    absl::InlinedVector<KeyHash, 1> keys;  // Each once; empty: a barrier.
    Manner manner = Manner::kLooks;
    size_t blocked_on = 0;  // Keys on which it is not at the front yet.
    bool behind_barrier = false;
  };
  struct Queue {
    std::deque<OpId> ops;    // Running ones first.
    size_t running = 0;      // How many of them may run, as far as this key goes.
    bool exclusive = false;  // The one that runs looks.
  };

  void EnterKeys(OpId op, std::vector<OpId>* ready);
  void LeaveKey(OpId op, KeyHash key, std::vector<OpId>* ready);
  void Admit(Queue* queue, std::vector<OpId>* ready);
  void AdmitBehindBarrier(std::vector<OpId>* ready);

  absl::flat_hash_map<OpId, Op> ops_;
  absl::flat_hash_map<KeyHash, Queue> queues_;
  size_t in_queues_ = 0;  // Ops that are in queues.
  // The first is a barrier, which waits for the queues to drain or runs; the rest is behind it.
  std::deque<OpId> held_;
  bool barrier_runs_ = false;
};

}  // namespace cairn::adapter::memcache
