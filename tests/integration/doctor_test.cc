// `cairn doctor` on clusters in which a mistake was really made, and on one without any.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "tests/fault/shim_control.h"
#include "tests/fault/small_disk.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kSecondUs = 1'000'000;

ProcessCluster::Options Nodes(size_t nodes, const std::string& dir) {
  return {.program = CAIRN_BIN_DIR "/cairnd", .dir = dir, .nodes = nodes, .flags = {}, .hosts = {}};
}

class DoctorTest : public ::testing::Test {
 protected:
  // What `cairn doctor` with these words prints, and its exit status.
  std::string Ask(const std::vector<std::string>& words,
                  std::vector<std::string> environment = {}) {
    const std::string output = dir_.File(fmt::format("told-{}", ++asked_));
    Process::Command command{.argv = {CAIRN_BIN_DIR "/cairn", "doctor"},
                             .environment = std::move(environment),
                             .output = output};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    Process process;
    process.Start(std::move(command));
    const std::optional<int> status = process.AwaitExit();
    return ReadWholeFile(output) + fmt::format("exit {}\n", status.value_or(-1));
  }
  std::string AskCluster(const ProcessCluster& cluster) {
    return Ask({"--endpoints", fmt::format("{}", fmt::join(cluster.Endpoints(), ","))});
  }
  std::vector<std::string> Local(const ProcessCluster& cluster, size_t node) {
    return {"--local", "--data-dir", cluster.DataDir(node), "--listen", cluster.Endpoint(node)};
  }

  // The line of that check and subject.
  static std::string Line(const std::string& told, const std::string& check,
                          const std::string& subject) {
    std::istringstream lines(told);
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" " + check + " ") != line.npos && line.find(subject) != line.npos) return line;
    }
    return "no such line in\n" + told;
  }

  cairn::testing::TempDir dir_;
  int asked_ = 0;
};

TEST_F(DoctorTest, ASoundClusterHasNoFindings) {
  ProcessCluster cluster(Nodes(3, dir_.path()));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  const std::string told = AskCluster(cluster);
  EXPECT_THAT(told, HasSubstr("exit 0"));
  EXPECT_THAT(told, Not(HasSubstr("failure "))) << told;
  EXPECT_THAT(told, Not(HasSubstr("warning "))) << told;
  // On its machine: but for what this machine's own clock and limits are.
  const std::string local = Ask(Local(cluster, 0));
  EXPECT_THAT(local, Not(HasSubstr("failure "))) << local;
  EXPECT_THAT(Line(local, "directory", cluster.DataDir(0)), HasSubstr("in use by the node"));
}

TEST_F(DoctorTest, AMajorityThatIsMissing) {
  ProcessCluster cluster(Nodes(3, dir_.path()));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  cluster.Kill(1);
  cluster.Kill(2);
  const std::string told = AskCluster(cluster);
  EXPECT_THAT(told, HasSubstr("exit 6"));
  EXPECT_THAT(Line(told, "quorum", "cluster"), HasSubstr("1 of 3 members answer"));
  EXPECT_THAT(Line(told, "reachable", cluster.Endpoint(1)), HasSubstr("failure"));
}

TEST_F(DoctorTest, AClockThatIsWrong) {
  ProcessCluster cluster(Nodes(3, dir_.path()));
  fault::ShimPage shim(dir_.File("shim"));
  cluster.SetEnvironment(1, {std::string("LD_PRELOAD=") + CAIRN_BIN_DIR "/libcairn_fault_shim.so",
                             std::string(fault::kShimVariable) + "=" + shim.path()});
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  EXPECT_THAT(Line(AskCluster(cluster), "clock", "n1"), HasSubstr("ok"));
  shim->wall_offset_us = -20 * kSecondUs;
  const std::string told = AskCluster(cluster);
  EXPECT_GT(shim->walls_bent, 0u);
  EXPECT_THAT(Line(told, "clock", "behind of the others"), HasSubstr("NTP"));
  EXPECT_THAT(Line(told, "clock", "this machine"), HasSubstr("ok"));
}

TEST_F(DoctorTest, ASlowDisk) {
  fault::ShimPage shim(dir_.File("shim"));
  shim->sync_delay_us = 30'000;
  const std::string told =
      Ask({"--local", "--data-dir", dir_.path()},
          {std::string("LD_PRELOAD=") + CAIRN_BIN_DIR "/libcairn_fault_shim.so",
           std::string(fault::kShimVariable) + "=" + shim.path()});
  EXPECT_GT(shim->syncs_delayed, 0u);
  EXPECT_THAT(Line(told, "sync", dir_.path()), HasSubstr("warning"));
}

TEST_F(DoctorTest, AFullDisk) {
  if (!fault::EnterMountNamespace().ok()) GTEST_SKIP() << "no mount namespace here";
  const std::string small = dir_.File("small");
  ASSERT_EQ(mkdir(small.c_str(), 0700), 0);
  const auto disk = fault::SmallDisk::Put(small, 16 << 20);
  ASSERT_TRUE(disk.ok()) << disk.status();
  const std::string told = Ask({"--local", "--data-dir", small});
  EXPECT_THAT(Line(told, "disk", small), HasSubstr("failure"));
}

TEST_F(DoctorTest, PortsAndDirectoriesOfOthers) {
  ProcessCluster cluster(Nodes(2, dir_.path()));
  cluster.Start(0);
  ASSERT_TRUE(Eventually([&] { return cluster.Get(0, "/healthz") == 200; }));
  // The first node's port, another directory.
  const std::string port =
      Ask({"--local", "--data-dir", dir_.path(), "--listen", cluster.Endpoint(0)});
  EXPECT_THAT(Line(port, "port", cluster.Endpoint(0)),
              HasSubstr(fmt::format("process {} (cairnd) listens there", cluster.pid(0))));
  // The first node's directory, another port.
  const std::string directory =
      Ask({"--local", "--data-dir", cluster.DataDir(0), "--listen", cluster.Endpoint(1)});
  EXPECT_THAT(Line(directory, "directory", cluster.DataDir(0)),
              HasSubstr("two nodes were given one directory"));
  EXPECT_THAT(Line(directory, "port", cluster.Endpoint(1)), HasSubstr("free"));
  // An address of another machine.
  const std::string foreign =
      Ask({"--local", "--data-dir", dir_.path(), "--listen", "192.0.2.1:7400"});
  EXPECT_THAT(Line(foreign, "port", "192.0.2.1:7400"), HasSubstr("nobody can listen there"));
}

TEST_F(DoctorTest, ANodeOfAnotherCluster) {
  const std::string second_dir = dir_.File("second");
  ASSERT_EQ(mkdir(second_dir.c_str(), 0700), 0);
  ProcessCluster first(Nodes(1, dir_.path()));
  first.StartAll();
  ASSERT_TRUE(first.AwaitAllReady());
  ProcessCluster second(Nodes(1, second_dir));
  second.StartAll();
  ASSERT_TRUE(second.AwaitAllReady());
  const std::string told = Ask({"--endpoints", first.Endpoint(0) + "," + second.Endpoint(0)});
  EXPECT_THAT(Line(told, "cluster id", "cluster"), HasSubstr("correct --endpoints"));
  EXPECT_THAT(told, HasSubstr("exit 6"));
}

// A key, and a certificate for it that ends in `days`.
void WriteCertificate(const std::string& cert_file, const std::string& key_file, long days) {
  constexpr unsigned kBits = 2048;
  constexpr long kDay = 86'400;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_RSA_gen(kBits), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -30 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDay);
  X509_set_pubkey(certificate.get(), key.get());
  CHECK_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const std::unique_ptr<FILE, decltype(&fclose)> out(fopen(cert_file.c_str(), "w"), fclose);
  CHECK_EQ(PEM_write_X509(out.get(), certificate.get()), 1);
  const std::unique_ptr<FILE, decltype(&fclose)> secret(fopen(key_file.c_str(), "w"), fclose);
  CHECK_EQ(PEM_write_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
}

TEST_F(DoctorTest, Certificates) {
  struct Case {
    long days;
    const char* told;
  };
  const std::string cert = dir_.File("node.crt");
  const std::string config = dir_.File("node.toml");
  for (const Case c : {Case{-3, "failure"}, Case{5, "warning"}, Case{100, "ok"}}) {
    SCOPED_TRACE(c.days);
    WriteCertificate(cert, dir_.File("node.key"), c.days);
    std::ofstream(config) << fmt::format(
        "data-dir = '{}'\ntls-cert-file = '{}'\ntls-key-file = '{}'\n", dir_.path(), cert,
        dir_.File("node.key"));
    const std::string told = Ask({"--local", "--config", config});
    EXPECT_THAT(Line(told, "certificate", cert), HasSubstr(c.told));
    EXPECT_THAT(Line(told, "key", "node.key"), HasSubstr("belongs to the certificate"));
  }
  WriteCertificate(dir_.File("other.crt"), dir_.File("node.key"), 100);
  EXPECT_THAT(Line(Ask({"--local", "--config", config}), "key", "node.key"),
              HasSubstr("is not the key of"));
}

// A copy of cairnd that says it is of another version.
std::string OtherVersion(const std::string& path) {
  std::string program = ReadWholeFile(CAIRN_BIN_DIR "/cairnd");
  // "0.1.": in code too, where the compiler puts short texts, in pieces of four bytes.
  const std::string version = std::string(CAIRN_VERSION).substr(0, 4);
  size_t changed = 0;
  for (size_t at = 0; (at = program.find(version, at)) != program.npos; ++changed) {
    program[at] = '9';
  }
  CHECK_GT(changed, 0u);
  std::ofstream(path, std::ios::binary) << program;
  CHECK_EQ(chmod(path.c_str(), 0700), 0);
  return path;
}

TEST_F(DoctorTest, MixedVersions) {
  ProcessCluster cluster(Nodes(3, dir_.path()));
  cluster.SetProgram(2, OtherVersion(dir_.File("cairnd-other")));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  const std::string told = AskCluster(cluster);
  EXPECT_THAT(Line(told, "version", "cluster"), HasSubstr("finish the upgrade"));
  EXPECT_THAT(told, HasSubstr("exit 0")) << "a warning";
}

}  // namespace
}  // namespace cairn::integration
