#include "tests/failover/cache_lab.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/integration/process_cluster.h"

namespace cairn::failover {
namespace {

constexpr int kHostPort = 6379;
constexpr int kHostPagesPort = 9400;
constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr absl::Duration kPrimary = absl::Seconds(60);
constexpr absl::Duration kLook = absl::Milliseconds(20);
constexpr const char* kMarkKey = "lab:mark";

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
    shims_.push_back(std::make_unique<fault::ShimPage>(Directory(agent) + ".shim"));
  }
  if (this->net() == nullptr) first_port_ = integration::FreePorts(2 * options_.agents);
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

AgentPlace CacheLab::PlaceOf(size_t agent) const {
  const bool shared = nodes_->net() == nullptr;
  const int port = shared ? first_port_ + static_cast<int>(agent) : kHostPort;
  return {.host = Host(agent),
          .port = port,
          .pages_port = shared ? port + static_cast<int>(agents_.size()) : kHostPagesPort,
          .directory = Directory(agent)};
}

void CacheLab::StartAgent(size_t agent) {
  std::string endpoints;
  for (const std::string& endpoint : nodes_->cluster().Endpoints()) {
    endpoints += (endpoints.empty() ? "" : ",") + endpoint;
  }
  const AgentPlace place = PlaceOf(agent);
  std::vector<std::string> argv = {options_.nodes.bin_dir + "/cairn-agent",
                                   kind().name(),
                                   "--log",
                                   kCacheLog,
                                   "--endpoints",
                                   endpoints,
                                   "--listen",
                                   fmt::format("{}:{}", place.host, place.port),
                                   "--data-dir",
                                   place.directory,
                                   "--ttl-ms",
                                   std::to_string(options_.ttl_ms),
                                   "--log-level",
                                   "debug"};
  const std::vector<std::string> flags = kind().AgentFlags(place);
  argv.insert(argv.end(), flags.begin(), flags.end());
  fault::VirtualNet* const network = nodes_->net();
  agents_[agent]->Start(
      {.argv = std::move(argv),
       .environment = {fmt::format("LD_PRELOAD={}/libcairn_fault_shim.so", options_.nodes.bin_dir),
                       fmt::format("{}={}", fault::kShimVariable, shims_[agent]->path()),
                       fmt::format("{}=1", fault::kShimOnceVariable)},
       .output = place.directory + ".log",
       .namespace_fd = network == nullptr ? -1 : network->NamespaceFd(HostOf(agent))});
}

// ---- Looking ---------------------------------------------------------------------------

std::optional<AgentView> CacheLab::View(size_t agent) const {
  return kind().View(PlaceOf(agent), kPatience);
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
  return kind().EnginePid(PlaceOf(agent), kPatience);
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
  return AllFollow(*primary, why_not);
}

bool CacheLab::AllFollow(size_t primary, std::string* why_not) {
  const auto writer = kind().ConnectWriter(PlaceOf(primary), kPatience);
  *why_not = "the primary takes no write";
  if (writer == nullptr) return false;
  const int64_t mark = ++marks_;
  const std::optional<CacheAnswer> written = writer->Set(kMarkKey, mark);
  if (!written || !written->done()) return false;
  for (size_t agent = 0; agent < agents(); ++agent) {
    *why_not = Name(agent) + " does not follow";
    const auto reader = kind().ConnectReplica(PlaceOf(agent), kPatience);
    if (reader == nullptr) return false;
    const bool follows = integration::Eventually(
        [&] {
          const std::optional<CacheAnswer> read = reader->Get(kMarkKey);
          return read && read->value == mark;
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
