// `cairn doctor` at nodes whose certificates it gets to see in a handshake, trusted or not.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/process.h"
#include "tests/integration/process_cluster.h"
#include "tests/security/tls_lab.h"

namespace cairn::security {
namespace {

using integration::Process;
using integration::ProcessCluster;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class DoctorCertificatesTest : public ::testing::Test {
 protected:
  // A node that shows `files`; in clear without.
  void Start(const TlsFiles& files) {
    node_ = std::make_unique<ProcessCluster>(ProcessCluster::Options{
        .program = CAIRN_BIN_DIR "/cairnd",
        .dir = dir_.File(fmt::format("cluster-{}", ++started_)),
        .nodes = 1,
        .flags = files.certificate.empty() ? std::vector<std::string>() : TlsFlags(files),
        .hosts = {}});
    node_->StartAll();
    ASSERT_TRUE(integration::Eventually([&] { return Connect(node_->Endpoint(0)).socket() >= 0; }));
  }

  // All that the doctor says with these further words.
  std::string Ask(const std::vector<std::string>& words) {
    const std::string output = dir_.File("told");
    Process::Command command{
        .argv = {CAIRN_BIN_DIR "/cairn", "doctor", "--endpoints", node_->Endpoint(0)},
        .environment = {},
        .output = output};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    Process process;
    process.Start(std::move(command));
    const std::optional<int> status = process.AwaitExit();
    return integration::ReadWholeFile(output) + fmt::format("exit {}\n", status.value_or(-1));
  }

  std::string AskTrusting(const Authority& authority) { return Ask({"--ca-file", authority.ca()}); }

  testing::TempDir dir_;
  Authority authority_;
  std::unique_ptr<ProcessCluster> node_;
  int started_ = 0;
};

TEST_F(DoctorCertificatesTest, ASoundOne) {
  Start(authority_.Node("node", {"127.0.0.1"}, /*days=*/100));
  ASSERT_TRUE(node_->AwaitAllReady());
  const std::string told = AskTrusting(authority_);
  EXPECT_THAT(told, ContainsRegex("valid for (99|100) days"));
  EXPECT_THAT(told, HasSubstr("exit 0"));
}

// One that has ended is no cairnd started with: tests/cli/diagnosis_test has those.
TEST_F(DoctorCertificatesTest, OneThatEndsSoon) {
  Start(authority_.Node("soon", {"127.0.0.1"}, /*days=*/5));
  const std::string told = AskTrusting(authority_);
  EXPECT_THAT(told, ContainsRegex("expires in [45] days"));
  EXPECT_THAT(told, HasSubstr("renew it"));
}

TEST_F(DoctorCertificatesTest, OneThatIsNotTrusted) {
  const Authority stranger;
  Start(authority_.Node("node", {"127.0.0.1"}, /*days=*/100));
  EXPECT_THAT(AskTrusting(stranger), HasSubstr("is not trusted here"));
  Start(authority_.Node("elsewhere", {"elsewhere.example"}, /*days=*/100));
  EXPECT_THAT(AskTrusting(authority_), HasSubstr("mismatch"));
  const std::string expecting =
      Ask({"--ca-file", authority_.ca(), "--server-name", "elsewhere.example"});
  EXPECT_THAT(expecting, ContainsRegex("valid for (99|100) days"));
}

TEST_F(DoctorCertificatesTest, OneEndSpeaksTlsAndTheOtherDoesNot) {
  Start(authority_.Node("node", {"127.0.0.1"}, /*days=*/100));
  EXPECT_THAT(Ask({}), HasSubstr("pass --ca-file"));
  Start(TlsFiles());
  EXPECT_THAT(AskTrusting(authority_), HasSubstr("no TLS is spoken there"));
}

}  // namespace
}  // namespace cairn::security
