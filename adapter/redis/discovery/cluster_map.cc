#include "adapter/redis/discovery/cluster_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "xxhash.h"

namespace cairn::adapter::redis {
namespace {

constexpr uint16_t kNobody = UINT16_MAX;
static_assert(kMaxShards < kNobody);
constexpr std::string_view kCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot";
constexpr std::string_view kNotServed = "CLUSTERDOWN Hash slot not served";
constexpr std::string_view kNoPrimary = "CLUSTERDOWN the cache has no primary right now; ask again";

// 40 hexadecimal digits.
std::string HashId(std::string_view name) {
  const XXH128_hash_t hash = XXH3_128bits(name.data(), name.size());
  const uint32_t rest = XXH32(name.data(), name.size(), 0);
  return fmt::format("{:016x}{:016x}{:08x}", hash.high64, hash.low64, rest);
}

ClusterMap::Node MakeNode(std::string_view name, const std::string& address) {
  return {
      .id = NodeId(name.empty() ? address : name), .address = address, .at = ReadHostPort(address)};
}

ClusterMap::Shard MakeShard(const ShardView& view, std::string_view own_address) {
  ClusterMap::Shard shard{
      .log = view.log, .id = HashId(view.log), .slots = view.slots, .epoch = view.primary_epoch};
  for (const AgentView& agent : view.agents) {
    shard.nodes.push_back(MakeNode(agent.name, agent.address));
  }
  const auto add_missing = [&](std::string_view name, const std::string& address) {
    const bool there = std::any_of(shard.nodes.begin(), shard.nodes.end(),
                                   [&](const auto& node) { return node.address == address; });
    if (!there && !address.empty()) shard.nodes.push_back(MakeNode(name, address));
  };
  add_missing(view.primary_name, view.primary_address);
  add_missing("", std::string(own_address));
  for (ClusterMap::Node& node : shard.nodes) {
    node.primary = node.address == view.primary_address;
    node.self = node.address == own_address;
  }
  std::stable_partition(shard.nodes.begin(), shard.nodes.end(),
                        [](const ClusterMap::Node& node) { return node.primary; });
  return shard;
}

// Channels that go by slots. SUNSUBSCRIBE is served anywhere: it ends what was begun there.
bool HasShardChannels(const CommandInfo& info) {
  return info.name == "ssubscribe" || info.name == "spublish";
}

void FindShardChannels(const CommandInfo& info, size_t argc, std::vector<KeyRef>* found) {
  const size_t end = info.name == "spublish" ? std::min<size_t>(argc, 2) : argc;
  for (uint32_t i = 1; i < end; ++i) found->push_back({i, false});
}

bool MarksWidely(const CommandPlan& plan) {
  return plan.marks == MarkScope::kDatabase || plan.marks == MarkScope::kAllDatabases;
}

}  // namespace

HostPort ReadHostPort(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return {};
  HostPort result;
  const char* const end = address.data() + address.size();
  const auto [at, error] = std::from_chars(address.data() + colon + 1, end, result.port);
  if (error != std::errc() || at != end) return {};
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  result.host = std::string(host);
  return result;
}

std::string NodeId(std::string_view agent_name) {
  return HashId(agent_name.substr(0, agent_name.find('/')));
}

bool SlotTouch::Of(const SlotRanges& ranges) const {
  return (any && !ranges.empty()) || (slot && Contains(ranges, *slot));
}

ClusterMap::ClusterMap(const CacheView& view, std::string_view own_address)
    : owners_(kSlots, kNobody), held_(view.held) {
  shards_.push_back(MakeShard(view, own_address));
  for (const ShardView& other : view.others) shards_.push_back(MakeShard(other, ""));
  const auto first_slot = [](const Shard& shard) {
    return shard.slots.empty() ? kSlots : shard.slots.front().first;
  };
  std::stable_sort(shards_.begin(), shards_.end(),
                   [&](const Shard& a, const Shard& b) { return first_slot(a) < first_slot(b); });
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].log == view.log) own_shard_ = i;
    for (const SlotRange& range : shards_[i].slots) {
      std::fill(owners_.begin() + range.first, owners_.begin() + range.last + 1,
                static_cast<uint16_t>(i));
    }
  }
}

const ClusterMap::Node& ClusterMap::self() const {
  const std::vector<Node>& nodes = own_shard().nodes;
  const auto self =
      std::find_if(nodes.begin(), nodes.end(), [](const Node& node) { return node.self; });
  CHECK(self != nodes.end());
  return *self;
}

const ClusterMap::Shard* ClusterMap::Find(uint32_t slot) const {
  const uint16_t owner = owners_[slot];
  return owner == kNobody ? nullptr : &shards_[owner];
}

std::string ClusterMap::MovedTo(uint32_t slot, std::string_view log) const {
  const auto found = std::find_if(shards_.begin(), shards_.end(),
                                  [&](const Shard& shard) { return shard.log == log; });
  return found == shards_.end() ? std::string(kNoPrimary) : MovedTo(slot, *found);
}

std::string ClusterMap::MovedTo(uint32_t slot, const Shard& shard) const {
  const Node* const primary = shard.primary();
  // Whoever has just lost its lease would send its clients to itself.
  if (primary == nullptr || primary->self) return std::string(kNoPrimary);
  return fmt::format("MOVED {} {}", slot, primary->address);
}

// Any of its own slots leads a write without a key to the primary. What may touch every key waits
// while some of them are on their way.
SlotRoute ClusterMap::RouteWithoutKeys(const CommandPlan& plan, bool is_primary) const {
  if (!plan.writes) return {};
  if (is_primary) return RouteTo({.slot = {}, .any = MarksWidely(plan)}, is_primary, false);
  const SlotRanges& own = own_shard().slots;
  SlotRoute route;
  route.refusal = MovedTo(own.empty() ? 0 : own.front().first, own_shard());
  return route;
}

SlotRoute ClusterMap::RouteTo(SlotTouch touch, bool is_primary, bool any_replica) const {
  SlotRoute route;
  route.touch = touch;
  route.held = is_primary && touch.Of(held_);
  if (route.held || !touch.slot) return route;
  const Shard* const shard = Find(*touch.slot);
  if (shard == nullptr) {
    route.refusal = std::string(kNotServed);
  } else if (shard != &own_shard() || !(is_primary || any_replica)) {
    route.refusal = MovedTo(*touch.slot, *shard);
  }
  return route;
}

SlotRoute ClusterMap::RouteAgain(SlotTouch touch, bool is_primary) const {
  return RouteTo(touch, is_primary, /*any_replica=*/true);
}

SlotRoute ClusterMap::Route(std::span<const std::string_view> argv, const CommandPlan& plan,
                            bool is_primary, bool read_only) const {
  std::vector<KeyRef> found;
  const std::vector<KeyRef>* keys = &plan.keys;
  bool any_replica = read_only && !plan.writes;
  // The plan tells the keys of what needs marks or waits for them, and of nothing else.
  if (keys->empty() && plan.info != nullptr) {
    (void)FindKeys(*plan.info, argv, &found);
    if (HasShardChannels(*plan.info)) {
      FindShardChannels(*plan.info, argv.size(), &found);
      any_replica = !plan.writes;
    }
    keys = &found;
  }
  if (keys->empty()) return RouteWithoutKeys(plan, is_primary);
  const bool only_mine = shards_.size() == 1 && is_primary && held_.empty();
  if (only_mine && keys->size() == 1) return {};
  const uint32_t slot = KeySlot(argv[keys->front().argument]);
  for (const KeyRef& key : *keys) {
    if (KeySlot(argv[key.argument]) == slot) continue;
    SlotRoute route;
    route.refusal = std::string(kCrossSlot);
    return route;
  }
  return RouteTo({slot, plan.writes && MarksWidely(plan)}, is_primary, any_replica);
}

}  // namespace cairn::adapter::redis
