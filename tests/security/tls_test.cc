// Those who try to get in, at real processes: whatever is not shown as decision 020 asks is kept
// out, and says why; what is, gets in, also while certificates change and nodes die.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cairn/v1/peer.grpc.pb.h"
#include "server/runtime/peer_frames.h"
#include "tests/integration/process_cluster.h"
#include "tests/security/tls_lab.h"

namespace cairn::security {
namespace {

using integration::Eventually;
using integration::ProcessCluster;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int kExitConfig = 2;
// What a node gives a handshake, and as much again.
constexpr int kHandshakeSeconds = 25;

class TlsTest : public ::testing::Test {
 protected:
  // httplib's client goes on to write when the node has closed.
  static void SetUpTestSuite() { ASSERT_NE(signal(SIGPIPE, SIG_IGN), SIG_ERR); }

  // `more`: further flags of all nodes.
  std::unique_ptr<ProcessCluster> Start(size_t nodes, std::vector<std::string> more = {}) {
    std::vector<std::string> flags = TlsFlags(node_);
    flags.insert(flags.end(), more.begin(), more.end());
    auto cluster =
        std::make_unique<ProcessCluster>(ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                                                 .dir = dir_.path(),
                                                                 .nodes = nodes,
                                                                 .flags = std::move(flags),
                                                                 .hosts = {}});
    cluster->StartAll();
    EXPECT_TRUE(cluster->AwaitAllReady());
    return cluster;
  }

  static absl::Status AppendAs(const ProcessCluster& cluster, const TlsFiles& files) {
    auto client = Client::Connect(ClientOf(cluster.Endpoints(), files));
    return client.ok() ? Append(**client, "record") : client.status();
  }

  static grpc::Status Introduce(const ProcessCluster& cluster, const TlsFiles& files) {
    const auto pem = ReadTlsFiles(files, SystemClock().Wall());
    const auto channel = grpc::CreateChannel(
        cluster.Endpoint(0), grpc::SslCredentials({pem->ca, pem->key, pem->certificate}));
    grpc::ClientContext context;
    cairn::v1::IntroduceResponse response;
    return cairn::v1::PeerService::NewStub(channel)->Introduce(&context, {}, &response);
  }

  // What `cairnd --check-config` says of a configuration that is wrong.
  [[nodiscard]] std::string WhyWrong(const std::vector<std::string>& flags) const {
    std::vector<std::string> argv = {CAIRN_BIN_DIR "/cairnd",
                                     "--check-config",
                                     "--name",
                                     "n1",
                                     "--data-dir",
                                     dir_.path(),
                                     "--listen",
                                     "127.0.0.1:1"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    const std::string output = dir_.File("check.log");
    integration::Process check;
    check.Start({.argv = std::move(argv), .environment = {}, .output = output});
    EXPECT_EQ(check.AwaitExit(), kExitConfig);
    return integration::ReadWholeFile(output);
  }

  // A node whose pages have TLS; ready.
  std::unique_ptr<ProcessCluster> StartWithPages(std::vector<std::string> more = {}) {
    std::vector<std::string> flags = TlsFlags(node_);
    flags.insert(flags.end(), more.begin(), more.end());
    auto cluster =
        std::make_unique<ProcessCluster>(ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                                                 .dir = dir_.path(),
                                                                 .nodes = 1,
                                                                 .flags = std::move(flags),
                                                                 .hosts = {}});
    cluster->SetEnvironment(0, {"CAIRND_HTTP_TLS=true"});
    cluster->StartAll();
    EXPECT_TRUE(Eventually([&] { return Visit(*cluster, "/readyz").status == 200; }));
    return cluster;
  }

  struct Page {
    int status = 0;  // 0: there was no answer.
    std::string body;
  };
  // A page of the first node, for who shows `shown`.
  [[nodiscard]] Page Visit(const ProcessCluster& cluster, const std::string& path,
                           const TlsFiles& shown = {}, const std::string& scheme = "https") const {
    httplib::Client visitor(scheme + "://" + cluster.HttpEndpoint(0), shown.certificate, shown.key);
    visitor.set_ca_cert_path(authority_.ca().c_str());
    const httplib::Result page = visitor.Get(path.c_str());
    return page ? Page{page->status, page->body} : Page();
  }

  [[nodiscard]] TlsFiles OnlyCa() const { return {"", "", authority_.ca()}; }

  cairn::testing::TempDir dir_;
  Authority authority_;
  Authority stranger_;
  Authority visitors_;  // Of those who may see pages.
  TlsFiles node_ = authority_.Node("node");
  TlsFiles app_ = authority_.Client("app");
};

TEST_F(TlsTest, ThreeNodesServeAndOutliveEachOther) {
  const auto cluster = Start(3);
  auto client = Client::Connect(ClientOf(cluster->Endpoints(), app_));
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(Append(**client, "first").ok());
  // Whoever leads, its turn comes.
  for (size_t node = 0; node < cluster->size(); ++node) {
    cluster->Kill(node);
    ASSERT_TRUE(Eventually([&] { return Append(**client, "meanwhile").ok(); }));
    cluster->Start(node);
    ASSERT_TRUE(cluster->AwaitAllReady());
  }
  std::string metrics;
  cluster->Get(0, "/metrics", &metrics);
  EXPECT_THAT(metrics, HasSubstr("cairn_tls_certificate_seconds{file=\"" + node_.certificate));
}

TEST_F(TlsTest, ClientsAreKnownByTheirAuthority) {
  const auto cluster = Start(1, {"--tls-client-auth", "require"});
  EXPECT_TRUE(AppendAs(*cluster, app_).ok());
  EXPECT_FALSE(AppendAs(*cluster, OnlyCa()).ok()) << "no certificate";
  EXPECT_FALSE(AppendAs(*cluster, TlsFiles()).ok()) << "in clear";
  EXPECT_FALSE(AppendAs(*cluster, authority_.Client("old", /*days=*/-2)).ok()) << "expired";
  TlsFiles forged = stranger_.Client("app");
  EXPECT_FALSE(AppendAs(*cluster, forged).ok()) << "it does not trust the node";
  forged.ca = authority_.ca();
  EXPECT_FALSE(AppendAs(*cluster, forged).ok()) << "the node does not trust it";
  EXPECT_TRUE(AppendAs(*cluster, app_).ok()) << "it goes on";
}

TEST_F(TlsTest, ACertificateIsAskedForAsThePolicySays) {
  const auto asking = Start(1);
  EXPECT_TRUE(AppendAs(*asking, OnlyCa()).ok());
  TlsFiles forged = stranger_.Client("app");
  forged.ca = authority_.ca();
  EXPECT_FALSE(AppendAs(*asking, forged).ok()) << "what is shown must be sound";
}

TEST_F(TlsTest, WhereNoneIsAskedForMembersStillShowTheirs) {
  const auto cluster = Start(2, {"--tls-client-auth", "none"});
  EXPECT_TRUE(AppendAs(*cluster, OnlyCa()).ok());
  TlsFiles forged = stranger_.Node("node");
  forged.ca = authority_.ca();
  EXPECT_TRUE(AppendAs(*cluster, forged).ok()) << "it does not count";
  EXPECT_EQ(Introduce(*cluster, forged).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_NE(Introduce(*cluster, node_).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(TlsTest, AClientFollowsItsFiles) {
  const auto cluster = Start(1, {"--tls-client-auth", "require"});
  TlsFiles files = stranger_.Client("app");
  files.ca = authority_.ca();
  auto client = Client::Connect(ClientOf(cluster->Endpoints(), files));
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_FALSE(Append(**client, "by a stranger").ok());
  constexpr auto kReplace = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(app_.certificate, files.certificate, kReplace);
  std::filesystem::copy_file(app_.key, files.key, kReplace);
  EXPECT_TRUE(Eventually([&] { return Append(**client, "by a friend").ok(); }));
}

TEST_F(TlsTest, OldVersionsAreNotSpoken) {
  const auto cluster = Start(1);
  SocketStream old = Connect(cluster->Endpoint(0));
  EXPECT_FALSE(Shake(old, app_, "", TLS1_1_VERSION).ok());
  SocketStream oldest_allowed = Connect(cluster->Endpoint(0));
  EXPECT_TRUE(Shake(oldest_allowed, app_, "", TLS1_2_VERSION).ok());
  SocketStream peer = Connect(cluster->Endpoint(0));
  EXPECT_FALSE(Shake(peer, node_, server::kPeerMagic, TLS1_2_VERSION).ok());
}

TEST_F(TlsTest, OnlyMembersSpeakThePeersProtocol) {
  const auto cluster = Start(2);
  cairn::v1::PeerHello hello;
  hello.set_from_node_id(2);
  hello.set_to_node_id(1);
  hello.set_protocol(1);
  const auto hello_as = [&](const TlsFiles& files) -> std::string {
    SocketStream stream = Connect(cluster->Endpoint(0));
    if (!Shake(stream, files, server::kPeerMagic).ok()) return "no handshake";
    return SayHello(stream, hello).value_or("no answer");
  };
  EXPECT_THAT(hello_as(node_), HasSubstr("this node belongs to cluster")) << "it got that far";
  EXPECT_THAT(hello_as(app_), HasSubstr("the certificate is a client's"));
  EXPECT_THAT(hello_as(authority_.Node("other", {"192.0.2.1", "other.example"})),
              HasSubstr("the certificate does not name 127.0.0.1"));
  TlsFiles forged = stranger_.Node("node");
  forged.ca = authority_.ca();
  // In TLS 1.3 who connects has done its part before it is judged.
  EXPECT_EQ(hello_as(forged), "no answer");
  EXPECT_EQ(hello_as(OnlyCa()), "no answer");

  SocketStream clear = Connect(cluster->Endpoint(0));
  ASSERT_TRUE(clear.SendAll(server::kPeerMagic, SystemClock().Mono() + kMicrosPerSecond));
  EXPECT_EQ(SayHello(clear, hello), std::nullopt) << "in clear";
  EXPECT_TRUE(cluster->AwaitAllReady());
}

TEST_F(TlsTest, OnlyMembersMayIntroduceThemselves) {
  const auto cluster = Start(1);
  EXPECT_EQ(Introduce(*cluster, app_).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_NE(Introduce(*cluster, node_).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(TlsTest, AMemberUnderAWrongNameIsKeptOut) {
  const auto cluster = Start(3);
  cluster->Kill(2);
  const TlsFiles wrong = authority_.Node("wrong", {"wrong.example"});
  cluster->Start(2, TlsFlags(wrong));
  EXPECT_TRUE(Eventually([&] {
    return cluster->Output(0).find("does not name 127.0.0.1") != std::string::npos &&
           cluster->Output(0).find("cannot be reached with TLS") != std::string::npos;
  })) << cluster->Output(0);
  EXPECT_FALSE(cluster->IsReady(2));
  cluster->Kill(2);
  // A name that all share does.
  cluster->Start(2);
  EXPECT_TRUE(cluster->AwaitAllReady());
}

TEST_F(TlsTest, AnExpiredCertificateIsNamedWithItsDate) {
  const TlsFiles old = authority_.Node("old", {"127.0.0.1"}, /*days=*/-2);
  EXPECT_THAT(WhyWrong(TlsFlags(old)), HasSubstr(old.certificate + " expired on 20"));
}

TEST_F(TlsTest, TheAuthoritiesOfVisitorsAreCheckedWithTheConfiguration) {
  const auto why_wrong = [&](const std::string& ca) {
    std::vector<std::string> flags = TlsFlags(node_);
    for (const char* flag : {"--http-listen=127.0.0.1:2", "--http-tls=true"})
      flags.emplace_back(flag);
    flags.push_back("--http-tls-ca-file=" + ca);
    return WhyWrong(flags);
  };
  EXPECT_THAT(why_wrong(dir_.File("nowhere")), HasSubstr("nowhere cannot be read"));
  EXPECT_THAT(why_wrong(node_.key), HasSubstr(node_.key + " holds no certificate: expected PEM"));
}

TEST_F(TlsTest, PagesWithTlsAreNotServedInClear) {
  const auto cluster = StartWithPages();
  EXPECT_EQ(Visit(*cluster, "/readyz", {}, "http").status, 0);
  EXPECT_EQ(Visit(*cluster, "/metrics").status, 200) << "nobody is asked for a certificate";
}

TEST_F(TlsTest, PagesButThoseForProbesAskForACertificate) {
  const TlsFiles guest = visitors_.Client("prometheus");
  const TlsFiles stranger = stranger_.Client("prometheus");
  const auto cluster = StartWithPages({"--http-tls-ca-file", visitors_.ca()});
  EXPECT_EQ(Visit(*cluster, "/healthz").status, 200);
  for (const char* path : {"/metrics", "/console", "/", "/api/v1/cluster"}) {
    SCOPED_TRACE(path);
    const Page page = Visit(*cluster, path);
    EXPECT_EQ(page.status, 403);
    EXPECT_THAT(page.body, HasSubstr("option http-tls-ca-file"));
    EXPECT_THAT(Visit(*cluster, path, guest).status, AnyOf(200, 404));
  }
  const Page metrics = Visit(*cluster, "/metrics", guest);
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.body,
              HasSubstr("cairn_tls_certificate_seconds{file=\"" + visitors_.ca() + "\"}"));
  EXPECT_EQ(Visit(*cluster, "/", guest).status, 200) << "the console";
  for (const TlsFiles& wrong : {stranger, app_, visitors_.Client("old", /*days=*/-2)}) {
    EXPECT_EQ(Visit(*cluster, "/healthz", wrong).status, 0) << "no handshake, for no page";
  }

  std::filesystem::copy_file(stranger_.ca(), visitors_.ca(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(Eventually([&] { return Visit(*cluster, "/metrics", stranger).status == 200; }));
  EXPECT_EQ(Visit(*cluster, "/metrics", guest).status, 0);
  EXPECT_EQ(Visit(*cluster, "/metrics").status, 403);
}

TEST_F(TlsTest, WhoDribblesIsCutOff) {
  const auto cluster = Start(1);
  // A ClientHello that claims to be long, HTTP/2's opening, and a page's first line.
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  std::vector<std::thread> visitors;
  std::atomic<int> closed = 0;
  const auto dribble = [&](const std::string& address, const std::string& bytes) {
    visitors.emplace_back([&closed, address, bytes] {
      SocketStream stream = Connect(address);
      if (DribbleUntilClosed(stream, bytes, kHandshakeSeconds)) ++closed;
    });
  };
  dribble(cluster->Endpoint(0), hello + std::string(400, 'x'));
  dribble(cluster->Endpoint(0), std::string(server::kPeerMagic) + hello + std::string(400, 'x'));
  dribble(cluster->Endpoint(0), "");
  dribble(cluster->HttpEndpoint(0), "GET /" + std::string(400, 'x'));
  EXPECT_TRUE(AppendAs(*cluster, app_).ok()) << "others are served meanwhile";
  for (std::thread& visitor : visitors) visitor.join();
  EXPECT_EQ(closed, 4);
}

TEST_F(TlsTest, HeadersBeyondTheBoundAreRefused) {
  const auto cluster = Start(1);
  ClientOptions options = ClientOf(cluster->Endpoints(), app_);
  options.bearer_token = std::string(64 << 10, 'x');
  auto client = Client::Connect(std::move(options));
  ASSERT_TRUE(client.ok());
  EXPECT_FALSE(Append(**client, "record").ok());
  EXPECT_TRUE(AppendAs(*cluster, app_).ok());
}

TEST_F(TlsTest, CertificatesAreReplacedUnderLoad) {
  const auto cluster = Start(3);
  auto client = Client::Connect(ClientOf(cluster->Endpoints(), app_));
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(Append(**client, "first").ok());
  std::atomic<bool> stop = false;
  std::atomic<int> failed = 0;
  std::thread load([&] {
    while (!stop) failed += Append(**client, "more").ok() ? 0 : 1;
  });
  const auto serial = [&](size_t node) { return ShownSerial(cluster->Endpoint(node), app_); };
  for (int round = 0; round < 3; ++round) {
    const std::string before = serial(0);
    authority_.Node("node");
    EXPECT_TRUE(Eventually([&] {
      const std::string now = serial(2);
      return !now.empty() && now != before && serial(0) == now && serial(1) == now;
    }));
  }
  // Half a pair is not used.
  const std::string last = serial(0);
  const TlsFiles next = authority_.Node("next");
  std::filesystem::copy_file(next.certificate, node_.certificate,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(Eventually([&] {
    (void)serial(0);  // Each visit looks at the files.
    return cluster->Output(0).find("are not used") != std::string::npos;
  }));
  EXPECT_EQ(serial(0), last);
  // Its other half makes it one; links that are made anew use it.
  std::filesystem::copy_file(next.key, node_.key,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(Eventually([&] { return !serial(0).empty() && serial(0) != last; }));
  stop = true;
  load.join();
  EXPECT_EQ(failed, 0);
  cluster->Kill(1);
  cluster->Start(1);
  EXPECT_TRUE(cluster->AwaitAllReady());
}

}  // namespace
}  // namespace cairn::security
