#include "tests/integration/agent_processes.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "cairn/admin.h"
#include "cairn/client.h"

namespace cairn::integration {
namespace {

constexpr absl::Duration kStatusTimeout = absl::Seconds(2);

}  // namespace

AgentProcesses::AgentProcesses(size_t nodes, size_t agents, size_t spare_ports) {
  for (size_t agent = 0; agent < agents; ++agent) agents_.push_back(std::make_unique<Process>());
  cluster_ =
      std::make_unique<ProcessCluster>(ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                                               .dir = dir_.path(),
                                                               .nodes = nodes,
                                                               .flags = {},
                                                               .hosts = {}});
  cluster_->StartAll();
  CHECK(cluster_->AwaitAllReady());
  first_port_ = FreePorts(2 * agents + spare_ports);
}

void AgentProcesses::Start(size_t agent, const std::string& program, const std::string& kind,
                           const std::vector<std::string>& flags) {
  std::vector<std::string> argv = {CAIRN_BIN_DIR "/" + program,
                                   kind,
                                   "--endpoints",
                                   Endpoints(),
                                   "--listen",
                                   Address(agent),
                                   "--data-dir",
                                   Directory(agent),
                                   "--log-level",
                                   "debug"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  agents_[agent]->Start({.argv = std::move(argv),
                         .environment = environment_,
                         .output = Directory(agent) + ".log",
                         .namespace_fd = -1});
}

void AgentProcesses::KillAgent(size_t agent) {
  if (IsRunning(agent)) agents_[agent]->Kill();
}

void AgentProcesses::Stop(size_t agent) {
  Signal(agent, SIGSTOP);
  const std::string threads = fmt::format("/proc/{}/task", agents_[agent]->pid());
  CHECK(Eventually([&] {
    const std::filesystem::directory_iterator all(threads);
    return std::all_of(begin(all), end(all), [](const auto& thread) {
      return StateOfProcess(std::stoi(thread.path().filename())) == 'T';
    });
  }));
}

std::optional<int> AgentProcesses::AwaitExit(size_t agent, int seconds) {
  return agents_[agent]->AwaitExit(seconds);
}

std::string AgentProcesses::Address(size_t agent) const {
  return fmt::format("127.0.0.1:{}", first_port_ + static_cast<int>(agent));
}

std::string AgentProcesses::SecondAddress(size_t agent) const {
  return Address(agents_.size() + agent);
}

int AgentProcesses::SparePort(size_t index) const {
  return first_port_ + static_cast<int>(2 * agents_.size() + index);
}

std::string AgentProcesses::Directory(size_t agent) const {
  return dir_.File(fmt::format("a{}", agent));
}

std::string AgentProcesses::Output(size_t agent) const {
  return ReadWholeFile(Directory(agent) + ".log");
}

std::string AgentProcesses::Endpoints() const {
  std::string endpoints;
  for (const std::string& endpoint : cluster_->Endpoints()) endpoints += endpoint + ",";
  return endpoints;
}

std::optional<size_t> AgentProcesses::AwaitLeader(const std::string& log) {
  ClientOptions options;
  options.endpoints = cluster_->Endpoints();
  const auto client = Client::Connect(std::move(options));
  CHECK(client.ok());
  std::optional<size_t> leader;
  Eventually([&] {
    Term newest;
    for (size_t node = 0; node < cluster_->size(); ++node) {
      const auto status =
          (*client)->admin().Status(cluster_->Endpoint(node), true, {.timeout = kStatusTimeout});
      if (!status.ok()) continue;
      for (const GroupStatus& group : status->groups) {
        if (group.log != log || group.role != "leader" || group.term < newest) continue;
        leader = node;
        newest = group.term;
      }
    }
    return leader.has_value();
  });
  return leader;
}

}  // namespace cairn::integration
