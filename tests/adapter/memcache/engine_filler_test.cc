// FillBatch, and EngineFiller with a real memcached.
#include "adapter/memcache/engine_filler.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <optional>

#include "tests/adapter/memcache/memcached.h"

namespace cairn::adapter::memcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

EffectView Store(std::string_view key, std::string_view value) {
  return {.kind = EffectKind::kStore, .key = key, .value = value};
}

TEST(FillBatchTest, StoresAndDeletionsAreQuietInGroupsThatAreAnswered) {
  FillBatch batch;
  EffectView store = Store("k", "abc");
  store.client_flags = 7;
  store.at = 2'000'000'000;
  batch.Add(store, 1'000'000'000);
  batch.Add({.kind = EffectKind::kDelete, .key = "gone"}, 0);
  EXPECT_THAT(batch.replies, IsEmpty());
  batch.EndGroup();
  batch.EndGroup();  // None is open.
  EXPECT_EQ(batch.commands, "ms k 3 F7 T2000000000 q\r\nabc\r\nmd gone q\r\nmn\r\n");
  EXPECT_THAT(batch.replies, ElementsAre(ReplyKind::kMetaGroup));
}

TEST(FillBatchTest, WhatIsAnsweredByItselfEndsTheGroupBeforeIt) {
  FillBatch batch;
  batch.Add(Store("k", ""), 0);
  batch.Add({.kind = EffectKind::kFlush}, 0);
  batch.Add(Store("l", ""), 0);
  batch.AddIfMissing("m", Item{"x", 0, 0}, false, 0);
  EXPECT_EQ(batch.commands,
            "ms k 0 q\r\n\r\nmn\r\nflush_all\r\nms l 0 q\r\n\r\nmn\r\nms m 1 ME\r\nx\r\n");
  EXPECT_THAT(batch.replies, ElementsAre(ReplyKind::kMetaGroup, ReplyKind::kLine,
                                         ReplyKind::kMetaGroup, ReplyKind::kMeta));
}

// For engines with the flag E.
TEST(FillBatchTest, ItemsGetTheNumbersThatTheLogHasForThem) {
  FillBatch batch;
  batch.Add(Store("k", "x"), 0, 17);
  batch.Add({.kind = EffectKind::kDelete, .key = "gone"}, 0, 18);
  batch.AddIfMissing("m", Item{"y", 0, 0}, false, 0, 19);
  EXPECT_EQ(batch.commands, "ms k 1 E17 q\r\nx\r\nmd gone q\r\nmn\r\nms m 1 ME E19\r\ny\r\n");
}

// An engine that is never silent for longer than a group takes.
TEST(FillBatchTest, AGroupIsBounded) {
  FillBatch batch;
  for (int i = 0; i < 1'000; ++i) batch.Add(Store("k", "x"), 0);
  batch.EndGroup();
  EXPECT_EQ(batch.replies.size(), 4);
}

class EngineFillerTest : public ::testing::Test {
 protected:
  // Connections go on reading, so the loop is never out of work.
  absl::Status Run(asio::awaitable<absl::Status> work) {
    std::optional<absl::Status> status;
    Spawn(io_.get_executor(), Take(std::move(work), &status));
    io_.restart();
    while (!status) io_.run_one();
    return *status;
  }
  absl::Status Connect() {
    EngineAddress address;
    address.unix_path = memcached_.socket();
    return Run(filler_.Connect(std::move(address)));
  }
  std::string Value(std::string_view key) {
    const auto connection = memcached_.Connect();
    connection->Send(fmt::format("mg {} v\r\n", key));
    return connection->ReadReply(ReplyKind::kMeta);
  }

  Memcached memcached_;
  asio::io_context io_;
  EngineFiller filler_{io_.get_executor()};

 private:
  static asio::awaitable<void> Take(asio::awaitable<absl::Status> work,
                                    std::optional<absl::Status>* status) {
    *status = co_await std::move(work);
  }
};

TEST_F(EngineFillerTest, WhatTheEngineRefusesIsCountedAndTheRestIsThere) {
  ASSERT_TRUE(Connect().ok());
  const std::string large(size_t{2} << 20, 'x');  // More than memcached's -I.
  FillBatch batch;
  batch.Add(Store("before", "1"), 0);
  batch.Add(Store("large", large), 0);
  batch.Add(Store("behind", "2"), 0);
  EXPECT_TRUE(Run(filler_.Put(std::move(batch))).ok());
  EXPECT_EQ(filler_.refused(), 1);
  EXPECT_EQ(Value("before"), "VA 1\r\n1\r\n");
  EXPECT_EQ(Value("large"), "EN\r\n");
  EXPECT_EQ(Value("behind"), "VA 1\r\n2\r\n");
  filler_.Close();
  EXPECT_EQ(filler_.refused(), 1);
}

TEST_F(EngineFillerTest, AllThatIsStreamedIsThereWhenItHasSettled) {
  ASSERT_TRUE(Connect().ok());
  for (int i = 0; i < 50; ++i) {
    FillBatch batch;
    for (int j = 0; j < 300; ++j) batch.Add(Store(fmt::format("k{}-{}", i, j), "x"), 0);
    ASSERT_TRUE(Run(filler_.Stream(std::move(batch))).ok());
  }
  ASSERT_TRUE(Run(filler_.Settle()).ok());
  for (int i = 0; i < 50; ++i) ASSERT_EQ(Value(fmt::format("k{}-299", i)), "VA 1\r\nx\r\n");
}

}  // namespace
}  // namespace cairn::adapter::memcache
