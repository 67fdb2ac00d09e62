// MemcacheLab: a cluster of one node, agents of one memcached cache with engines of their own, the
// tools of cairn-agent, and plain memcacheds beside them; all real processes.
//
// Threads: one. Lifetime: the destructor kills what still runs. Nothing waits for more than a
// minute.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/process.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {

// Sends the command to a memcached, or an agent of one, on a new connection, and returns what comes
// until `suffix`; less if the other side closes or is silent for long, nothing if nobody listens.
std::string AskMemcache(int port, const std::string& command, const std::string& suffix = "\r\n");
// Nullopt: a miss, or no answer.
std::optional<std::string> GetFrom(int port, const std::string& key);
bool StoreIn(int port, const std::string& key, const std::string& value, int64_t exptime = 0);

// A memcached that is no agent's.
class PlainMemcached {
 public:
  PlainMemcached(int port, std::string output);
  // Returns when it answers. Again after Kill, with nothing in it.
  void Start();
  void Kill() { process_.Kill(); }
  void Signal(int signal) { process_.Signal(signal); }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string address() const;

 private:
  const std::string output_;
  const int port_;
  Process process_;
};

class MemcacheLab {
 public:
  static constexpr size_t kSparePorts = 3;

  explicit MemcacheLab(size_t agents);

  // The agent serves as the primary, or through it, when this returns true.
  bool StartAgent(size_t agent);
  void KillAgent(size_t agent) { agents_.at(agent)->Kill(); }
  [[nodiscard]] int port(size_t agent) const { return first_port_ + static_cast<int>(agent); }
  // For whatever else listens: 0 … kSparePorts - 1.
  [[nodiscard]] int SparePort(size_t index) const { return port(agents_.size() + index); }
  [[nodiscard]] std::string Output(size_t agent) const;

  // argv of `cairn-agent TOOL` on the cache's log.
  [[nodiscard]] std::vector<std::string> ToolCommand(const std::string& tool,
                                                     std::vector<std::string> flags) const;
  // Another log of the cluster, with this as its only record.
  bool AppendTo(const std::string& log, const std::string& payload);
  // The tools work on that log from now on.
  void SetLog(std::string log) { log_ = std::move(log); }
  // What the tool printed, and its exit status.
  std::pair<std::string, int> RunTool(const std::string& tool, std::vector<std::string> flags);
  // The object that it printed last; empty, and a failure of the test, unless it exits with 0.
  nlohmann::json Tool(const std::string& tool, std::vector<std::string> flags);

  [[nodiscard]] std::string Endpoints() const;
  [[nodiscard]] std::string File(const std::string& name) const { return dir_.File(name); }
  [[nodiscard]] std::string StoreUrl() const { return "file://" + File("store"); }

 private:
  testing::TempDir dir_;
  std::unique_ptr<ProcessCluster> cluster_;
  int first_port_ = 0;
  std::vector<std::unique_ptr<Process>> agents_;
  std::string log_ = "cache";
  int tools_ = 0;
};

}  // namespace cairn::integration
