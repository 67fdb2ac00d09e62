#include "adapter/redis/discovery/cluster_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "xxhash.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot";
constexpr std::string_view kNotServed = "CLUSTERDOWN Hash slot not served";
constexpr std::string_view kNoPrimary = "CLUSTERDOWN the cache has no primary right now; ask again";

ClusterMap::Node MakeNode(std::string_view name, const std::string& address) {
  return {
      .id = NodeId(name.empty() ? address : name), .address = address, .at = ReadHostPort(address)};
}

ClusterMap::Shard MakeShard(const ShardView& view, std::string_view own_address) {
  ClusterMap::Shard shard{.id = NodeId(view.log), .slots = view.slots, .epoch = view.primary_epoch};
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
  const std::string_view lasting = agent_name.substr(0, agent_name.find('/'));
  const XXH128_hash_t hash = XXH3_128bits(lasting.data(), lasting.size());
  const uint32_t rest = XXH32(lasting.data(), lasting.size(), 0);
  return fmt::format("{:016x}{:016x}{:08x}", hash.high64, hash.low64, rest);
}

ClusterMap::ClusterMap(const CacheView& view, std::string_view own_address) {
  shards_.push_back(MakeShard(view, own_address));
  for (const ShardView& other : view.others) shards_.push_back(MakeShard(other, ""));
  std::sort(shards_.begin(), shards_.end(),
            [](const Shard& a, const Shard& b) { return a.slots.first < b.slots.first; });
  const auto own = std::find_if(shards_.begin(), shards_.end(),
                                [&](const Shard& shard) { return shard.slots == view.slots; });
  own_shard_ = static_cast<size_t>(own - shards_.begin());
}

const ClusterMap::Node& ClusterMap::self() const {
  const std::vector<Node>& nodes = own_shard().nodes;
  const auto self =
      std::find_if(nodes.begin(), nodes.end(), [](const Node& node) { return node.self; });
  CHECK(self != nodes.end());
  return *self;
}

const ClusterMap::Shard* ClusterMap::Find(uint32_t slot) const {
  for (const Shard& shard : shards_) {
    if (shard.slots.Contains(slot)) return &shard;
  }
  return nullptr;
}

std::string ClusterMap::MovedTo(uint32_t slot, const Shard& shard) const {
  const Node* const primary = shard.primary();
  // Whoever has just lost its lease would send its clients to itself.
  if (primary == nullptr || primary->self) return std::string(kNoPrimary);
  return fmt::format("MOVED {} {}", slot, primary->address);
}

std::optional<std::string> ClusterMap::Redirect(std::span<const std::string_view> argv,
                                                const CommandPlan& plan, bool is_primary,
                                                bool read_only) const {
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
  if (keys->empty()) {
    // Any of its own slots leads a write without a key to the primary.
    if (is_primary || !plan.writes) return std::nullopt;
    return MovedTo(own_shard().slots.first, own_shard());
  }
  const bool only_mine = shards_.size() == 1 && is_primary;
  if (only_mine && keys->size() == 1) return std::nullopt;
  const uint32_t slot = KeySlot(argv[keys->front().argument]);
  for (const KeyRef& key : *keys) {
    if (KeySlot(argv[key.argument]) != slot) return std::string(kCrossSlot);
  }
  const Shard* const shard = Find(slot);
  if (shard == nullptr) return std::string(kNotServed);
  if (shard == &own_shard() && (is_primary || any_replica)) return std::nullopt;
  return MovedTo(slot, *shard);
}

}  // namespace cairn::adapter::redis
