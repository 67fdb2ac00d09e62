// What SENTINEL … answers, and which of Sentinel's events a change of the view is.
//
// Each log of a cache is a master, by the log's name; each agent is a Sentinel. What Sentinels
// agree on by votes stands in the log's lease record here, so quorums are always reached, and
// nothing of it can be set.
//
// Threads: pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/redis/discovery/cache_view.h"
#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {

// Who answers.
struct SentinelSelf {
  std::string address;  // Of the agent's data, as the view has it.
};

// One whole reply; `argv` has the word "SENTINEL".
void AnswerSentinel(const CacheView& view, const SentinelSelf& self,
                    std::span<const std::string_view> argv, ReplyWriter* reply);

// What subscribers are told: "+switch-master", "+slave", "+sdown", in Sentinel's words.
struct SentinelEvent {
  std::string channel;
  std::string message;

  bool operator==(const SentinelEvent&) const = default;
};

// What is new about a view. One thread.
class SentinelNews {
 public:
  // Since the last one; nothing of the first.
  std::vector<SentinelEvent> Take(CacheView view);

 private:
  CacheView told_;  // Where a primary is not known, the last one.
};

}  // namespace cairn::adapter::redis
