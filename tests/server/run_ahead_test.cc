// What was fetched ahead goes to who asks for just that, and to nobody else.
#include "server/run_ahead.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "storage/mem_log_store.h"
#include "tests/storage/store_testing.h"

namespace cairn::server {
namespace {

using storage::kGroup;

// A log of one entry. Run 1 holds entry 2, run 2 entry 3.
class RunAheadTest : public ::testing::Test {
 protected:
  RunAheadTest() {
    Write(storage::MakeGroup());
    Write(storage::WriteEntries({storage::MakeEntry(1, 1, "one", 1, 1, 100)}));
    request_.through = At(2);
    request_.ahead = At(3);
    auto builder = store_.BeginRun(kGroup, Index(1));
    EXPECT_TRUE(builder.ok()) << builder.status();
    fetched_ = Fetch(**builder, 2);
    fetched_.ticket = request_.ticket;
  }

  static consensus::Position At(uint64_t index) { return {Term(1), Index(index)}; }
  static LogPosition After(uint64_t seq) { return {Seq(seq), 10 * seq, 100}; }
  void Write(storage::GroupWrite write) {
    EXPECT_TRUE(store_.Write(storage::OneWrite(std::move(write))).ok());
  }
  static Fetched Fetch(storage::RunBuilder& builder, uint64_t index) {
    const auto entry = storage::MakeEntry(index, 1, "more", index, 1, 100);
    EXPECT_TRUE(builder.Add(RefTo(entry)).ok());
    auto run = builder.Finish();
    EXPECT_TRUE(run.ok()) << run.status();
    return {.run = *std::move(run), .after = After(index)};
  }
  void TakeFirst() {
    storage::GroupWrite write;
    write.group = kGroup;
    write.run = fetched_.run;
    Write(std::move(write));
  }
  void FetchAhead() {
    auto behind = RunAhead::Behind(request_, fetched_);
    ASSERT_TRUE(behind.has_value());
    auto builder = store_.BeginRunBehind(*fetched_.run);
    ASSERT_TRUE(builder.ok()) << builder.status();
    ahead_.Keep(*std::move(behind), Fetch(**builder, 3));
  }
  static RunRequest Next() {
    return {.group = kGroup,
            .ticket = 9,
            .from = NodeId(2),
            .prev = At(2),
            .position = After(2),
            .through = At(3)};
  }

  storage::MemLogStore store_{1};
  RunRequest request_{.group = kGroup,
                      .ticket = 8,
                      .from = NodeId(2),
                      .prev = At(1),
                      .position = After(1),
                      .free_bytes = 7};
  Fetched fetched_;
  RunAhead ahead_;
};

TEST_F(RunAheadTest, AsksForWhatTheOfferNames) {
  const auto behind = RunAhead::Behind(request_, fetched_);
  ASSERT_TRUE(behind.has_value());
  EXPECT_EQ(behind->group, kGroup);
  EXPECT_EQ(behind->from, NodeId(2));
  EXPECT_EQ(behind->prev, At(2));
  EXPECT_EQ(behind->position, After(2));
  EXPECT_EQ(behind->through, At(3));
  EXPECT_EQ(behind->free_bytes, 7u);
  EXPECT_FALSE(behind->ahead.index);

  fetched_.status = absl::UnavailableError("cut");
  EXPECT_FALSE(RunAhead::Behind(request_, fetched_).has_value());
  fetched_.status = absl::OkStatus();
  request_.ahead = {};
  EXPECT_FALSE(RunAhead::Behind(request_, fetched_).has_value());
}

TEST_F(RunAheadTest, IsHandedOverOnceTheLogEndsWhereItBegins) {
  FetchAhead();
  TakeFirst();
  const Fetched fetched = ahead_.Take(Next(), store_);
  ASSERT_NE(fetched.run, nullptr);
  EXPECT_EQ(fetched.ticket, 9u);
  EXPECT_EQ(fetched.after, After(3));
  EXPECT_EQ(ahead_.Take(Next(), store_).run, nullptr);
}

TEST_F(RunAheadTest, IsNotHandedOverForAnythingElse) {
  struct Case {
    const char* name;
    void (*change)(RunRequest&);
  };
  const Case cases[] = {
      {"another leader", [](RunRequest& request) { request.from = NodeId(3); }},
      {"another entry before it", [](RunRequest& request) { request.prev.term = Term(2); }},
      {"another chain", [](RunRequest& request) { request.position.chain = 5; }},
      {"another end", [](RunRequest& request) { request.through.index = Index(4); }},
  };
  TakeFirst();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto builder = store_.BeginRun(kGroup, Index(2));
    ASSERT_TRUE(builder.ok()) << builder.status();
    ahead_.Keep(*RunAhead::Behind(request_, fetched_), Fetch(**builder, 3));
    RunRequest request = Next();
    c.change(request);
    EXPECT_EQ(ahead_.Take(request, store_).run, nullptr);
    EXPECT_EQ(ahead_.Take(Next(), store_).run, nullptr) << "it was dropped";
  }
}

TEST_F(RunAheadTest, IsDroppedWithTheRunBeforeIt) {
  FetchAhead();
  EXPECT_EQ(ahead_.Take(Next(), store_).run, nullptr);
}

TEST_F(RunAheadTest, StaysWhileOtherLogsAreFilled) {
  FetchAhead();
  TakeFirst();
  RunRequest other = Next();
  other.group = GroupId(8);
  EXPECT_EQ(ahead_.Take(other, store_).run, nullptr);
  EXPECT_NE(ahead_.Take(Next(), store_).run, nullptr);
}

}  // namespace
}  // namespace cairn::server
