// RightsLab: a cluster of real processes whose policy is on, and clients of it that are somebody.
//
// The root token administers it; principals are made by the test.
//
// Threads: one. Lifetime: the destructor kills the nodes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/access.h"
#include "cairn/client.h"
#include "tests/integration/process_cluster.h"
#include "tests/security/tls_lab.h"
#include "tests/support/temp_dir.h"

namespace cairn::security {

// Right after right, all on one pattern.
Principal PrincipalWith(const std::string& name, const std::string& pattern,
                        std::vector<Right> rights);

class RightsLab {
 public:
  // Starts the nodes, makes the logs, and turns the policy on. `node` not empty: with TLS; nodes
  // show it, and so does the administrator's client.
  explicit RightsLab(size_t nodes, const std::vector<std::string>& logs, TlsFiles node = {});

  [[nodiscard]] integration::ProcessCluster& cluster() { return *cluster_; }
  // Of the administrator.
  [[nodiscard]] Client& root() { return *root_; }
  // Until every node has the policy as it is now.
  void AwaitPolicy();
  // Until every node knows who leads each log that it has.
  void AwaitLeaders();

  // Makes a principal or replaces what it holds, and waits until every node knows.
  void Put(const Principal& principal);
  // A new token of the principal.
  std::string Token(const std::string& principal);
  // A client with that token; empty: none.
  [[nodiscard]] std::unique_ptr<Client> ClientAs(const std::string& token) const;
  [[nodiscard]] std::string File(const std::string& name) const { return dir_.File(name); }
  // What the node wrote to its audit log.
  [[nodiscard]] std::string Audit(size_t node) const;

 private:
  [[nodiscard]] std::unique_ptr<Client> Connect(const std::string& token, size_t node) const;

  testing::TempDir dir_;
  const TlsFiles tls_;
  std::unique_ptr<integration::ProcessCluster> cluster_;
  std::unique_ptr<Client> root_;
};

}  // namespace cairn::security
