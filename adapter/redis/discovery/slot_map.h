// SlotMap: which log of a cache holds which slots, and the log where that stands.
//
//   cache NAME of N logs:  NAME.slots          its records are slot maps; the last one counts
//                          NAME/1 … NAME/N     the data, each with agents of its own
//
// The first agent of a cache writes the map, by a conditional append, so that all agents agree on
// one whatever they were started with; see docs/decisions/017. A map is never changed here.
//
// Text of a record: "v1 0-5460=NAME/1 5461-10922=NAME/2 10923-16383=NAME/3".
//
// Threads: values; AgreeOnSlots blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/discovery/key_slot.h"
#include "cairn/client.h"

namespace cairn::adapter::redis {

struct SlotShare {
  SlotRange slots;
  std::string log;

  bool operator==(const SlotShare&) const = default;
};
// In the order of their slots: all of them, each once.
using SlotMap = std::vector<SlotShare>;

inline constexpr uint32_t kMaxShards = 1024;

// Requires: 1 … kMaxShards logs. Log `number` counts from 1.
SlotMap EvenSlots(std::string_view cache, uint32_t logs);
std::string ShardLog(std::string_view cache, uint32_t number);

std::string EncodeSlots(const SlotMap& map);
// Errors: kDataLoss for what is no map, or leaves a slot out.
absl::StatusOr<SlotMap> ReadSlots(std::string_view text);

// The cache's map; made, of so many logs with even shares, when there is none.
// Errors: kFailedPrecondition: it has another number of logs; kDataLoss; those of Log.
absl::StatusOr<SlotMap> AgreeOnSlots(Client* client, std::string_view cache, uint32_t logs,
                                     const CallOptions& call);

}  // namespace cairn::adapter::redis
