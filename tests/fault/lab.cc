#include "tests/fault/lab.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::fault {
namespace {

constexpr absl::Duration kStatusTimeout = absl::Milliseconds(700);
constexpr absl::Duration kElection = absl::Seconds(30);
constexpr int kExitSeconds = 30;
constexpr uint64_t kSmallLag = 5000;

// Small memtables and segments: tables appear within seconds. The watermark fits the small disk
// of the disk-full fault.
std::vector<std::string> NodeFlags(const std::vector<std::string>& more) {
  std::vector<std::string> flags = {"--memtable-bytes",          "2097152",
                                    "--segment-bytes",           "4194304",
                                    "--storage-watermark-bytes", "50331648"};
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

std::vector<integration::ProcessCluster::Host> Hosts(const VirtualNet* net, size_t nodes) {
  std::vector<integration::ProcessCluster::Host> hosts;
  if (net == nullptr) return hosts;
  for (size_t host = 0; host < nodes; ++host) {
    hosts.push_back({VirtualNet::AddressOf(host), net->NamespaceFd(host)});
  }
  return hosts;
}

}  // namespace

Lab::Lab(LabOptions options, std::unique_ptr<VirtualNet> net, const cli::Interrupt* interrupt)
    : options_(std::move(options)),
      net_(std::move(net)),
      interrupt_(interrupt),
      random_(options_.seed) {
  std::filesystem::create_directories(options_.dir);
  cluster_ = std::make_unique<integration::ProcessCluster>(
      integration::ProcessCluster::Options{.program = options_.bin_dir + "/cairnd",
                                           .dir = options_.dir,
                                           .nodes = options_.nodes,
                                           .flags = NodeFlags(options_.flags),
                                           .hosts = Hosts(net_.get(), options_.nodes)});
  for (size_t node = 0; node < size(); ++node) {
    shims_.push_back(
        std::make_unique<ShimPage>(fmt::format("{}/{}.shim", options_.dir, Name(node))));
    cluster_->SetEnvironment(node,
                             {fmt::format("LD_PRELOAD={}/libcairn_fault_shim.so", options_.bin_dir),
                              fmt::format("{}={}", kShimVariable, shims_.back()->path())});
  }
  ClientOptions client;
  client.endpoints = cluster_->Endpoints();
  auto connected = Client::Connect(std::move(client));
  CHECK(connected.ok());
  client_ = std::move(*connected);
}

absl::Status Lab::Start() {
  cluster_->StartAll();
  for (size_t node = 0; node < size(); ++node) RETURN_IF_ERROR(AwaitReady(node));
  return absl::OkStatus();
}

std::string Lab::Name(size_t node) { return fmt::format("n{}", node + 1); }

// ---- Looking ---------------------------------------------------------------------------

absl::StatusOr<NodeStatus> Lab::StatusOf(size_t node) {
  return client_->admin().Status(cluster_->Endpoint(node), true, {.timeout = kStatusTimeout});
}

absl::StatusOr<size_t> Lab::Leader() {
  const absl::Time give_up = absl::Now() + kElection;
  do {
    std::optional<size_t> leader;
    Term newest;
    for (size_t node = 0; node < size(); ++node) {
      if (!cluster_->IsRunning(node)) continue;
      const auto status = StatusOf(node);
      if (!status.ok()) continue;
      for (const GroupStatus& group : status->groups) {
        if (group.log != options_.log || group.role != "leader" || group.term < newest) continue;
        leader = node;
        newest = group.term;
      }
    }
    if (leader) return *leader;
  } while (absl::Now() < give_up && Wait(absl::Milliseconds(50)));
  return absl::UnavailableError("nobody leads the load's log");
}

std::vector<size_t> Lab::HoldersOf(const std::string& log) {
  std::vector<size_t> holders;
  for (size_t node = 0; node < size(); ++node) {
    const auto status = StatusOf(node);
    if (!status.ok()) continue;
    const auto& groups = status->groups;
    const bool holds = std::any_of(groups.begin(), groups.end(),
                                   [&](const GroupStatus& group) { return group.log == log; });
    if (holds) holders.push_back(node);
  }
  return holders;
}

bool Lab::IsWhole(std::string* why_not) {
  const auto no = [&](std::string why) {
    if (why_not != nullptr) *why_not = std::move(why);
    return false;
  };
  for (size_t node = 0; node < size(); ++node) {
    if (!cluster_->IsRunning(node)) return no(Name(node) + " does not run");
    std::string reason;
    if (cluster_->Get(node, "/readyz", &reason) != 200) {
      return no(fmt::format("{} is not ready: {}", Name(node), reason));
    }
    // Also what it has not opened yet, and what a verdict on its disk says.
    if (Metric(node, "cairn_whole") != 1.0)
      return no(Name(node) + " lacks a replica, or doubts one");
    // It is about to start again, and its logs are in doubt then.
    if (Metric(node, "cairn_storage_damaged") != 0.0) return no(Name(node) + " is to be repaired");
    const auto status = StatusOf(node);
    if (!status.ok()) return no(Name(node) + ": " + std::string(status.status().message()));
    for (const GroupStatus& group : status->groups) {
      if (group.standing == "sound" && group.role != "halted" && group.lag_entries < kSmallLag) {
        continue;
      }
      return no(fmt::format("{}: log \"{}\" is {}, {}, lag {}", Name(node), group.log, group.role,
                            group.standing, group.lag_entries));
    }
  }
  return true;
}

std::optional<double> Lab::Metric(size_t node, const std::string& name) {
  std::string page;
  if (cluster_->Get(node, "/metrics", &page) != 200) return std::nullopt;
  const size_t at = page.find("\n" + name + " ");
  if (at == std::string::npos) return std::nullopt;
  return std::strtod(page.c_str() + at + name.size() + 2, nullptr);
}

std::string Lab::OutputSince(size_t node, size_t bytes) const {
  const std::string all = cluster_->Output(node);
  return all.substr(std::min(bytes, all.size()));
}

size_t Lab::OutputBytes(size_t node) const { return cluster_->Output(node).size(); }

std::string Lab::LineWith(size_t node, size_t since, const std::string& part) const {
  std::istringstream lines(OutputSince(node, since));
  for (std::string line; std::getline(lines, line);) {
    if (line.find(part) == std::string::npos) continue;
    const size_t time_end = line.find("Z ");
    return time_end == std::string::npos ? line : line.substr(time_end + 2);
  }
  return "";
}

// ---- Doing -----------------------------------------------------------------------------

std::vector<size_t> Lab::Draw(size_t count, bool with_leader) {
  const auto leader = Leader();
  std::vector<size_t> nodes;
  for (size_t node = 0; node < size(); ++node) {
    if (!leader.ok() || node != *leader) nodes.push_back(node);
  }
  for (size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random_.Below(i)]);
  if (leader.ok()) nodes.insert(with_leader ? nodes.begin() : nodes.end(), *leader);
  nodes.resize(std::min(count, nodes.size()));
  return nodes;
}

size_t Lab::DrawHolder(double leader_chance) {
  const bool leader_first = random_.Chance(leader_chance);
  const std::vector<size_t> holders = HoldersOf(options_.log);
  for (const size_t node : Draw(size(), leader_first)) {
    if (std::find(holders.begin(), holders.end(), node) != holders.end()) return node;
  }
  return Draw(1, leader_first).front();  // Nobody answers: any node is as good.
}

bool Lab::Wait(absl::Duration time) const { return !interrupt_->Wait(time); }

bool Lab::Hold() { return Wait(options_.hold * (0.5 + random_.Fraction())); }

std::string Lab::Kill(size_t node) {
  const pid_t pid = cluster_->pid(node);
  cluster_->Signal(node, SIGKILL);
  const std::optional<int> status = cluster_->AwaitExit(node, kExitSeconds);
  CHECK(status.has_value());
  return fmt::format("{} (pid {}) ended with {}", Name(node), pid, *status);
}

absl::Status Lab::Restart(size_t node) {
  cluster_->Signal(node, SIGTERM);
  const std::optional<int> status = cluster_->AwaitExit(node, kExitSeconds);
  if (status != 0) {
    if (!status) cluster_->Kill(node);
    cluster_->Start(node);
    return absl::InternalError(
        ToAbsl(fmt::format("{} did not end in order after SIGTERM", Name(node))));
  }
  cluster_->Start(node);
  return AwaitReady(node);
}

void Lab::OnForgetfulDisk(size_t node) {
  cluster_->SetProgram(node, options_.bin_dir + "/power_node",
                       {std::to_string(random_.Next()), fmt::format("drill-boot-{}", ++boots_)});
}

void Lab::OnRealDisk(size_t node) { cluster_->SetProgram(node, options_.bin_dir + "/cairnd"); }

absl::Status Lab::AwaitReady(size_t node, absl::Duration within) {
  const absl::Time give_up = absl::Now() + within;
  while (!cluster_->IsReady(node)) {
    if (!cluster_->IsRunning(node)) {
      return absl::UnavailableError(
          ToAbsl(fmt::format("{} has ended; its log: {}.log", Name(node), Name(node))));
    }
    if (absl::Now() > give_up) {
      return absl::UnavailableError(ToAbsl(fmt::format("{} is not ready in time", Name(node))));
    }
    if (!Wait(absl::Milliseconds(20))) return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

absl::Status Lab::AwaitWhole(absl::Duration within, std::string* waited_for) {
  const absl::Time give_up = absl::Now() + within;
  std::string why_not;
  while (!IsWhole(&why_not)) {
    if (absl::Now() > give_up) return absl::UnavailableError(ToAbsl(why_not));
    if (!Wait(absl::Milliseconds(50))) return absl::CancelledError("interrupted");
  }
  if (waited_for != nullptr) *waited_for = why_not;
  return absl::OkStatus();
}

}  // namespace cairn::fault
