// ProcessCluster: nodes as real processes with directories of their own, on the loopback or each
// in a network namespace of its own.
//
// The ports on the loopback are chosen below the kernel's range for outgoing connections, so that
// a node that was killed finds its port free when it comes back.
//
// Threads: one, but for pid(). Lifetime: the destructor kills what still runs; directories stay
// with the
//   caller.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/process.h"

namespace cairn::integration {

class ProcessCluster {
 public:
  // Where a node runs. The address exists in the namespace.
  struct Host {
    std::string address;
    int namespace_fd = -1;
  };
  struct Options {
    std::string program;  // cairnd, or a program that takes the same flags.
    std::string dir;      // Holds nI and nI.log for node I.
    size_t nodes = 3;
    // The first of them form the cluster; the others join it when they are started. 0: all form it.
    size_t founders = 0;
    std::vector<std::string> flags;  // For every node.
    std::vector<Host> hosts;         // One for each node; none: all are on the loopback.
  };
  explicit ProcessCluster(Options options);

  // Nodes are numbered from 0. `flags` come last and win over those of all nodes.
  void Start(size_t node, const std::vector<std::string>& flags = {});
  // As Start, with words between the program and its flags.
  void StartBehind(const std::vector<std::string>& words, size_t node);
  // From the next start on, the node is this program with these words before its flags.
  void SetProgram(size_t node, std::string program, std::vector<std::string> words = {});
  // From the next start on: variables ("KEY=value") on top of our own environment.
  void SetEnvironment(size_t node, std::vector<std::string> variables);
  void StartAll();
  // Those that form the cluster.
  void StartFounders();
  // Sends a signal. Requires: the process was started and not waited for.
  void Signal(size_t node, int signal);
  // SIGKILL, and waits for the end.
  void Kill(size_t node);
  // The exit status (128 + N for signal N) of a process that ends by itself within `seconds`.
  std::optional<int> AwaitExit(size_t node, int seconds = 60);
  [[nodiscard]] bool IsRunning(size_t node) const { return processes_.at(node)->IsRunning(); }
  // -1: not running. From any thread.
  [[nodiscard]] pid_t pid(size_t node) const { return processes_.at(node)->pid(); }

  // Status code of GET `path` on the node's HTTP port, and what it answered; 0: no answer.
  int Get(size_t node, const std::string& path, std::string* body = nullptr) const;
  [[nodiscard]] bool IsReady(size_t node) const { return Get(node, "/readyz") == 200; }
  bool AwaitAllReady(int seconds = 60);
  bool AwaitFoundersReady(int seconds = 60);
  [[nodiscard]] size_t founders() const {
    return options_.founders == 0 ? options_.nodes : options_.founders;
  }

  [[nodiscard]] size_t size() const { return processes_.size(); }
  [[nodiscard]] std::string Endpoint(size_t node) const;
  [[nodiscard]] std::string HttpEndpoint(size_t node) const;
  [[nodiscard]] std::vector<std::string> Endpoints() const;
  [[nodiscard]] std::string DataDir(size_t node) const;
  // What the node wrote to stdout and stderr, over all its starts.
  [[nodiscard]] std::string Output(size_t node) const;
  // "nI=host:port,…" as --initial-cluster takes it.
  [[nodiscard]] std::string InitialCluster() const;

 private:
  // What a node is started as.
  struct Command {
    std::string program;
    std::vector<std::string> words;  // Between the program and its flags.
    std::vector<std::string> environment;
  };
  [[nodiscard]] std::vector<std::string> Flags(size_t node) const;
  void Spawn(std::vector<std::string> command, size_t node);
  bool AwaitFirstReady(size_t nodes, int seconds);

  const Options options_;
  const int base_port_;
  std::vector<Command> commands_;
  std::vector<std::unique_ptr<Process>> processes_;
};

// The first of `count` ports in a row that nobody listens on.
int FreePorts(size_t count);

}  // namespace cairn::integration
