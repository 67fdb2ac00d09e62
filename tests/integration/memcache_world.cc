#include "tests/integration/memcache_world.h"

#include <fmt/format.h>
#include <httplib.h>
#include <signal.h>

#include <charconv>
#include <map>
#include <utility>

#include "base/check.h"

namespace cairn::integration {
namespace {

using adapter::memcache::ReplyKind;

// The rest of the line that begins with `start`; empty: there is none.
std::string RestOfLine(std::string_view text, std::string_view start) {
  const size_t at = text.find(start);
  if (at == std::string_view::npos) return "";
  const size_t from = at + start.size();
  return std::string(text.substr(from, text.find_first_of("\r\n", from) - from));
}

}  // namespace

MemcacheWorld::MemcacheWorld(Options options)
    : AgentProcesses(options.nodes, options.agents), options_(std::move(options)) {}

MemcacheWorld::~MemcacheWorld() {
  // An engine dies with its agent.
  for (size_t agent = 0; agent < size(); ++agent) KillAgent(agent);
}

void MemcacheWorld::StartAgent(size_t agent) {
  std::vector<std::string> flags = {"--log",
                                    "cache",
                                    "--ttl-ms",
                                    std::to_string(options_.ttl_ms),
                                    "--metrics-listen",
                                    SecondAddress(agent)};
  flags.insert(flags.end(), options_.flags.begin(), options_.flags.end());
  Start(agent, "cairn-agent", "memcached", flags);
}

void MemcacheWorld::StartAllAgents() {
  for (size_t agent = 0; agent < size(); ++agent) StartAgent(agent);
}

bool MemcacheWorld::KillEngine(size_t agent) {
  const auto engine = Engine(agent);
  if (engine == nullptr || !engine->Send("stats\r\n")) return false;
  const std::optional<std::string> stats = engine->Read(ReplyKind::kStats);
  if (!stats) return false;
  const std::string text = RestOfLine(*stats, "STAT pid ");
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return pid > 0 && kill(pid, SIGKILL) == 0;
}

std::unique_ptr<MemcacheClient> MemcacheWorld::Client(size_t agent) const {
  return MemcacheClient::Connect(Address(agent));
}

std::unique_ptr<MemcacheClient> MemcacheWorld::Engine(size_t agent) const {
  return MemcacheClient::ConnectUnix(Directory(agent) + "/engine/engine.sock");
}

// ---- Roles --------------------------------------------------------------------------------------

std::string MemcacheWorld::Page(size_t agent, const std::string& path) const {
  if (!IsRunning(agent)) return "";
  httplib::Client client("http://" + SecondAddress(agent));
  client.set_read_timeout(1);
  const httplib::Result result = client.Get(path);
  return result && result->status == 200 ? result->body : "";
}

std::optional<double> MemcacheWorld::Metric(size_t agent, const std::string& name) const {
  const std::string text = RestOfLine("\n" + Page(agent, "/metrics"), "\n" + name + " ");
  if (text.empty()) return std::nullopt;
  return std::stod(text);
}

std::optional<size_t> MemcacheWorld::AwaitPrimary(std::optional<size_t> except, int seconds) {
  std::optional<size_t> primary;
  Eventually(
      [&] {
        for (size_t agent = 0; agent < size() && !primary; ++agent) {
          if (agent == except) continue;
          if (Metric(agent, "cairn_agent_role{role=\"primary\"}") == 1.0) primary = agent;
        }
        return primary.has_value();
      },
      seconds);
  return primary;
}

bool MemcacheWorld::AwaitAllServe() {
  if (!AwaitPrimary()) return false;
  return Eventually([&] {
    for (size_t agent = 0; agent < size(); ++agent) {
      if (Metric(agent, "cairn_agent_ready") != 1.0) return false;
      if (Metric(agent, "cairn_agent_feed_lag_records") != 0.0) return false;
    }
    return true;
  });
}

// ---- Items --------------------------------------------------------------------------------------

std::string MemcacheWorld::EngineItems(size_t agent) const {
  const auto engine = Engine(agent);
  if (engine == nullptr) return "no engine";
  std::optional<std::string> dump;
  // By its hash table: a dump of its LRU lists passes over what moves between them. Its own crawler
  // may be at work, then it says BUSY.
  const bool dumped = Eventually([&] {
    if (!engine->Send("lru_crawler metadump hash\r\n")) return false;
    dump = engine->ReadUntil("\r\n");
    return dump && dump->ends_with("END\r\n");
  });
  if (!dumped) return "no dump";
  std::map<std::string, std::string> items;
  for (size_t at = dump->find("key="); at != std::string::npos; at = dump->find("\nkey=", at)) {
    if ((*dump)[at] == '\n') ++at;
    const std::string key = dump->substr(at + 4, dump->find(' ', at) - at - 4);
    if (!engine->Send(fmt::format("mg {} v f\r\n", key))) return "no engine";
    items[key] = engine->Read(ReplyKind::kMeta).value_or("no item");
  }
  std::string text;
  for (const auto& [key, item] : items) text += fmt::format("{}: {}", key, item);
  return text;
}

bool MemcacheWorld::AwaitSameEngines() {
  if (!AwaitAllServe()) return false;
  return Eventually([&] {
    const std::string first = EngineItems(0);
    for (size_t agent = 1; agent < size(); ++agent) {
      if (EngineItems(agent) != first) return false;
    }
    return true;
  });
}

bool MemcacheWorld::AwaitSameViews() {
  const std::string before = EngineItems(0);
  for (size_t agent = 0; agent < size(); ++agent) {
    const std::optional<double> resyncs = Metric(agent, "cairn_agent_resyncs_total");
    if (!KillEngine(agent)) return false;
    const bool filled = Eventually([&] {
      const std::optional<double> now = Metric(agent, "cairn_agent_resyncs_total");
      return now && *now > resyncs.value_or(0);
    });
    if (!filled || !AwaitAllServe()) return false;
  }
  return AwaitSameEngines() && EngineItems(0) == before;
}

}  // namespace cairn::integration
