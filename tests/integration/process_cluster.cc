#include "tests/integration/process_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/check.h"

namespace cairn::integration {
namespace {

namespace fs = std::filesystem;

constexpr int kFirstPort = 23100;
constexpr int kLastPort = 23990;
// Of a node that has a host to itself.
constexpr int kHostPort = 7400;
constexpr int kHostHttpPort = 7480;

bool PortIsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_GE(fd, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return is_free;
}

// Whether this process may take ports of that block, from now until it ends. That nobody listens
// says too little: another test may have chosen them a moment ago.
bool HoldsBlock(int first) {
  static std::set<int>* const held = new std::set<int>;  // With their files, until the end.
  if (held->contains(first)) return true;
  const std::string dir =
      fmt::format("{}/cairn-test-ports-{}", fs::temp_directory_path().string(), getuid());
  fs::create_directories(dir);
  const int file =
      open(fmt::format("{}/{}", dir, first).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  CHECK_GE(file, 0);
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    close(file);
    return false;
  }
  held->insert(first);
  return true;
}

}  // namespace

int FreePorts(size_t count) {
  // Tests that run at the same time begin their search at different places.
  const int blocks = (kLastPort - kFirstPort) / 10;
  for (int i = 0; i < blocks; ++i) {
    const int first = kFirstPort + 10 * ((getpid() + i) % blocks);
    bool all_free = HoldsBlock(first);
    for (int port = first; all_free && port < first + static_cast<int>(count); ++port) {
      all_free = PortIsFree(port);
    }
    if (all_free) return first;
  }
  CHECK_UNREACHABLE();
}

ProcessCluster::ProcessCluster(Options options)
    : options_(std::move(options)),
      base_port_(options_.hosts.empty() ? FreePorts(2 * options_.nodes) : 0),
      commands_(options_.nodes, {options_.program, {}, {}}) {
  for (size_t node = 0; node < options_.nodes; ++node) {
    processes_.push_back(std::make_unique<Process>());
  }
  CHECK_LE(2 * options_.nodes, 10u);  // What FreePorts leaves between two searches.
  CHECK(options_.hosts.empty() || options_.hosts.size() == options_.nodes);
}

std::vector<std::string> ProcessCluster::Flags(size_t node) const {
  std::vector<std::string> flags = {"--name",        fmt::format("n{}", node + 1),
                                    "--data-dir",    DataDir(node),
                                    "--listen",      Endpoint(node),
                                    "--http-listen", HttpEndpoint(node)};
  const bool founds = node < founders();
  flags.insert(flags.end(), {founds ? "--initial-cluster" : "--join",
                             founds ? InitialCluster() : Endpoint(0) + "," + Endpoint(1)});
  flags.insert(flags.end(), options_.flags.begin(), options_.flags.end());
  return flags;
}

void ProcessCluster::Start(size_t node, const std::vector<std::string>& flags) {
  std::vector<std::string> command = Flags(node);
  for (size_t i = 0; i < flags.size(); i += 2) {
    // A flag that is given twice is an error of the command line: the later one replaces.
    const auto same = std::find(command.begin(), command.end(), flags[i]);
    if (same != command.end()) command.erase(same, same + 2);
  }
  command.insert(command.begin(), commands_[node].words.begin(), commands_[node].words.end());
  command.insert(command.begin(), commands_[node].program);
  command.insert(command.end(), flags.begin(), flags.end());
  Spawn(std::move(command), node);
}

void ProcessCluster::StartBehind(const std::vector<std::string>& words, size_t node) {
  std::vector<std::string> command = {options_.program};
  command.insert(command.end(), words.begin(), words.end());
  const std::vector<std::string> flags = Flags(node);
  command.insert(command.end(), flags.begin(), flags.end());
  Spawn(std::move(command), node);
}

void ProcessCluster::SetProgram(size_t node, std::string program, std::vector<std::string> words) {
  commands_.at(node).program = std::move(program);
  commands_[node].words = std::move(words);
}

void ProcessCluster::SetEnvironment(size_t node, std::vector<std::string> variables) {
  commands_.at(node).environment = std::move(variables);
}

void ProcessCluster::Spawn(std::vector<std::string> command, size_t node) {
  processes_.at(node)->Start(
      {.argv = std::move(command),
       .environment = commands_[node].environment,
       .output = DataDir(node) + ".log",
       .namespace_fd = options_.hosts.empty() ? -1 : options_.hosts[node].namespace_fd});
}

void ProcessCluster::StartAll() {
  for (size_t node = 0; node < size(); ++node) Start(node);
}

void ProcessCluster::StartFounders() {
  for (size_t node = 0; node < founders(); ++node) Start(node);
}

void ProcessCluster::Signal(size_t node, int signal) { processes_.at(node)->Signal(signal); }

void ProcessCluster::Kill(size_t node) { processes_.at(node)->Kill(); }

std::optional<int> ProcessCluster::AwaitExit(size_t node, int seconds) {
  return processes_.at(node)->AwaitExit(seconds);
}

int ProcessCluster::Get(size_t node, const std::string& path, std::string* body) const {
  httplib::Client client("http://" + HttpEndpoint(node));
  client.set_connection_timeout(2);
  client.set_read_timeout(5);
  const httplib::Result result = client.Get(path.c_str());
  if (!result) return 0;
  if (body != nullptr) *body = result->body;
  return result->status;
}

bool ProcessCluster::AwaitAllReady(int seconds) { return AwaitFirstReady(size(), seconds); }

bool ProcessCluster::AwaitFoundersReady(int seconds) {
  return AwaitFirstReady(founders(), seconds);
}

bool ProcessCluster::AwaitFirstReady(size_t nodes, int seconds) {
  return Eventually(
      [&] {
        for (size_t node = 0; node < nodes; ++node) {
          if (!IsReady(node)) return false;
        }
        return true;
      },
      seconds);
}

std::string ProcessCluster::Endpoint(size_t node) const {
  if (!options_.hosts.empty()) {
    return fmt::format("{}:{}", options_.hosts.at(node).address, kHostPort);
  }
  return fmt::format("127.0.0.1:{}", base_port_ + static_cast<int>(node));
}

std::string ProcessCluster::HttpEndpoint(size_t node) const {
  if (!options_.hosts.empty()) {
    return fmt::format("{}:{}", options_.hosts.at(node).address, kHostHttpPort);
  }
  return fmt::format("127.0.0.1:{}", base_port_ + static_cast<int>(size() + node));
}

std::vector<std::string> ProcessCluster::Endpoints() const {
  std::vector<std::string> endpoints;
  for (size_t node = 0; node < size(); ++node) endpoints.push_back(Endpoint(node));
  return endpoints;
}

std::string ProcessCluster::DataDir(size_t node) const {
  return fmt::format("{}/n{}", options_.dir, node + 1);
}

std::string ProcessCluster::Output(size_t node) const {
  return ReadWholeFile(DataDir(node) + ".log");
}

std::string ProcessCluster::InitialCluster() const {
  std::string members;
  for (size_t node = 0; node < founders(); ++node) {
    members += fmt::format("{}n{}={}", node == 0 ? "" : ",", node + 1, Endpoint(node));
  }
  return members;
}

}  // namespace cairn::integration
