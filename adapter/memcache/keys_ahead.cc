#include "adapter/memcache/keys_ahead.h"

#include <algorithm>

namespace cairn::adapter::memcache {

void KeysAhead::Add(std::span<const KeyHash> keys, StreamOffset end) {
  if (keys.empty()) all_ = end;
  for (const KeyHash key : keys) {
    keys_[key] = end;
    ends_.emplace(end, key);
  }
}

bool KeysAhead::Await(std::span<const KeyHash> keys, OpId op) {
  StreamOffset until = all_;
  for (const KeyHash key : keys) {
    if (const auto it = keys_.find(key); it != keys_.end()) until = std::max(until, it->second);
  }
  if (until <= committed_) return false;
  waiting_.emplace(until, op);
  return true;
}

void KeysAhead::Commit(StreamOffset end, std::vector<OpId>* ready) {
  committed_ = end;
  while (!ends_.empty() && ends_.begin()->first <= end) {
    const auto it = keys_.find(ends_.begin()->second);
    if (it != keys_.end() && it->second <= end) keys_.erase(it);
    ends_.erase(ends_.begin());
  }
  while (!waiting_.empty() && waiting_.begin()->first <= end) {
    ready->push_back(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
  }
}

}  // namespace cairn::adapter::memcache
