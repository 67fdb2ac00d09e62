// KeysAhead: whose items the engine has as the log does not have them yet, in write-behind, and who
// waits until it does.
//
//   engine ─► Add(keys, end) ─► … committed through `end` ─► Commit(end) ─► whoever waited for them
//
// The view folds what is committed. Of a key that is ahead it would give an item back that was
// deleted or replaced since.
//
// Threads: none of its own; pure. Bounds: an entry for each key that is ahead, and for each waiter;
// the caller bounds both.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "adapter/memcache/key_order.h"
#include "adapter/role_events.h"

namespace cairn::adapter::memcache {

class KeysAhead {
 public:
  using OpId = KeyOrder::OpId;

  // An effect that ends there in the log was added. No keys: it changes all (a flush).
  void Add(std::span<const KeyHash> keys, StreamOffset end);
  // Whether `op` must wait for one of its keys; Commit gives it back.
  bool Await(std::span<const KeyHash> keys, OpId op);
  // Everything through there is committed; adds to `ready` who need not wait any more.
  void Commit(StreamOffset end, std::vector<OpId>* ready);

 private:
  absl::flat_hash_map<KeyHash, StreamOffset> keys_;  // The newest effect of each.
  std::multimap<StreamOffset, KeyHash> ends_;        // Entries of keys_, and older ones.
  StreamOffset all_;                                 // Of the newest flush; 0: none is ahead.
  StreamOffset committed_;
  std::multimap<StreamOffset, OpId> waiting_;
};

}  // namespace cairn::adapter::memcache
