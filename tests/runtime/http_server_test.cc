#include "base/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <string>
#include <thread>
#include <vector>

#include "server/runtime/metrics.h"

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

TEST(HttpServerTest, ServesMetricsHealthAndReadiness) {
  Metrics metrics;
  metrics.append_records_total.Increment(42);
  std::string why_not = "waiting for n2";
  auto server = HttpServer::Start("127.0.0.1:0", {.metrics =
                                                      [&] {
                                                        Metrics::Snapshot snapshot;
                                                        snapshot.groups_leader = 3;
                                                        return metrics.Text(snapshot);
                                                      },
                                                  .not_ready = [&] { return why_not; }});
  ASSERT_TRUE(server.ok()) << server.status();
  httplib::Client client("127.0.0.1", (*server)->port());

  auto page = client.Get("/metrics");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->body, HasSubstr("cairn_append_records_total 42"));
  EXPECT_THAT(page->body, HasSubstr("cairn_groups{role=\"leader\"} 3"));
  EXPECT_THAT(page->body, HasSubstr("# TYPE cairn_store_turn_seconds histogram"));

  page = client.Get("/healthz");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);

  page = client.Get("/readyz");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 503);
  EXPECT_EQ(page->body, "waiting for n2\n");
  why_not.clear();
  page = client.Get("/readyz");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);

  page = client.Get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 404);
}

TEST(HttpServerTest, ServesManyAtOnce) {
  auto server = HttpServer::Start(
      "127.0.0.1:0", {.metrics = [] { return std::string("m"); }, .not_ready = [] { return ""; }});
  ASSERT_TRUE(server.ok()) << server.status();
  std::vector<std::thread> clients;
  std::atomic<int> served{0};
  for (int i = 0; i < 40; ++i) {
    clients.emplace_back([&] {
      httplib::Client client("127.0.0.1", (*server)->port());
      const auto page = client.Get("/metrics");
      if (page && page->status == 200) ++served;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served, 40);
}

TEST(HttpServerTest, HandsOtherPathsOn) {
  const auto echo = [](const HttpRequest& request) {
    HttpResponse response{.status = 418, .type = "text/plain"};
    response.body = request.method + " " + request.path + " " + request.query.at("q") + " " +
                    request.Header("x-some") + " " + request.body + request.Header("x-none");
    response.headers = {{"X-Answer", "yes"}};
    return response;
  };
  auto server = HttpServer::Start(
      "127.0.0.1:0",
      {.metrics = [] { return "m"; }, .not_ready = [] { return ""; }, .other = echo});
  ASSERT_TRUE(server.ok()) << server.status();
  httplib::Client client("127.0.0.1", (*server)->port());

  auto page = client.Get("/a%20b?q=x%2Fy&q=z", {{"X-Some", "h"}});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 418);
  EXPECT_EQ(page->body, "GET /a b x/y h ");
  EXPECT_EQ(page->get_header_value("X-Answer"), "yes");
  page = client.Post("/p?q=1", {{"X-Some", "h"}}, "body", "text/plain");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->body, "POST /p 1 h body");
  page = client.Post("/p?q=1", std::string(5000, 'x'), "text/plain");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 413);
  page = client.Get("/healthz");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->body, "ok\n");
  page = client.Delete("/p");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 404);
}

TEST(HttpServerTest, WithoutACertificateOnlyProbesAreAnswered) {
  auto server = HttpServer::Start(
      "127.0.0.1:0",
      {.metrics = [] { return "secret"; },
       .not_ready = [] { return ""; },
       .certificate_wanted = "show one",
       .other = [](const HttpRequest&) { return HttpResponse{.type = "text/plain"}; }});
  ASSERT_TRUE(server.ok()) << server.status();
  httplib::Client client("127.0.0.1", (*server)->port());
  for (const char* open : {"/healthz", "/readyz"}) {
    SCOPED_TRACE(open);
    EXPECT_EQ(client.Get(open)->status, 200);
    EXPECT_EQ(client.Head(open)->status, 200);
    EXPECT_EQ(client.Post(open)->status, 403) << "it would be another page";
  }
  for (const char* closed : {"/metrics", "/", "/api/v1/cluster", "/healthz/", "//healthz"}) {
    SCOPED_TRACE(closed);
    const auto page = client.Get(closed);
    EXPECT_EQ(page->status, 403);
    EXPECT_EQ(page->body, "show one\n");
    EXPECT_EQ(client.Delete(closed)->status, 403);
  }
}

TEST(HttpServerTest, RefusesAPortInUseAndBadAddresses) {
  const HttpPages pages{.metrics = [] { return ""; }, .not_ready = [] { return ""; }};
  auto first = HttpServer::Start("127.0.0.1:0", pages);
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string taken = "127.0.0.1:" + std::to_string((*first)->port());
  EXPECT_EQ(HttpServer::Start(taken, pages).status().code(), absl::StatusCode::kUnavailable);
  for (const char* bad : {"", "8080", ":8080", "h:", "h:x", "h:99999", "h:-1"}) {
    SCOPED_TRACE(bad);
    EXPECT_EQ(HttpServer::Start(bad, pages).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace cairn::server
