#include "tests/integration/memcache_lab.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/check.h"

namespace cairn::integration {
namespace {

constexpr char kMemcached[] = "/usr/bin/memcached";
constexpr int kPatienceSeconds = 20;

// -1: nobody listens.
int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(fd, 0);
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

std::string AskMemcache(int port, const std::string& command, const std::string& suffix) {
  const int fd = ConnectTo(port);
  if (fd < 0) return "";
  std::string reply;
  if (send(fd, command.data(), command.size(), MSG_NOSIGNAL) == ssize_t(command.size())) {
    char buffer[16384];
    while (!reply.ends_with(suffix)) {
      const ssize_t bytes = recv(fd, buffer, sizeof buffer, 0);
      if (bytes <= 0) break;
      reply.append(buffer, static_cast<size_t>(bytes));
    }
  }
  close(fd);
  return reply;
}

std::optional<std::string> GetFrom(int port, const std::string& key) {
  const std::string reply = AskMemcache(port, fmt::format("get {}\r\n", key), "END\r\n");
  const size_t value = reply.find("\r\n");
  if (!reply.starts_with("VALUE ") || !reply.ends_with("\r\nEND\r\n")) return std::nullopt;
  return reply.substr(value + 2, reply.size() - value - 2 - std::string("\r\nEND\r\n").size());
}

bool StoreIn(int port, const std::string& key, const std::string& value, int64_t exptime) {
  const std::string command =
      fmt::format("set {} 0 {} {}\r\n{}\r\n", key, exptime, value.size(), value);
  return AskMemcache(port, command) == "STORED\r\n";
}

// ---- PlainMemcached ---------------------------------------------------------------------------

PlainMemcached::PlainMemcached(int port, std::string output)
    : output_(std::move(output)), port_(port) {}

void PlainMemcached::Start() {
  process_.Start({.argv = {kMemcached, "-u", "root", "-l", "127.0.0.1", "-U", "0", "-p",
                           std::to_string(port_)},
                  .environment = {},
                  .output = output_});
  CHECK(Eventually([this] { return AskMemcache(port_, "mn\r\n") == "MN\r\n"; }));
}

std::string PlainMemcached::address() const { return fmt::format("127.0.0.1:{}", port_); }

// ---- MemcacheLab ------------------------------------------------------------------------------

MemcacheLab::MemcacheLab(size_t agents) {
  std::filesystem::create_directory(File("store"));
  cluster_ =
      std::make_unique<ProcessCluster>(ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                                               .dir = dir_.path(),
                                                               .nodes = 1,
                                                               .flags = {},
                                                               .hosts = {}});
  cluster_->StartAll();
  CHECK(cluster_->AwaitAllReady());
  first_port_ = FreePorts(agents + kSparePorts);
  for (size_t agent = 0; agent < agents; ++agent) agents_.push_back(std::make_unique<Process>());
}

bool MemcacheLab::StartAgent(size_t agent) {
  const std::string name = fmt::format("a{}", agent);
  agents_.at(agent)->Start(
      {.argv = {CAIRN_BIN_DIR "/cairn-agent", "memcached", "--log", "cache", "--endpoints",
                Endpoints(), "--store", StoreUrl(), "--data-dir", File(name), "--listen",
                fmt::format("127.0.0.1:{}", port(agent)), "--ttl-ms", "1000", "--engine-cmd",
                fmt::format("{} -t 1", kMemcached)},
       .environment = {},
       .output = File(name + ".log")});
  return Eventually(
      [this, agent] { return AskMemcache(port(agent), "get nothing\r\n") == "END\r\n"; });
}

std::string MemcacheLab::Output(size_t agent) const {
  return ReadWholeFile(File(fmt::format("a{}.log", agent)));
}

std::string MemcacheLab::Endpoints() const { return cluster_->Endpoint(0); }

std::vector<std::string> MemcacheLab::ToolCommand(const std::string& tool,
                                                  std::vector<std::string> flags) const {
  std::vector<std::string> argv = {
      CAIRN_BIN_DIR "/cairn-agent", tool, "--log", log_, "--endpoints", Endpoints()};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

bool MemcacheLab::AppendTo(const std::string& log, const std::string& payload) {
  std::ofstream(File("payload")) << payload;
  const std::string cairn = CAIRN_BIN_DIR "/cairn";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{cairn, "log", "create", log, "--endpoints", Endpoints()},
        {cairn, "append", log, File("payload"), "--endpoints", Endpoints()}}) {
    Process process;
    process.Start({.argv = words, .environment = {}, .output = File("cairn.out")});
    if (process.AwaitExit() != 0) return false;
  }
  return true;
}

std::pair<std::string, int> MemcacheLab::RunTool(const std::string& tool,
                                                 std::vector<std::string> flags) {
  Process process;
  const std::string output = File(fmt::format("tool{}.out", ++tools_));
  const std::vector<std::string> common = {"--store",   StoreUrl(), "--work-dir",
                                           dir_.path(), "-o",       "json"};
  flags.insert(flags.end(), common.begin(), common.end());
  process.Start({.argv = ToolCommand(tool, std::move(flags)), .environment = {}, .output = output});
  const std::optional<int> status = process.AwaitExit();
  return {ReadWholeFile(output), status.value_or(-1)};
}

nlohmann::json MemcacheLab::Tool(const std::string& tool, std::vector<std::string> flags) {
  const auto [output, status] = RunTool(tool, std::move(flags));
  EXPECT_EQ(status, 0) << output;
  if (status != 0) return nlohmann::json::object();
  const size_t end = output.find_last_not_of('\n');
  const size_t begin = output.rfind('\n', end);
  return nlohmann::json::parse(output.substr(begin == std::string::npos ? 0 : begin + 1));
}

}  // namespace cairn::integration
