#include "adapter/redis/discovery/cluster_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <utility>
#include <vector>

namespace cairn::adapter::redis {
namespace {

using Node = ClusterMap::Node;
using Shard = ClusterMap::Shard;

constexpr std::string_view kNoSlotIndex =
    "ERR the engine keeps no index of its slots; SCAN shows the keys, CLUSTER KEYSLOT their slots";

// Of the bus, which is not there; clients that want a number get one.
constexpr int kBusPort = 0;

std::string NodeLine(const Shard& shard, const Node& node) {
  const bool primary = node.primary;
  const Node* const leader = shard.primary();
  std::string line =
      fmt::format("{} {}:{}@{} {}{} {} 0 0 {} connected", node.id, node.at.host, node.at.port,
                  kBusPort, node.self ? "myself," : "", primary ? "master" : "slave",
                  primary || leader == nullptr ? "-" : leader->id, shard.epoch);
  if (primary) {
    for (const SlotRange& range : shard.slots) line += fmt::format(" {}", ToText(range));
  }
  return line + "\n";
}

size_t NodeCount(const ClusterMap& map) {
  size_t count = 0;
  for (const Shard& shard : map.shards()) count += shard.nodes.size();
  return count;
}

std::string InfoText(const ClusterMap& map) {
  uint32_t assigned = 0;
  uint32_t served = 0;
  Epoch newest;
  for (const Shard& shard : map.shards()) {
    const uint32_t slots = CountSlots(shard.slots);
    assigned += slots;
    if (shard.primary() != nullptr) served += slots;
    newest = std::max(newest, shard.epoch);
  }
  return fmt::format(
      "cluster_state:{}\r\ncluster_slots_assigned:{}\r\n"
      "cluster_slots_ok:{}\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:{}\r\n"
      "cluster_known_nodes:{}\r\ncluster_size:{}\r\ncluster_current_epoch:{}\r\n"
      "cluster_my_epoch:{}\r\ncluster_stats_messages_sent:0\r\n"
      "cluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n",
      served == kSlots ? "ok" : "fail", assigned, served, assigned - served, NodeCount(map),
      map.shards().size(), newest, map.own_shard().epoch);
}

void WriteSlotRange(const SlotRange& range, const Shard& shard, ReplyWriter* reply) {
  reply->Array(2 + shard.nodes.size());
  reply->Integer(range.first);
  reply->Integer(range.last);
  for (const Node& node : shard.nodes) {
    reply->Array(4);
    reply->Bulk(node.at.host);
    reply->Integer(node.at.port);
    reply->Bulk(node.id);
    reply->Array(0);  // Further names of the host.
  }
}

// Clients take the first node of a range for its master. While there is none, that is one that
// stands by: it asks them to come again, where a range that is left out is an error for good to
// many of them. (Redis goes on naming the master that has failed.) A shard without any agent is
// left out.
void WriteSlots(const ClusterMap& map, ReplyWriter* reply) {
  size_t ranges = 0;
  for (const Shard& shard : map.shards()) {
    if (!shard.nodes.empty()) ranges += shard.slots.size();
  }
  reply->Array(ranges);
  for (const Shard& shard : map.shards()) {
    if (shard.nodes.empty()) continue;
    for (const SlotRange& range : shard.slots) WriteSlotRange(range, shard, reply);
  }
}

void WriteShardNode(const Node& node, uint64_t own_offset, ReplyWriter* reply) {
  reply->Map(7);
  const std::pair<std::string_view, std::string_view> texts[] = {
      {"id", node.id},
      {"ip", node.at.host},
      {"endpoint", node.at.host},
      {"role", node.primary ? "master" : "replica"},
      {"health", "online"}};
  for (const auto& [name, text] : texts) {
    reply->Bulk(name);
    reply->Bulk(text);
  }
  reply->Bulk("port");
  reply->Integer(node.at.port);
  reply->Bulk("replication-offset");
  reply->Integer(node.self ? static_cast<int64_t>(own_offset) : 0);
}

void WriteShards(const ClusterMap& map, uint64_t own_offset, ReplyWriter* reply) {
  reply->Array(map.shards().size());
  for (const Shard& shard : map.shards()) {
    reply->Map(2);
    reply->Bulk("slots");
    reply->Array(2 * shard.slots.size());
    for (const SlotRange& range : shard.slots) {
      reply->Integer(range.first);
      reply->Integer(range.last);
    }
    reply->Bulk("nodes");
    reply->Array(shard.nodes.size());
    for (const Node& node : shard.nodes) WriteShardNode(node, own_offset, reply);
  }
}

void WriteReplicas(const ClusterMap& map, std::string_view id, ReplyWriter* reply) {
  for (const Shard& shard : map.shards()) {
    for (const Node& node : shard.nodes) {
      if (node.id != id) continue;
      if (!node.primary) return reply->Error("ERR The specified node is not a master");
      reply->Array(shard.nodes.size() - 1);
      for (size_t i = 1; i < shard.nodes.size(); ++i) {
        std::string line = NodeLine(shard, shard.nodes[i]);
        line.pop_back();
        reply->Bulk(line);
      }
      return;
    }
  }
  reply->Error("ERR Unknown node");
}

void WriteSlotContents(std::string_view text, ReplyWriter* reply) {
  uint32_t slot = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, slot);
  const bool is_slot = error == std::errc() && at == end && slot < kSlots;
  reply->Error(is_slot ? kNoSlotIndex : "ERR Invalid slot");
}

void WriteHelp(ReplyWriter* reply) {
  static constexpr std::string_view kLines[] = {
      "CLUSTER <subcommand> [<arg> …]. The agent answers from the cache's log:",
      "INFO, KEYSLOT <key>, LINKS, MYID, NODES, REPLICAS <node-id>, SHARDS, SLOTS.",
      "Slots and primaries are not set here: cairn-agent reshard and leases decide."};
  reply->Array(std::size(kLines));
  for (const std::string_view line : kLines) reply->Simple(line);
}

}  // namespace

std::string NodesText(const ClusterMap& map) {
  std::string text;
  for (const Shard& shard : map.shards()) {
    for (const Node& node : shard.nodes) text += NodeLine(shard, node);
  }
  return text;
}

void AnswerCluster(const ClusterMap& map, const ClusterQuestion& question, ReplyWriter* reply) {
  const std::span<const std::string_view> argv = question.argv;
  const auto is = [&](std::string_view name, size_t words) {
    return argv.size() == words && EqualsIgnoringCase(argv[1], name);
  };
  if (is("slots", 2)) return WriteSlots(map, reply);
  if (is("shards", 2)) return WriteShards(map, question.replication_offset, reply);
  if (is("nodes", 2)) return reply->Verbatim("txt", NodesText(map));
  if (is("info", 2)) return reply->Verbatim("txt", InfoText(map));
  if (is("myid", 2)) return reply->Bulk(map.self().id);
  if (is("myshardid", 2)) return reply->Bulk(map.own_shard().id);
  if (is("keyslot", 3)) return reply->Integer(KeySlot(argv[2]));
  if (is("countkeysinslot", 3) || is("getkeysinslot", 4)) return WriteSlotContents(argv[2], reply);
  if (is("replicas", 3) || is("slaves", 3)) return WriteReplicas(map, argv[2], reply);
  if (is("links", 2)) return reply->Array(0);
  if (is("count-failure-reports", 3)) return reply->Integer(0);
  if (is("help", 2)) return WriteHelp(reply);
  reply->Error("ERR unknown subcommand or wrong number of arguments; try CLUSTER HELP");
}

}  // namespace cairn::adapter::redis
