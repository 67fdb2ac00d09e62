#include "adapter/memcache/key_order.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::adapter::memcache {

absl::InlinedVector<KeyHash, 2> HashesOf(const Request& request) {
  absl::InlinedVector<KeyHash, 2> hashes;
  ForEachKey(request, [&](std::string_view key) { hashes.push_back(HashKey(key)); });
  return hashes;
}

KeyHash HashKey(std::string_view key) { return XXH3_64bits(key.data(), key.size()); }

void KeyOrder::Enter(OpId op, std::span<const KeyHash> keys, Manner manner,
                     std::vector<OpId>* ready) {
  CHECK(!keys.empty());
  const auto [it, is_new] = ops_.try_emplace(op);
  CHECK(is_new);
  it->second.manner = manner;
  for (const KeyHash key : keys) {
    auto& mine = it->second.keys;
    if (std::find(mine.begin(), mine.end(), key) == mine.end()) mine.push_back(key);
  }
  if (held_.empty()) return EnterKeys(op, ready);
  it->second.behind_barrier = true;
  held_.push_back(op);
}

void KeyOrder::EnterBarrier(OpId op, std::vector<OpId>* ready) {
  CHECK(ops_.try_emplace(op).second);
  ops_[op].behind_barrier = true;
  held_.push_back(op);
  AdmitBehindBarrier(ready);
}

void KeyOrder::EnterKeys(OpId op, std::vector<OpId>* ready) {
  Op& entered = ops_[op];
  ++in_queues_;
  entered.blocked_on = entered.keys.size();
  // Not the op's own vector: Admit may not move it, but a reader of this should not have to know.
  const auto keys = entered.keys;
  for (const KeyHash key : keys) {
    Queue& queue = queues_[key];
    queue.ops.push_back(op);
    Admit(&queue, ready);
  }
}

// Lets those at the front run: one that looks, or all blind ones before the next that looks.
void KeyOrder::Admit(Queue* queue, std::vector<OpId>* ready) {
  while (queue->running < queue->ops.size() && !queue->exclusive) {
    const OpId next = queue->ops[queue->running];
    Op& op = ops_[next];
    if (op.manner == Manner::kLooks) {
      if (queue->running > 0) return;
      queue->exclusive = true;
    }
    ++queue->running;
    if (--op.blocked_on == 0) ready->push_back(next);
  }
}

void KeyOrder::Leave(OpId op, std::vector<OpId>* ready) {
  const auto it = ops_.find(op);
  CHECK(it != ops_.end());
  const Op left = std::move(it->second);
  ops_.erase(it);
  if (left.behind_barrier) {
    if (left.keys.empty() && barrier_runs_ && held_.front() == op) barrier_runs_ = false;
    std::erase(held_, op);
  } else {
    --in_queues_;
    for (const KeyHash key : left.keys) LeaveKey(op, key, ready);
  }
  AdmitBehindBarrier(ready);
}

void KeyOrder::LeaveKey(OpId op, KeyHash key, std::vector<OpId>* ready) {
  const auto it = queues_.find(key);
  CHECK(it != queues_.end());
  Queue& queue = it->second;
  const auto at = std::find(queue.ops.begin(), queue.ops.end(), op);
  CHECK(at != queue.ops.end());
  if (static_cast<size_t>(at - queue.ops.begin()) < queue.running) {
    --queue.running;
    queue.exclusive = false;
  }
  queue.ops.erase(at);
  if (queue.ops.empty()) {
    queues_.erase(it);
  } else {
    Admit(&queue, ready);
  }
}

void KeyOrder::AdmitBehindBarrier(std::vector<OpId>* ready) {
  while (!held_.empty() && !barrier_runs_) {
    const OpId next = held_.front();
    Op& op = ops_[next];
    if (op.keys.empty()) {
      if (in_queues_ > 0) return;
      barrier_runs_ = true;
      ready->push_back(next);
      return;
    }
    held_.pop_front();
    op.behind_barrier = false;
    EnterKeys(next, ready);
  }
}

}  // namespace cairn::adapter::memcache
