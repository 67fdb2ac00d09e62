// LogWorld: a cluster of real nodes of its own, with a client and the tool `cairn`: for tests of
// what the tool does with whole logs.
//
// Threads: the test's. Lifetime: ends its nodes; what they wrote stays in its directory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cairn/client.h"
#include "cairn/log.h"
#include "tests/integration/process_cluster.h"

namespace cairn::integration {

class LogWorld {
 public:
  // Makes `dir` if it is not there. All nodes are ready.
  LogWorld(const std::string& dir, size_t nodes, std::vector<std::string> flags = {});

  ProcessCluster& cluster() { return cluster_; }
  Client& client() { return *client_; }
  Log Create(const std::string& name, const LogSettings& settings = {});

  // A running `cairn` with these words, for this cluster.
  void Start(Process& process, std::vector<std::string> words, const std::string& output);
  // What it prints, and its exit status.
  std::string Run(const std::vector<std::string>& words);
  // The same of one that is told of no cluster.
  std::string RunAlone(const std::vector<std::string>& words);

  // Every record with its seq, log time, kind and metadata; also when a replica that is behind is
  // the one to be asked.
  std::string Contents(const std::string& log);

 private:
  std::string NextOutput();

  const std::string dir_;
  ProcessCluster cluster_;
  std::unique_ptr<Client> client_;
  int runs_ = 0;
};

}  // namespace cairn::integration
