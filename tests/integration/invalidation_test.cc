// `cairn-agent invalidate`, end to end: a cache of real agents, and memcacheds that stand for the
// pools of another cluster.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/memcache_tools.h"
#include "tests/integration/memcache_world.h"
#include "tests/integration/plain_memcached.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;

class InvalidationTest : public ::testing::Test {
 protected:
  InvalidationTest()
      : near_(world_.SparePort(0), world_.File("near.log")),
        far_(world_.SparePort(1), world_.File("far.log")) {}

  void SetUp() override {
    near_.Start();
    far_.Start();
    world_.StartAgent(0);
    ASSERT_TRUE(world_.AwaitServes(0)) << world_.Output(0);
    ASSERT_TRUE(StoreIn(cache(), "first", "0"));
  }

  void StartInvalidator(std::vector<std::string> flags = {}) {
    const std::vector<std::string> common = {
        "--targets",        near_.address() + "," + far_.address(),
        "--state-dir",      world_.File("state"),
        "--metrics-listen", pages_};
    flags.insert(flags.end(), common.begin(), common.end());
    invalidator_.Start({.argv = tools_.Command("invalidate", std::move(flags)),
                        .environment = {},
                        .output = world_.File("invalidator.log")});
    ASSERT_TRUE(Eventually([this] { return IsReady(); })) << Output();
  }

  [[nodiscard]] std::string Page(const std::string& path) const {
    return AskMemcache(pages_, fmt::format("GET {} HTTP/1.0\r\n\r\n", path), "no such end");
  }
  [[nodiscard]] bool IsReady() const { return Page("/readyz").find(" 200 ") != std::string::npos; }
  // Of that target.
  [[nodiscard]] std::string Metric(const std::string& name, const PlainMemcached& target) const {
    const std::string page = Page("/metrics");
    const std::string head = fmt::format(
        "cairn_agent_invalidation_{}{{log=\"cache\",target=\"{}\"}} ", name, target.address());
    const size_t at = page.find(head);
    if (at == std::string::npos) return "";
    return page.substr(at + head.size(), page.find('\n', at) - at - head.size());
  }
  [[nodiscard]] std::string Output() const { return ReadWholeFile(world_.File("invalidator.log")); }
  [[nodiscard]] std::string cache() const { return world_.Address(0); }

  // The other cluster has an item of this name, which is stale once ours changes.
  static void Keep(const PlainMemcached& pool, const std::string& key) {
    ASSERT_TRUE(StoreIn(pool.address(), key, "stale"));
  }
  static bool Loses(const PlainMemcached& pool, const std::string& key) {
    return Eventually(
        [&] { return AskMemcache(pool.address(), "get " + key + "\r\n") == "END\r\n"; });
  }

  MemcacheWorld world_{{.agents = 1, .spare_ports = 3}};
  MemcacheTools tools_{world_};
  PlainMemcached near_;
  PlainMemcached far_;
  const std::string pages_ = fmt::format("127.0.0.1:{}", world_.SparePort(2));
  Process invalidator_;
};

TEST_F(InvalidationTest, WhatChangesIsDeletedEverywhereAndNothingElse) {
  StartInvalidator({"--marker-prefix", "m:"});
  for (const char* key : {"set", "gone", "touched", "other", "m:set"}) {
    Keep(near_, key);
    Keep(far_, key);
  }
  ASSERT_EQ(AskMemcache(far_.address(), "ms YiBj 1 b\r\nx\r\n"), "HD\r\n");
  ASSERT_TRUE(StoreIn(cache(), "touched", "1"));
  ASSERT_TRUE(Loses(near_, "touched"));
  Keep(near_, "touched");
  ASSERT_EQ(AskMemcache(cache(), "touch touched 500\r\n"), "TOUCHED\r\n");
  ASSERT_TRUE(StoreIn(cache(), "gone", "1"));
  ASSERT_EQ(AskMemcache(cache(), "delete gone\r\n"), "DELETED\r\n");
  ASSERT_EQ(AskMemcache(cache(), "ms YiBj 1 b\r\ny\r\n"), "HD\r\n");
  ASSERT_TRUE(StoreIn(cache(), "set", "1"));
  for (const PlainMemcached* pool : {&near_, &far_}) {
    EXPECT_TRUE(Loses(*pool, "set"));
    EXPECT_TRUE(Loses(*pool, "m:set"));
    EXPECT_TRUE(Loses(*pool, "gone"));
    EXPECT_EQ(GetFrom(pool->address(), "other"), "stale");
  }
  EXPECT_EQ(AskMemcache(far_.address(), "mg YiBj b v\r\n"), "EN\r\n");
  EXPECT_EQ(GetFrom(near_.address(), "touched"), "stale");  // The same value, for longer.

  ASSERT_EQ(AskMemcache(cache(), "flush_all\r\n"), "OK\r\n");
  EXPECT_TRUE(Loses(near_, "other"));
  EXPECT_TRUE(Loses(far_, "other"));
  ASSERT_TRUE(Eventually([&] { return Metric("lag_records", far_) == "0"; })) << Page("/metrics");
  EXPECT_EQ(Metric("gaps_total", far_), "0");
}

// The steps of docs/invalidation.md, by a client of the region of `near_`.
TEST_F(InvalidationTest, AMarkerSendsReadersToThePrimaryRegionUntilTheChangeHasArrived) {
  StartInvalidator({"--marker-prefix", "m:"});
  Keep(near_, "k");
  ASSERT_TRUE(StoreIn(cache(), "k", "old"));
  // (No lag may also mean that it has not heard of the record.)
  ASSERT_TRUE(Loses(near_, "k")) << Output();
  ASSERT_TRUE(Eventually([&] { return Metric("lag_records", near_) == "0"; })) << Page("/metrics");
  ASSERT_TRUE(StoreIn(near_.address(), "k", "old"));
  const auto read = [&] {
    const auto copy = GetFrom(near_.address(), "k");
    if (copy) return "copy: " + *copy;
    const bool marked = GetFrom(near_.address(), "m:k").has_value();
    return (marked ? "marked: " : "missed: ") + GetFrom(cache(), "k").value_or("nothing");
  };
  EXPECT_EQ(read(), "copy: old");

  invalidator_.Signal(SIGSTOP);  // As if the other region were far.
  ASSERT_TRUE(StoreIn(near_.address(), "m:k", "", /*exptime=*/60));
  ASSERT_TRUE(StoreIn(cache(), "k", "new"));
  AskMemcache(near_.address(), "delete k\r\n");
  EXPECT_EQ(read(), "marked: new");
  // Somebody who does not look for markers fills the pool with what it had read before.
  Keep(near_, "k");
  invalidator_.Signal(SIGCONT);
  EXPECT_TRUE(Loses(near_, "m:k")) << Output();
  EXPECT_EQ(read(), "missed: new");
}

TEST_F(InvalidationTest, ATargetThatIsGoneHoldsUpNobodyAndIsToldWhenItIsBack) {
  StartInvalidator();
  far_.Kill();
  ASSERT_TRUE(Eventually([this] { return !IsReady(); }));
  EXPECT_THAT(Page("/readyz"), HasSubstr(far_.address()));
  Keep(near_, "key");
  ASSERT_TRUE(StoreIn(cache(), "key", "1"));
  EXPECT_TRUE(Loses(near_, "key"));
  EXPECT_TRUE(Eventually([this] { return Metric("backlog_keys", far_) == "1"; }));
  EXPECT_NE(Metric("lag_records", far_), "0");

  far_.Start();
  ASSERT_TRUE(Eventually([this] { return IsReady(); })) << Page("/readyz");
  EXPECT_TRUE(Eventually([this] { return Metric("lag_records", far_) == "0"; }));
  Keep(far_, "later");
  ASSERT_TRUE(StoreIn(cache(), "later", "1"));
  EXPECT_TRUE(Loses(far_, "later"));
}

TEST_F(InvalidationTest, AfterAKillItGoesOnWhereItWas) {
  StartInvalidator();
  Keep(far_, "before");
  ASSERT_TRUE(StoreIn(cache(), "before", "1"));
  ASSERT_TRUE(Loses(far_, "before"));
  invalidator_.Kill();
  Keep(far_, "meanwhile");
  ASSERT_TRUE(StoreIn(cache(), "meanwhile", "1"));
  EXPECT_EQ(GetFrom(far_.address(), "meanwhile"), "stale");
  StartInvalidator();
  EXPECT_TRUE(Loses(far_, "meanwhile")) << Output();
  invalidator_.Signal(SIGTERM);
  EXPECT_EQ(invalidator_.AwaitExit(), std::optional<int>(0)) << Output();
}

TEST_F(InvalidationTest, WhatWasTrimmedBehindItsBackIsAGap) {
  StartInvalidator();
  ASSERT_TRUE(Eventually([this] { return Metric("lag_records", far_) == "0"; }));
  invalidator_.Kill();
  Keep(far_, "unrelated");
  // The newest record stays in any case.
  ASSERT_TRUE(StoreIn(cache(), "meanwhile", "1"));
  ASSERT_TRUE(StoreIn(cache(), "newest", "1"));
  const auto snapshot = tools_.RunWell("snapshot", {"--trim", "keep-records=0"});
  ASSERT_GT(snapshot.value("log_first_seq", 0), 1);
  StartInvalidator();
  EXPECT_TRUE(Loses(far_, "unrelated")) << Output();
  EXPECT_TRUE(Eventually([this] { return Metric("gaps_total", far_) == "1"; }));
}

// It is stopped, not killed, so that it still has what it was not told of.
TEST_F(InvalidationTest, ATargetThatCannotKeepUpIsFlushed) {
  StartInvalidator({"--backlog-bytes", "4096"});
  Keep(far_, "unrelated");
  far_.Signal(SIGSTOP);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(StoreIn(cache(), fmt::format("key{}", i), "1"));
  EXPECT_TRUE(Eventually([this] { return Metric("gaps_total", far_) == "1"; })) << Page("/metrics");
  EXPECT_TRUE(Eventually([this] { return Metric("lag_records", near_) == "0"; }));
  EXPECT_EQ(Metric("gaps_total", near_), "0");
  far_.Signal(SIGCONT);
  EXPECT_TRUE(Loses(far_, "unrelated")) << Output();
}

TEST_F(InvalidationTest, OrWhatItWasNotToldIsReported) {
  StartInvalidator({"--backlog-bytes", "4096", "--on-gap", "report"});
  Keep(far_, "unrelated");
  far_.Signal(SIGSTOP);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(StoreIn(cache(), fmt::format("key{}", i), "1"));
  EXPECT_TRUE(Eventually([this] {
    const std::string lost = Metric("lost_total", far_);
    return !lost.empty() && lost != "0";
  })) << Page("/metrics");
  far_.Signal(SIGCONT);
  EXPECT_TRUE(Eventually([this] { return Metric("lag_records", far_) == "0"; }))
      << Page("/metrics");
  EXPECT_EQ(GetFrom(far_.address(), "unrelated"), "stale");
}

}  // namespace
}  // namespace cairn::integration
