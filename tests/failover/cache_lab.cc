#include "tests/failover/cache_lab.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/integration/process_cluster.h"

namespace cairn::failover {
namespace {

constexpr int kHostPort = 6379;
constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr absl::Duration kPrimary = absl::Seconds(60);
constexpr absl::Duration kLook = absl::Milliseconds(20);
constexpr const char* kMarkKey = "lab:mark";

// The text behind "\nNAME:" in a report of lines.
std::string Field(std::string_view text, std::string_view name) {
  const std::string start = fmt::format("{}:", name);
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find("\r\n", at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(start)) return std::string(line.substr(start.size()));
    at = end + 2;
  }
  return "";
}

uint64_t Number(const std::string& text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

fault::LabOptions ForTheCache(fault::LabOptions options) {
  options.log = kCacheLog;
  return options;
}

}  // namespace

CacheLab::CacheLab(CacheLabOptions options, std::unique_ptr<fault::VirtualNet> net,
                   const cli::Interrupt* interrupt)
    : options_(std::move(options)),
      nodes_(std::make_unique<fault::Lab>(ForTheCache(options_.nodes), std::move(net), interrupt)) {
  for (size_t agent = 0; agent < options_.agents; ++agent) {
    agents_.push_back(std::make_unique<integration::Process>());
  }
  if (this->net() == nullptr) first_port_ = integration::FreePorts(options_.agents);
}

CacheLab::~CacheLab() {
  for (size_t agent = 0; agent < agents(); ++agent) {
    if (agents_[agent]->pid() > 0) agents_[agent]->Signal(SIGCONT);
    const pid_t engine = EnginePid(agent);
    if (agents_[agent]->pid() > 0) agents_[agent]->Kill();
    if (engine > 0) kill(engine, SIGKILL);
  }
}

absl::Status CacheLab::Start() {
  RETURN_IF_ERROR(nodes_->Start());
  for (size_t agent = 0; agent < agents(); ++agent) StartAgent(agent);
  return AwaitWhole(absl::Seconds(120));
}

std::string CacheLab::Name(size_t agent) { return fmt::format("a{}", agent + 1); }

std::string CacheLab::Directory(size_t agent) const {
  return fmt::format("{}/{}", options_.nodes.dir, Name(agent));
}

std::string CacheLab::Host(size_t agent) const {
  return nodes_->net() == nullptr ? "127.0.0.1" : fault::VirtualNet::AddressOf(HostOf(agent));
}

int CacheLab::Port(size_t agent) const {
  return nodes_->net() == nullptr ? first_port_ + static_cast<int>(agent) : kHostPort;
}

void CacheLab::StartAgent(size_t agent) {
  std::string endpoints;
  for (const std::string& endpoint : nodes_->cluster().Endpoints()) {
    endpoints += (endpoints.empty() ? "" : ",") + endpoint;
  }
  fault::VirtualNet* const network = nodes_->net();
  agents_[agent]->Start(
      {.argv = {options_.nodes.bin_dir + "/cairn-agent", "redis", "--log", kCacheLog, "--endpoints",
                endpoints, "--listen", fmt::format("{}:{}", Host(agent), Port(agent)), "--data-dir",
                Directory(agent), "--ttl-ms", std::to_string(options_.ttl_ms), "--log-level",
                "debug"},
       .environment = {},
       .output = Directory(agent) + ".log",
       .namespace_fd = network == nullptr ? -1 : network->NamespaceFd(HostOf(agent))});
}

// ---- Looking ---------------------------------------------------------------------------

std::unique_ptr<CacheConnection> CacheLab::Connect(size_t agent, absl::Duration patience) const {
  return CacheConnection::Connect(Host(agent), Port(agent), patience);
}

std::unique_ptr<CacheConnection> CacheLab::Engine(size_t agent) const {
  return CacheConnection::ConnectUnix(Directory(agent) + "/engine/engine.sock", kPatience);
}

std::optional<AgentView> CacheLab::View(size_t agent) const {
  const auto connection = Connect(agent, kPatience);
  if (connection == nullptr) return std::nullopt;
  const std::optional<CacheReply> info = connection->Do({"CAIRN", "INFO"});
  if (!info || info->error()) return std::nullopt;
  return AgentView{Field(info->text, "role"), Number(Field(info->text, "epoch"))};
}

absl::StatusOr<size_t> CacheLab::Primary() {
  const absl::Time give_up = absl::Now() + kPrimary;
  do {
    std::optional<size_t> primary;
    uint64_t newest = 0;
    for (size_t agent = 0; agent < agents(); ++agent) {
      const std::optional<AgentView> view = View(agent);
      if (!view || view->role != "primary" || view->epoch < newest) continue;
      primary = agent;
      newest = view->epoch;
    }
    if (primary) return *primary;
  } while (absl::Now() < give_up && Wait(kLook));
  return absl::UnavailableError("no agent is the primary");
}

pid_t CacheLab::EnginePid(size_t agent) const {
  const auto engine = Engine(agent);
  if (engine == nullptr) return -1;
  const std::optional<CacheReply> info = engine->Do({"INFO", "server"});
  if (!info || info->error()) return -1;
  return static_cast<pid_t>(Number(Field(info->text, "process_id")));
}

bool CacheLab::IsWhole(std::string* why_not) {
  if (!nodes_->IsWhole(why_not)) return false;
  std::optional<size_t> primary;
  for (size_t agent = 0; agent < agents(); ++agent) {
    const std::optional<AgentView> view = View(agent);
    *why_not = fmt::format("{} is {}", Name(agent), view ? view->role : "not there");
    if (!view || (view->role != "primary" && view->role != "replica")) return false;
    if (view->role == "primary") primary = agent;
  }
  *why_not = "no agent is the primary";
  if (!primary) return false;
  // A mark that all replicas show says that they follow.
  const auto writer = Connect(*primary, kPatience);
  const std::string mark = std::to_string(++marks_);
  *why_not = "the primary takes no write";
  if (writer == nullptr) return false;
  const std::optional<CacheReply> written = writer->Do({"SET", kMarkKey, mark});
  if (!written || written->error()) return false;
  for (size_t agent = 0; agent < agents(); ++agent) {
    *why_not = Name(agent) + " does not follow";
    const auto reader = Connect(agent, kPatience);
    if (reader == nullptr) return false;
    const bool follows = integration::Eventually(
        [&] {
          const std::optional<CacheReply> read = reader->Do({"GET", kMarkKey});
          return read && read->text == mark;
        },
        /*seconds=*/2);
    if (!follows) return false;
  }
  return true;
}

absl::Status CacheLab::AwaitWhole(absl::Duration within) {
  const absl::Time give_up = absl::Now() + within;
  std::string why_not;
  while (!IsWhole(&why_not)) {
    if (absl::Now() > give_up) return absl::UnavailableError(why_not);
    if (!Wait(kLook)) return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

// ---- Doing -----------------------------------------------------------------------------

std::string CacheLab::KillAgent(size_t agent) {
  const pid_t engine = EnginePid(agent);
  const pid_t pid = agents_[agent]->pid();
  agents_[agent]->Kill();
  if (engine > 0) kill(engine, SIGKILL);
  return fmt::format("{} (pid {}) and its engine killed", Name(agent), pid);
}

std::string CacheLab::KillEngine(size_t agent) {
  const pid_t engine = EnginePid(agent);
  if (engine > 0) kill(engine, SIGKILL);
  return fmt::format("engine of {} (pid {}) killed", Name(agent), engine);
}

}  // namespace cairn::failover
