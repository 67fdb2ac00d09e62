// Rights in a cluster of real processes: certificates as principals, calls that one node makes for
// another's caller, restarts of everything, and tenants that share a cluster.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cairn/error.h"
#include "cairn/log.h"
#include "cairn/v1/log.grpc.pb.h"
#include "server/rpc/convert.h"
#include "server/rpc/credentials.h"
#include "tests/security/rights_lab.h"

namespace cairn::security {
namespace {

using integration::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kReconnectMs = 10;
constexpr std::chrono::seconds kCallTimeout{10};

// A channel of its own, which tries again soon.
std::shared_ptr<grpc::Channel> ChannelTo(const std::string& endpoint, const TlsFiles& files) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
  if (files.empty() && files.ca.empty()) {
    return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
  }
  const auto pem = ReadTlsFiles(files, SystemClock().Wall());
  return grpc::CreateCustomChannel(
      endpoint, grpc::SslCredentials({pem->ca, pem->key, pem->certificate}), arguments);
}

using Headers = std::vector<std::pair<std::string, std::string>>;

grpc::Status AppendRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& log,
                       const Headers& headers = {}) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  for (const auto& [name, value] : headers) context.AddMetadata(name, value);
  cairn::v1::AppendRequest request;
  request.set_log(log);
  request.add_records()->set_payload("p");
  cairn::v1::AppendResponse response;
  return cairn::v1::LogService::NewStub(channel)->Append(&context, request, &response);
}

cairn::v1::Reason ReasonOf(const grpc::Status& status) {
  const auto info = rpc::ErrorInfoOf(status);
  return info ? info->reason() : cairn::v1::REASON_UNSPECIFIED;
}

// ---- Certificates -------------------------------------------------------------------------------

class CertificateRightsTest : public ::testing::Test {
 protected:
  CertificateRightsTest() {
    Principal app = PrincipalWith("orders-app", "orders*", {Right::kAppend, Right::kAdmin});
    app.certificate_names = {"app"};
    lab_.Put(app);
  }
  grpc::Status AppendTo(size_t node, const TlsFiles& files, const std::string& log,
                        const Headers& headers = {}) {
    return AppendRaw(ChannelTo(lab_.cluster().Endpoint(node), files), log, headers);
  }
  grpc::Status CreateLog(size_t node, const TlsFiles& files, const std::string& log) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    cairn::v1::CreateLogRequest request;
    request.set_name(log);
    cairn::v1::CreateLogResponse response;
    const auto channel = ChannelTo(lab_.cluster().Endpoint(node), files);
    return cairn::v1::LogService::NewStub(channel)->CreateLog(&context, request, &response);
  }
  [[nodiscard]] TlsFiles OnlyCa() const { return {"", "", authority_.ca()}; }

  Authority authority_;
  TlsFiles node_ = authority_.Node("node");
  TlsFiles app_ = authority_.Client("app");
  RightsLab lab_{3, {"orders", "carts"}, node_};
};

// Two of the three pass the call on: the leader believes them who made it.
TEST_F(CertificateRightsTest, ACertificatesPrincipalIsKnownThroughEveryNode) {
  for (size_t node = 0; node < 3; ++node) {
    SCOPED_TRACE(node);
    const grpc::Status appended = AppendTo(node, app_, "orders");
    EXPECT_TRUE(appended.ok()) << appended.error_message();
    const grpc::Status refused = AppendTo(node, app_, "carts");
    EXPECT_EQ(ReasonOf(refused), cairn::v1::REASON_PERMISSION_DENIED);
    EXPECT_THAT(refused.error_message(),
                HasSubstr("principal orders-app lacks the right append on log carts"));
  }
}

// Every node that a call comes through writes down who made it, and not who passed it on.
TEST_F(CertificateRightsTest, TheAuditNamesWhoeverBegan) {
  for (size_t node = 0; node < 3; ++node) {
    const grpc::Status status = CreateLog(node, app_, "orders/" + std::to_string(node));
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  int by_app = 0;
  for (size_t node = 0; node < 3; ++node) {
    std::istringstream lines(lab_.Audit(node));
    for (std::string line; std::getline(lines, line);) {
      if (line.find(R"("log":"orders/)") == line.npos) continue;
      EXPECT_THAT(line, HasSubstr(R"("principal":"orders-app")"));
      ++by_app;
    }
  }
  EXPECT_GE(by_app, 5) << "two of the three were passed on";
}

TEST_F(CertificateRightsTest, OnlyAMemberSpeaksForOthers) {
  const Headers as_app = {{rpc::kOnBehalfOfHeader, "orders-app"}};
  const TlsFiles stranger = authority_.Client("stranger");
  for (size_t node = 0; node < 3; ++node) {
    SCOPED_TRACE(node);
    EXPECT_TRUE(AppendTo(node, node_, "orders", as_app).ok()) << "that is how nodes do it";
    for (const TlsFiles& files : {stranger, OnlyCa()}) {
      EXPECT_EQ(ReasonOf(AppendTo(node, files, "orders", as_app)),
                cairn::v1::REASON_UNAUTHENTICATED);
    }
    const Headers as_ops = {{rpc::kOnBehalfOfHeader, "ops"}};
    const grpc::Status itself = AppendTo(node, app_, "carts", as_ops);
    EXPECT_THAT(itself.error_message(), HasSubstr("principal orders-app")) << "as who it is";
  }
}

TEST_F(CertificateRightsTest, AMemberIsNobodyItself) {
  EXPECT_EQ(ReasonOf(AppendTo(0, node_, "orders")), cairn::v1::REASON_UNAUTHENTICATED);
  for (const char* name : {"root", "nobody", ""}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(ReasonOf(AppendTo(0, node_, "orders", {{rpc::kOnBehalfOfHeader, name}})),
              cairn::v1::REASON_UNAUTHENTICATED);
  }
}

// A token says more than a certificate: one that is not known is not made up for.
TEST_F(CertificateRightsTest, ATokenGoesBeforeACertificate) {
  lab_.Put(PrincipalWith("carts-app", "carts", {Right::kAppend}));
  const Headers carts = {{rpc::kAuthorizationHeader, "Bearer " + lab_.Token("carts-app")}};
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(AppendTo(node, app_, "carts", carts).ok());
    EXPECT_EQ(ReasonOf(AppendTo(node, app_, "orders", carts)), cairn::v1::REASON_PERMISSION_DENIED);
    EXPECT_EQ(ReasonOf(AppendTo(node, app_, "orders",
                                {{rpc::kAuthorizationHeader, "Bearer not-known-to-anybody"}})),
              cairn::v1::REASON_UNAUTHENTICATED);
  }
}

TEST_F(CertificateRightsTest, ANameThatIsTakenAwayOpensNothing) {
  ASSERT_TRUE(AppendTo(0, app_, "orders").ok());
  lab_.Put(PrincipalWith("orders-app", "orders", {Right::kAppend}));
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(ReasonOf(AppendTo(node, app_, "orders")), cairn::v1::REASON_UNAUTHENTICATED);
  }
}

// ---- Restarts -----------------------------------------------------------------------------------

// Somebody without a token who asks one node again and again from before it is there.
class Stranger {
 public:
  explicit Stranger(std::string endpoint)
      : endpoint_(std::move(endpoint)), thread_([this] { Run(); }) {}
  ~Stranger() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // After Stop: what the node said, and how often it let the stranger in.
  [[nodiscard]] const std::set<cairn::v1::Reason>& reasons() const { return reasons_; }
  [[nodiscard]] int let_in() const { return let_in_; }
  [[nodiscard]] bool was_known() const { return known_; }

 private:
  void Run() {
    const auto channel = ChannelTo(endpoint_, {});
    while (!stop_) {
      const grpc::Status status = AppendRaw(channel, "orders");
      if (status.ok()) ++let_in_;
      if (rpc::ErrorInfoOf(status)) reasons_.insert(ReasonOf(status));
      if (ReasonOf(status) == cairn::v1::REASON_UNAUTHENTICATED) known_ = true;
    }
  }

  const std::string endpoint_;
  std::set<cairn::v1::Reason> reasons_;
  int let_in_ = 0;
  std::atomic<bool> known_ = false;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST(RestartRightsTest, AfterAllNodesDiedNobodyGetsInWhoCouldNotBefore) {
  RightsLab lab(3, {"orders"});
  lab.Put(PrincipalWith("app", "orders", {Right::kAppend}));
  const std::string token = lab.Token("app");
  const Headers bearer = {{rpc::kAuthorizationHeader, "Bearer " + token}};
  integration::ProcessCluster& cluster = lab.cluster();
  for (size_t node = 0; node < 3; ++node) cluster.Kill(node);
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (size_t node = 0; node < 3; ++node) {
    strangers.push_back(std::make_unique<Stranger>(cluster.Endpoint(node)));
  }
  // One alone has no majority to ask: it goes by what its own catalog says.
  cluster.Start(0);
  EXPECT_TRUE(Eventually([&] { return strangers[0]->was_known(); }));
  cluster.Start(1);
  cluster.Start(2);
  ASSERT_TRUE(cluster.AwaitAllReady());
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(Eventually([&] { return strangers[node]->was_known(); }));
    strangers[node]->Stop();
    EXPECT_EQ(strangers[node]->let_in(), 0);
    for (const cairn::v1::Reason reason : strangers[node]->reasons()) {
      EXPECT_TRUE(reason == cairn::v1::REASON_UNAUTHENTICATED ||
                  reason == cairn::v1::REASON_NOT_READY)
          << cairn::v1::Reason_Name(reason);
    }
    const auto channel = ChannelTo(cluster.Endpoint(node), {});
    grpc::Status status;
    EXPECT_TRUE(Eventually([&] {
      status = AppendRaw(channel, "orders", bearer);
      return status.ok();
    })) << status.error_message();
  }
}

// ---- Tenants ------------------------------------------------------------------------------------

class TenantsTest : public ::testing::Test {
 protected:
  // A principal of that tenant that may append to the log, as a client.
  std::unique_ptr<Client> AppendAs(const std::string& name, const std::string& tenant) {
    Principal principal = PrincipalWith(name, "orders", {Right::kAppend});
    principal.tenant = tenant;
    lab_.Put(principal);
    return lab_.ClientAs(lab_.Token(name));
  }
  // What `cairn` prints to these words as root, and its exit status.
  std::string Tool(std::vector<std::string> words) {
    words.insert(words.begin(), CAIRN_BIN_DIR "/cairn");
    const std::string output = lab_.File("told");
    (void)std::remove(output.c_str());
    integration::Process process;
    process.Start({.argv = std::move(words),
                   .environment = {"CAIRN_ENDPOINTS=" + lab_.cluster().Endpoint(0),
                                   "CAIRN_TOKEN_FILE=" + lab_.File("root.token")},
                   .output = output});
    const std::optional<int> status = process.AwaitExit();
    return integration::ReadWholeFile(output) + "exit " + std::to_string(status.value_or(-1));
  }

  RightsLab lab_{3, {"orders"}};
};

TEST_F(TenantsTest, OneIsHeldToItsQuotaAndTheOtherIsNot) {
  const auto guest = AppendAs("guest", "guests");
  const auto shop = AppendAs("cart", "shop");
  EXPECT_THAT(Tool({"auth", "quota", "set", "guests", "--appends-per-second", "1"}),
              HasSubstr("tenant guests may append 1 requests a second on each node"));
  lab_.AwaitPolicy();
  auto guests_log = guest->OpenLog("orders");
  auto shops_log = shop->OpenLog("orders");
  ASSERT_TRUE(guests_log.ok() && shops_log.ok());
  // Less time than the library would wait the refusal out.
  AppendOptions brief;
  brief.call.timeout = absl::Milliseconds(100);
  absl::Status refused;
  for (int i = 0; i < 100 && refused.ok(); ++i) {
    refused = guests_log->Append("from a guest", brief).status();
    EXPECT_TRUE(shops_log->Append("from the shop").ok());
  }
  EXPECT_EQ(GetReason(refused), Reason::kOverloaded) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("tenant guests may take 1 appends a second"));
  const auto info = GetErrorInfo(refused);
  ASSERT_TRUE(info.has_value());
  EXPECT_GT(info->retry_after_ms, 0u);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(shops_log->Append("from the shop").ok());
  EXPECT_TRUE(guests_log->Append("later").ok()) << "with time, the library waits it out";
}

TEST_F(TenantsTest, TheToolSetsListsAndRemovesQuotas) {
  (void)AppendAs("cart", "shop");
  EXPECT_THAT(
      Tool({"auth", "quota", "set", "shop", "--append-bytes-per-second", "10KiB", "-o", "json"}),
      HasSubstr("{\"version\":"));
  EXPECT_EQ(Tool({"auth", "quota", "ls"}),
            "TENANT  APPEND BYTES PER SECOND  APPENDS PER SECOND  PRINCIPALS\n"
            "ops                         0 B                   0           1\n"
            "shop                   10.0 KiB                   0           1\n"
            "exit 0");
  EXPECT_EQ(Tool({"auth", "quota", "ls", "-o", "json"}),
            R"({"tenants":[)"
            R"({"tenant":"ops","append_bytes_per_second":0,"appends_per_second":0,"principals":1},)"
            R"({"tenant":"shop","append_bytes_per_second":10240,"appends_per_second":0,)"
            R"("principals":1}]})"
            "\nexit 0");
  EXPECT_THAT(Tool({"auth", "status", "-o", "json"}), HasSubstr(R"("tenant_quotas":1})"));
  EXPECT_THAT(Tool({"auth", "quota", "rm", "shop"}),
              HasSubstr("tenant shop has no quota any more\nexit 0"));
  EXPECT_THAT(Tool({"auth", "quota", "rm", "shop"}),
              HasSubstr("there is no quota of a tenant shop"));
  EXPECT_THAT(Tool({"auth", "quota", "set", "shop"}), HasSubstr("limits nothing"));
  EXPECT_THAT(Tool({"auth", "quota", "ls"}), Not(HasSubstr("10.0 KiB")));
}

}  // namespace
}  // namespace cairn::security
