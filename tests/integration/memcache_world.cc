#include "tests/integration/memcache_world.h"

#include <fmt/format.h>
#include <httplib.h>
#include <signal.h>

#include <charconv>
#include <filesystem>
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

// Of a reply "VA BYTES fFLAGS" with its value; of any other, it itself.
std::string ItemOf(const std::string& reply) {
  const size_t flags = reply.find(" f");
  const size_t value = reply.find("\r\n") + 2;
  if (!reply.starts_with("VA ") || flags > value) return reply;
  return fmt::format("{} {}", reply.substr(flags + 2, value - flags - 4),
                     reply.substr(value, reply.size() - value - 2));
}

}  // namespace

MemcacheWorld::MemcacheWorld(Options options)
    : AgentProcesses(options.nodes, options.agents, options.spare_ports),
      options_(std::move(options)) {
  std::filesystem::create_directory(File("store"));
}

MemcacheWorld::~MemcacheWorld() {
  // An engine dies with its agent.
  for (size_t agent = 0; agent < size(); ++agent) KillAgent(agent);
}

void MemcacheWorld::StartAgent(size_t agent) {
  const auto log = [this](size_t number) {
    return options_.logs == 1 ? std::string("cache") : fmt::format("cache{}", number);
  };
  std::vector<std::string> flags = {"--log",
                                    log(agent % options_.logs),
                                    "--ttl-ms",
                                    std::to_string(options_.ttl_ms),
                                    "--store",
                                    StoreUrl(),
                                    "--metrics-listen",
                                    SecondAddress(agent)};
  std::string ring;
  for (size_t number = 0; number < options_.logs; ++number) ring += log(number) + ",";
  flags.insert(flags.end(), {"--ring", ring});
  if (!options_.advertise_host.empty()) {
    const std::string address = Address(agent);
    flags.insert(flags.end(),
                 {"--advertise", options_.advertise_host + address.substr(address.rfind(':'))});
  }
  flags.insert(flags.end(), options_.flags.begin(), options_.flags.end());
  if (agent == 0) {
    flags.insert(flags.end(), first_flags_.begin(), first_flags_.end());
  }
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

bool MemcacheWorld::AwaitServes(size_t agent) {
  return Eventually([&] { return AskMemcache(Address(agent), "get nothing\r\n") == "END\r\n"; });
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

std::optional<MemcacheItems> MemcacheWorld::EngineItems(size_t agent) const {
  const auto engine = Engine(agent);
  if (engine == nullptr) return std::nullopt;
  std::optional<std::string> dump;
  // By its hash table: a dump of its LRU lists passes over what moves between them. Its own crawler
  // may be at work, then it says BUSY.
  const bool dumped = Eventually([&] {
    if (!engine->Send("lru_crawler metadump hash\r\n")) return false;
    dump = engine->ReadUntil("\r\n");
    return dump && dump->ends_with("END\r\n");
  });
  if (!dumped) return std::nullopt;
  MemcacheItems items;
  for (size_t at = dump->find("key="); at != std::string::npos; at = dump->find("\nkey=", at)) {
    if ((*dump)[at] == '\n') ++at;
    const std::string key = dump->substr(at + 4, dump->find(' ', at) - at - 4);
    if (!engine->Send(fmt::format("mg {} f v\r\n", key))) return std::nullopt;
    const std::optional<std::string> item = engine->Read(ReplyKind::kMeta);
    if (!item) return std::nullopt;
    items[key] = ItemOf(*item);
  }
  return items;
}

bool MemcacheWorld::AwaitSameEngines() {
  if (!AwaitAllServe()) return false;
  return Eventually([&] {
    const std::optional<MemcacheItems> first = EngineItems(0);
    if (!first) return false;
    for (size_t agent = 1; agent < size(); ++agent) {
      if (EngineItems(agent) != first) return false;
    }
    return true;
  });
}

bool MemcacheWorld::AwaitSameViews() {
  const std::optional<MemcacheItems> before = EngineItems(0);
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
