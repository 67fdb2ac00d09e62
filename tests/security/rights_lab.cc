#include "tests/security/rights_lab.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/check.h"
#include "cairn/admin.h"

namespace cairn::security {
namespace {

using integration::Eventually;
using integration::ProcessCluster;

constexpr char kRootToken[] = "a-root-token-of-these-tests-and-of-nothing-else";

std::string WriteRootToken(const testing::TempDir& dir) {
  const std::string path = dir.File("root.token");
  std::ofstream(path) << kRootToken << "\n";
  CHECK_EQ(chmod(path.c_str(), 0600), 0);
  return path;
}

}  // namespace

Principal PrincipalWith(const std::string& name, const std::string& pattern,
                        std::vector<Right> rights) {
  Principal principal;
  principal.name = name;
  if (!rights.empty()) principal.grants = {{pattern, std::move(rights)}};
  return principal;
}

RightsLab::RightsLab(size_t nodes, const std::vector<std::string>& logs, TlsFiles node)
    : tls_(std::move(node)) {
  std::vector<std::string> flags = {"--root-token-file", WriteRootToken(dir_)};
  if (!tls_.empty()) {
    for (const std::string& flag : TlsFlags(tls_)) flags.push_back(flag);
  }
  cluster_ =
      std::make_unique<ProcessCluster>(ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                                               .dir = dir_.path(),
                                                               .nodes = nodes,
                                                               .flags = std::move(flags),
                                                               .hosts = {}});
  for (size_t i = 0; i < nodes; ++i) {
    cluster_->SetEnvironment(i, {"CAIRND_AUDIT_FILE=" + dir_.File("audit" + std::to_string(i))});
  }
  cluster_->StartAll();
  CHECK(cluster_->AwaitAllReady());
  root_ = ClientAs(kRootToken);
  for (const std::string& log : logs) CHECK(root_->admin().CreateLog(log).ok());
  AwaitLeaders();
  // Somebody must have the right to turn it off again, with a token.
  Put(PrincipalWith("ops", "*", {Right::kAdmin}));
  (void)Token("ops");
  CHECK(Access(*root_).Enable().ok());
  AwaitPolicy();
}

void RightsLab::AwaitLeaders() {
  for (const std::string& endpoint : cluster_->Endpoints()) {
    CHECK(Eventually([&] {
      const auto status = root_->admin().Status(endpoint, /*with_groups=*/true);
      return status.ok() &&
             std::all_of(status->groups.begin(), status->groups.end(),
                         [](const auto& group) { return group.leader_node_id != NodeId(); });
    }));
  }
}

void RightsLab::AwaitPolicy() {
  const auto now = Access(*root_).GetPolicy();
  CHECK(now.ok());
  for (size_t node = 0; node < cluster_->size(); ++node) {
    const std::unique_ptr<Client> one = Connect(kRootToken, node);
    CHECK(Eventually([&] {
      const auto policy = Access(*one).GetPolicy();
      return policy.ok() && policy->version >= now->version;
    }));
  }
}

void RightsLab::Put(const Principal& principal) {
  CHECK(Access(*root_).PutPrincipal(principal).ok());
  AwaitPolicy();
}

std::string RightsLab::Token(const std::string& principal) {
  const auto token = Access(*root_).CreateToken(principal);
  CHECK(token.ok());
  AwaitPolicy();
  return token->text;
}

std::unique_ptr<Client> RightsLab::ClientAs(const std::string& token) const {
  return Connect(token, cluster_->size());
}

// `node` size(): any of them.
std::unique_ptr<Client> RightsLab::Connect(const std::string& token, size_t node) const {
  ClientOptions options = ClientOf(cluster_->Endpoints(), tls_);
  if (node < cluster_->size()) options.endpoints = {cluster_->Endpoint(node)};
  options.bearer_token = token;
  auto client = Client::Connect(std::move(options));
  CHECK(client.ok());
  return *std::move(client);
}

std::string RightsLab::Audit(size_t node) const {
  return integration::ReadWholeFile(dir_.File("audit" + std::to_string(node)));
}

}  // namespace cairn::security
