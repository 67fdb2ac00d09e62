#include "adapter/redis/discovery/sentinel_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "adapter/redis/command_info.h"
#include "adapter/redis/discovery/cluster_map.h"

namespace cairn::adapter::redis {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string>>;

constexpr std::string_view kNoSuchMaster = "ERR No such master with that name";
constexpr std::string_view kNotSet =
    "ERR nothing is set here: the log's lease decides who is primary; see CAIRN HANDOVER";

std::vector<const ShardView*> Shards(const CacheView& view) {
  std::vector<const ShardView*> shards = {&view};
  for (const ShardView& other : view.others) shards.push_back(&other);
  return shards;
}

const ShardView* FindShard(const CacheView& view, std::string_view log) {
  for (const ShardView* const shard : Shards(view)) {
    if (shard->log == log) return shard;
  }
  return nullptr;
}

const std::string& SentinelAddress(const AgentView& agent) {
  return agent.sentinel.empty() ? agent.address : agent.sentinel;
}

void WriteFields(const Fields& fields, ReplyWriter* reply) {
  reply->Map(fields.size());
  for (const auto& [name, value] : fields) {
    reply->Bulk(name);
    reply->Bulk(value);
  }
}

// What Sentinel tells of everything that it watches. Nobody is pinged here: who is gone is not in
// the view, and who is in it has been heard of a moment ago.
Fields Instance(std::string_view name, std::string_view agent_name, const HostPort& at,
                std::string_view flags) {
  return {{"name", std::string(name)},
          {"ip", at.host},
          {"port", std::to_string(at.port)},
          {"runid", NodeId(agent_name)},
          {"flags", std::string(flags)},
          {"link-pending-commands", "0"},
          {"link-refcount", "1"},
          {"last-ping-sent", "0"},
          {"last-ok-ping-reply", "0"},
          {"last-ping-reply", "0"},
          {"down-after-milliseconds", "0"}};
}

void WriteMaster(const CacheView& view, const ShardView& shard, ReplyWriter* reply) {
  const bool known = !shard.primary_address.empty();
  Fields fields = Instance(shard.log, shard.primary_name, ReadHostPort(shard.primary_address),
                           known ? "master" : "master,s_down,o_down");
  const auto is_replica = [&](const AgentView& agent) {
    return agent.address != shard.primary_address;
  };
  const auto replicas = std::count_if(shard.agents.begin(), shard.agents.end(), is_replica);
  size_t sentinels = 0;
  for (const ShardView* const one : Shards(view)) sentinels += one->agents.size();
  fields.insert(fields.end(),
                {{"info-refresh", "0"},
                 {"role-reported", "master"},
                 {"role-reported-time", "0"},
                 {"config-epoch", fmt::format("{}", shard.primary_epoch)},
                 {"num-slaves", std::to_string(replicas)},
                 {"num-other-sentinels", std::to_string(sentinels == 0 ? 0 : sentinels - 1)},
                 {"quorum", "1"},
                 {"failover-timeout", "0"},
                 {"parallel-syncs", "1"}});
  WriteFields(fields, reply);
}

void WriteReplicas(const ShardView& shard, ReplyWriter* reply) {
  std::vector<const AgentView*> replicas;
  for (const AgentView& agent : shard.agents) {
    if (agent.address != shard.primary_address) replicas.push_back(&agent);
  }
  const HostPort primary = ReadHostPort(shard.primary_address);
  reply->Array(replicas.size());
  for (const AgentView* const agent : replicas) {
    Fields fields = Instance(agent->address, agent->name, ReadHostPort(agent->address), "slave");
    fields.insert(fields.end(),
                  {{"info-refresh", "0"},
                   {"role-reported", "slave"},
                   {"role-reported-time", "0"},
                   {"master-link-down-time", "0"},
                   {"master-link-status", shard.primary_address.empty() ? "err" : "ok"},
                   {"master-host", primary.host},
                   {"master-port", std::to_string(primary.port)},
                   {"slave-priority", "100"},
                   {"slave-repl-offset", "0"},
                   {"replica-announced", "1"}});
    WriteFields(fields, reply);
  }
}

void WriteSentinels(const CacheView& view, const SentinelSelf& self, ReplyWriter* reply) {
  std::vector<const AgentView*> others;
  for (const ShardView* const shard : Shards(view)) {
    for (const AgentView& agent : shard->agents) {
      if (agent.address != self.address) others.push_back(&agent);
    }
  }
  reply->Array(others.size());
  for (const AgentView* const agent : others) {
    const std::string& address = SentinelAddress(*agent);
    Fields fields = Instance(NodeId(agent->name), agent->name, ReadHostPort(address), "sentinel");
    fields.insert(
        fields.end(),
        {{"last-hello-message", "0"}, {"voted-leader", "?"}, {"voted-leader-epoch", "0"}});
    WriteFields(fields, reply);
  }
}

void WriteAddress(const ShardView* shard, ReplyWriter* reply) {
  if (shard == nullptr || shard->primary_address.empty()) return reply->NullArray();
  const HostPort primary = ReadHostPort(shard->primary_address);
  reply->Array(2);
  reply->Bulk(primary.host);
  reply->Bulk(std::to_string(primary.port));
}

void WriteQuorum(const CacheView& view, const ShardView& shard, ReplyWriter* reply) {
  if (shard.primary_address.empty()) {
    return reply->Error("NOQUORUM the log names no primary right now");
  }
  size_t sentinels = 0;
  for (const ShardView* const one : Shards(view)) sentinels += one->agents.size();
  reply->Simple(fmt::format(
      "OK {} usable Sentinels. Quorum and failover authorization can be reached", sentinels));
}

// Asked of each other by Sentinels; we are asked by tools.
void WriteIsDown(const CacheView& view, std::string_view host, std::string_view port,
                 ReplyWriter* reply) {
  const auto shards = Shards(view);
  const bool up = std::any_of(shards.begin(), shards.end(), [&](const ShardView* shard) {
    const HostPort primary = ReadHostPort(shard->primary_address);
    return primary.host == host && std::to_string(primary.port) == port;
  });
  reply->Array(3);
  reply->Integer(up ? 0 : 1);
  reply->Bulk("*");
  reply->Integer(0);
}

std::string MyId(const CacheView& view, const SentinelSelf& self) {
  for (const AgentView& agent : view.agents) {
    if (agent.address == self.address) return NodeId(agent.name);
  }
  return NodeId(self.address);
}

void WriteHelp(ReplyWriter* reply) {
  static constexpr std::string_view kLines[] = {
      "SENTINEL <subcommand> [<arg> …]. The agent answers from the cache's log:",
      "CKQUORUM <name>, GET-MASTER-ADDR-BY-NAME <name>, IS-MASTER-DOWN-BY-ADDR <ip> <port> …,",
      "MASTER <name>, MASTERS, MYID, REPLICAS <name>, SENTINELS <name>.",
      "A master's name is that of its log."};
  reply->Array(std::size(kLines));
  for (const std::string_view line : kLines) reply->Simple(line);
}

// "<name> <host> <port>", as far as events have them.
std::string Words(const HostPort& at) { return fmt::format("{} {}", at.host, at.port); }

std::string ReplicaMessage(const AgentView& agent, const ShardView& shard) {
  return fmt::format("slave {} {} @ {} {}", agent.address, Words(ReadHostPort(agent.address)),
                     shard.log, Words(ReadHostPort(shard.primary_address)));
}

bool Has(const ShardView& shard, const std::string& address) {
  return std::any_of(shard.agents.begin(), shard.agents.end(),
                     [&](const AgentView& agent) { return agent.address == address; });
}

void AddEvents(const ShardView& before, const ShardView& after,
               std::vector<SentinelEvent>* events) {
  if (after.primary_address.empty()) return;
  if (!before.primary_address.empty() && before.primary_address != after.primary_address) {
    events->push_back({"+switch-master", fmt::format("{} {} {}", after.log,
                                                     Words(ReadHostPort(before.primary_address)),
                                                     Words(ReadHostPort(after.primary_address)))});
  }
  for (const AgentView& agent : after.agents) {
    if (agent.address == after.primary_address || Has(before, agent.address)) continue;
    events->push_back({"+slave", ReplicaMessage(agent, after)});
  }
  for (const AgentView& agent : before.agents) {
    if (agent.address == after.primary_address || Has(after, agent.address)) continue;
    events->push_back({"+sdown", ReplicaMessage(agent, after)});
  }
}

}  // namespace

void AnswerSentinel(const CacheView& view, const SentinelSelf& self,
                    std::span<const std::string_view> argv, ReplyWriter* reply) {
  const auto is = [&](std::string_view name, size_t words) {
    return argv.size() == words && EqualsIgnoringCase(argv[1], name);
  };
  if (is("masters", 2)) {
    const auto shards = Shards(view);
    reply->Array(shards.size());
    for (const ShardView* const shard : shards) WriteMaster(view, *shard, reply);
    return;
  }
  if (is("myid", 2)) return reply->Bulk(MyId(view, self));
  if (is("help", 2)) return WriteHelp(reply);
  if (is("is-master-down-by-addr", 6)) return WriteIsDown(view, argv[2], argv[3], reply);
  if (is("get-master-addr-by-name", 3)) return WriteAddress(FindShard(view, argv[2]), reply);
  for (const std::string_view name : {"master", "replicas", "slaves", "sentinels", "ckquorum"}) {
    if (!is(name, 3)) continue;
    const ShardView* const shard = FindShard(view, argv[2]);
    if (shard == nullptr) return reply->Error(kNoSuchMaster);
    if (name == "master") return WriteMaster(view, *shard, reply);
    if (name == "sentinels") return WriteSentinels(view, self, reply);
    if (name == "ckquorum") return WriteQuorum(view, *shard, reply);
    return WriteReplicas(*shard, reply);
  }
  for (const std::string_view name :
       {"config", "failover", "flushconfig", "monitor", "remove", "reset", "set"}) {
    if (argv.size() > 1 && EqualsIgnoringCase(argv[1], name)) return reply->Error(kNotSet);
  }
  reply->Error("ERR unknown subcommand or wrong number of arguments; try SENTINEL HELP");
}

std::vector<SentinelEvent> SentinelNews::Take(CacheView view) {
  std::vector<SentinelEvent> events;
  std::vector<ShardView*> shards = {&view};
  for (ShardView& other : view.others) shards.push_back(&other);
  for (ShardView* const shard : shards) {
    const ShardView* const old = FindShard(told_, shard->log);
    if (old == nullptr) continue;
    if (shard->primary_address.empty()) shard->primary_address = old->primary_address;
    AddEvents(*old, *shard, &events);
  }
  told_ = std::move(view);
  return events;
}

}  // namespace cairn::adapter::redis
