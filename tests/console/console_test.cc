// The console's API on whole nodes: what it says, and what it refuses with which sentence.
#include "server/console/console.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/rpc/test_node.h"

namespace cairn::console {
namespace {

using rpc::Call;
using rpc::TestCluster;
using ::testing::HasSubstr;

class ConsoleTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new TestCluster(3);
    cluster_->Create("orders");
    for (int i = 1; i <= 5; ++i) Append("record " + std::to_string(i));
    // The console shows what its own node has.
    EXPECT_TRUE(rpc::Eventually([] {
      const auto groups = (*cluster_)[0].node().Groups();
      return std::any_of(groups.begin(), groups.end(), [](const server::GroupView& view) {
        return view.name == "orders" && view.last_seq == Seq(5);
      });
    }));
    rpc::RpcServer* rpc = &(*cluster_)[0].rpc();
    console_ = new Console(rpc->LocalChannel(),
                           [rpc](const std::string& address) { return rpc->ChannelTo(address); },
                           {"db.example:7480"});
  }
  static void TearDownTestSuite() {
    delete console_;
    delete cluster_;
  }

  static void Append(const std::string& payload) {
    v1::AppendRequest request;
    request.set_log("orders");
    request.add_records()->set_payload(payload);
    ASSERT_TRUE(Call(*(*cluster_)[0].log, &v1::LogService::Stub::Append, request).ok());
  }

  static HttpRequest Request(const std::string& path,
                             std::map<std::string, std::string> query = {}) {
    return {.method = "GET",
            .path = path,
            .query = std::move(query),
            .header = {{"host", "127.0.0.1:7480"}},
            .body = ""};
  }
  static HttpResponse Get(const std::string& path, std::map<std::string, std::string> query = {}) {
    return console_->Answer(Request("/api/v1/" + path, std::move(query)));
  }
  static Json Ok(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body);
  }
  // The sentence of a refusal.
  static std::string Refused(const HttpResponse& response, int status) {
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body)["error"]["message"];
  }
  static HttpRequest Transfer(const std::string& body) {
    HttpRequest request = Request("/api/v1/transfer");
    request.method = "POST";
    request.body = body;
    request.header["content-type"] = "application/json";
    request.header[kWriteHeader] = "1";
    return request;
  }

  static TestCluster* cluster_;
  static Console* console_;
};
TestCluster* ConsoleTest::cluster_ = nullptr;
Console* ConsoleTest::console_ = nullptr;

TEST_F(ConsoleTest, OneNodeTellsOfAll) {
  const Json cluster = Ok(Get("cluster"));
  ASSERT_EQ(cluster["nodes"].size(), 3u);
  for (const Json& node : cluster["nodes"]) {
    EXPECT_TRUE(node["answered"]) << node;
    EXPECT_EQ(node["counters"]["append_seconds"]["counts"].size(),
              node["counters"]["append_seconds"]["upper_bounds_s"].size() + 1);
  }
  const Json logs = Ok(Get("logs", {{"contains", "order"}}));
  ASSERT_EQ(logs["matching"], 1);
  EXPECT_EQ(logs["logs"][0]["replicas"].size(), 3u);
  EXPECT_TRUE(logs["logs"][0]["quorum"]);
  EXPECT_EQ(Ok(Get("log", {{"log", "orders"}}))["name"], "orders");
}

TEST_F(ConsoleTest, PagesOfRecordsFollowOneAnother) {
  Json page = Ok(Get("records", {{"log", "orders"}, {"from_seq", "1"}, {"limit", "2"}}));
  ASSERT_EQ(page["records"].size(), 2u);
  EXPECT_EQ(page["next_seq"], 3);
  EXPECT_EQ(page["records"][0]["payload"], "cmVjb3JkIDE=");
  page = Ok(Get("records", {{"log", "orders"}, {"last", "1"}, {"payload_bytes", "3"}}));
  ASSERT_EQ(page["records"].size(), 1u);
  EXPECT_EQ(page["records"][0]["payload"], "cmVj");
  EXPECT_EQ(page["records"][0]["bytes"], 8);
  EXPECT_EQ(page["next_seq"], 6);
  page = Ok(Get("records", {{"log", "orders"}, {"from_seq", "6"}}));
  EXPECT_EQ(page["records"].size(), 0u);
  EXPECT_EQ(page["next_seq"], 6);
}

TEST_F(ConsoleTest, BadParametersAreToldWhatWasExpected) {
  struct Case {
    std::string path;
    std::map<std::string, std::string> query;
    int status;
    std::string says;
  };
  for (const Case& bad : std::vector<Case>{
           {"records", {}, 400, "log is missing"},
           {"records", {{"log", "nope"}, {"from_seq", "1"}}, 404, "nope"},
           {"records", {{"log", "nope"}, {"last", "1"}}, 404, "nope"},
           {"records", {{"log", "orders"}, {"from_seq", "-1"}}, 400, "expected a number"},
           {"records", {{"log", "orders"}, {"from_seq", "1e3"}}, 400, "expected a number"},
           {"records", {{"log", "orders"}, {"from_seq", ""}}, 400, "expected a number"},
           {"records", {{"log", "orders"}, {"limit", "0"}}, 400, "from 1 to 500"},
           {"records",
            {{"log", "orders"}, {"limit", "99999999999999999999"}},
            400,
            "from 1 to 500"},
           {"records", {{"log", "orders"}, {"from_seq", "1"}, {"last", "1"}}, 400, "exclude"},
           {"records", {{"log", "orders"}, {"from_seq", "1000"}}, 410, "orders"},
           {"records", {{"log", "orders"}, {"from_seq", "1"}, {"log_id", "999"}}, 404, "orders"},
           {"records", {{"log", std::string(256, 'x')}}, 400, "at most 255"},
           {"logs", {{"limit", "201"}}, 400, "from 1 to 200"},
           {"logs", {{"sort", "name"}}, 400, "no parameter \"sort\""},
           {"log", {{"log", "<script>"}}, 400, "byte 0x3c"},
           {"cluster", {{"x", "1"}}, 400, "no parameter"},
           {"nothing", {}, 404, "GET cluster"}}) {
    SCOPED_TRACE(bad.path + " " + bad.says);
    EXPECT_THAT(Refused(Get(bad.path, bad.query), bad.status), HasSubstr(bad.says));
  }
}

TEST_F(ConsoleTest, LeadershipsMoveOnRequestOnly) {
  cluster_->Create("moved");
  const size_t leader = cluster_->LeaderOf("moved");
  const server::NodeStatus heir = (*cluster_)[(leader + 1) % 3].node().Status();
  const std::string body =
      Json{{"log", "moved"}, {"to_node_id", std::to_string(heir.node_id.value())}}.dump();
  HttpRequest foreign = Transfer(body);
  foreign.header["origin"] = "http://evil.example";
  EXPECT_THAT(Refused(console_->Answer(foreign), 403), HasSubstr("evil.example"));
  HttpRequest form = Transfer(body);
  form.header["content-type"] = "text/plain";
  EXPECT_THAT(Refused(console_->Answer(form), 403), HasSubstr("application/json"));
  HttpRequest unmarked = Transfer(body);
  unmarked.header.erase(kWriteHeader);
  EXPECT_THAT(Refused(console_->Answer(unmarked), 403), HasSubstr(kWriteHeader));
  EXPECT_EQ(cluster_->LeaderOf("moved"), leader);

  HttpRequest own = Transfer(body);
  own.header["origin"] = "http://127.0.0.1:7480";
  EXPECT_EQ(Ok(console_->Answer(own))["transferred"], 1);
  EXPECT_TRUE(rpc::Eventually([&] { return cluster_->LeaderOf("moved") == (leader + 1) % 3; }));
  for (const char* bad :
       {"", "[]", "{", "{\"log\": 1}", "{\"log\": \"\"}", "{\"log\": \"moved\", \"to_node_id\": 1}",
        "{\"log\": \"moved\", \"to_node_id\": \"x\"}"}) {
    EXPECT_THAT(Refused(console_->Answer(Transfer(bad)), 400), HasSubstr("to_node_id")) << bad;
  }
}

TEST_F(ConsoleTest, NamesThatAreNotOursAreRefused) {
  for (const char* host : {"127.0.0.1:7480", "localhost:7480", "[::1]:7480", "10.1.2.3", "::1",
                           "DB.example", "db.example.:7480"}) {
    HttpRequest request = Request("/");
    request.header["host"] = host;
    EXPECT_EQ(console_->Answer(request).status, 200) << host;
  }
  for (const char* host : {"evil.example", "evil.example:7480", "", "localhost.evil.example",
                           "127.0.0.1.evil.example"}) {
    HttpRequest request = Request("/api/v1/cluster");
    request.header["host"] = host;
    EXPECT_THAT(Refused(console_->Answer(request), 403), HasSubstr("--console-hosts")) << host;
  }
  HttpRequest request = Request("/api/v1/cluster");
  request.header["sec-fetch-site"] = "cross-site";
  Refused(console_->Answer(request), 403);
}

TEST_F(ConsoleTest, FilesAreSentOnceAndEveryAnswerIsGuarded) {
  HttpRequest request = Request("/app.mjs");
  HttpResponse response = console_->Answer(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.type, HasSubstr("text/javascript"));
  const std::map<std::string, std::string> headers(response.headers.begin(),
                                                   response.headers.end());
  request.header["if-none-match"] = headers.at("ETag");
  response = console_->Answer(request);
  EXPECT_EQ(response.status, 304);
  EXPECT_EQ(response.body, "");
  for (const char* path : {"/", "/nothing", "/api/v1/cluster", "/api/v1/nothing"}) {
    const HttpResponse answer = console_->Answer(Request(path));
    const std::map<std::string, std::string> guarded(answer.headers.begin(), answer.headers.end());
    EXPECT_THAT(guarded.at("Content-Security-Policy"), HasSubstr("default-src 'self'")) << path;
    EXPECT_EQ(guarded.at("X-Content-Type-Options"), "nosniff") << path;
  }
  EXPECT_EQ(console_->Answer(Request("/../app.mjs")).status, 404);
}

TEST_F(ConsoleTest, ManyCallersShareOneAnswerAndTheRestAreTurnedAway) {
  std::vector<std::thread> callers;
  std::atomic<int> served{0};
  std::atomic<int> busy{0};
  for (int i = 0; i < 32; ++i) {
    callers.emplace_back([&] {
      const int status = Get("cluster").status;
      if (status == 200) ++served;
      if (status == 503) ++busy;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(served + busy, 32);
  EXPECT_GE(served, 1);
  EXPECT_EQ(Get("cluster").status, 200) << "and nothing is left over";
}

// Last, since it takes a node away.
TEST_F(ConsoleTest, TellsWhichNodeIsGone) {
  cluster_->Stop(2);
  Json cluster;
  EXPECT_TRUE(rpc::Eventually([&] {
    cluster = Ok(Get("cluster"));
    return !cluster["alerts"].empty() && cluster["alerts"][0]["kind"] == "node_unreachable";
  })) << cluster;
  EXPECT_EQ(cluster["alerts"][0]["node"], "n3");
  EXPECT_FALSE(cluster["nodes"][2]["answered"]);
  EXPECT_EQ(Ok(Get("records", {{"log", "orders"}, {"from_seq", "1"}}))["records"].size(), 5u);
}

}  // namespace
}  // namespace cairn::console
