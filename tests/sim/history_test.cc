// The checker itself: histories made by hand, good and bad.

#include "tests/sim/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::sim {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

FinalRecord Data(uint64_t seq, const std::string& payload) {
  FinalRecord record{.seq = Seq(seq), .chain = seq * 10, .record = {}};
  record.record.set_payload(payload);
  return record;
}

FinalRecord Grant(uint64_t seq) {
  FinalRecord record{.seq = Seq(seq), .chain = seq * 10, .record = {}};
  record.record.set_kind(cairn::v1::RECORD_KIND_LEASE_ACQUIRED);
  return record;
}

Operation Append(const std::string& payload, uint64_t seq, SimTime began, SimTime ended) {
  Operation op;
  op.outcome = seq != 0 ? Operation::Outcome::kDone : Operation::Outcome::kUnknown;
  op.payload = payload;
  op.first_seq = op.last_seq = Seq(seq);
  op.chain = seq * 10;
  op.began = began;
  op.ended = ended;
  return op;
}

std::vector<std::string> Check(std::vector<Operation> operations,
                               const std::vector<FinalRecord>& log,
                               const std::vector<Entitlement>& entitlements = {}) {
  History history;
  for (Operation& op : operations) history.Begin(std::move(op));
  for (const Entitlement& entitlement : entitlements) history.Entitle(entitlement);
  return history.Check(log);
}

TEST(HistoryTest, AcceptsWhatALogCanExplain) {
  Operation refused = Append("c", 0, 30, 40);
  refused.outcome = Operation::Outcome::kRefused;
  refused.if_last_seq = Seq(1);
  refused.shown_last_seq = Seq(2);
  EXPECT_THAT(Check({Append("a", 1, 0, 10), Append("b", 2, 5, 20), refused,
                     Append("unknown, not done", 0, 0, 50), Append("d", 0, 0, 50)},
                    {Data(1, "a"), Data(2, "b"), Data(3, "d")}),
              IsEmpty());
}

TEST(HistoryTest, FindsWhatIsWrong) {
  Operation refused = Append("a", 0, 0, 10);
  refused.outcome = Operation::Outcome::kRefused;
  Operation conditional = Append("b", 2, 0, 10);
  conditional.if_last_seq = Seq(0);
  Operation stale_refusal = Append("z", 0, 30, 40);
  stale_refusal.outcome = Operation::Outcome::kRefused;
  stale_refusal.shown_last_seq = Seq(0);
  Operation fenced = Append("f", 3, 0, 10);
  fenced.if_lease_epoch = Epoch(1);
  Operation read = Append("", 1, 30, 40);
  read.kind = Operation::Kind::kRead;
  struct Case {
    const char* want;
    std::vector<Operation> operations;
    std::vector<FinalRecord> log;
  };
  const Case cases[] = {
      {"is not in the log", {Append("a", 1, 0, 10)}, {}},
      {"and again at 2", {Append("a", 1, 0, 10)}, {Data(1, "a"), Data(2, "a")}},
      {"was refused but stands", {refused}, {Data(1, "a")}},
      {"but stands at 2", {Append("a", 1, 0, 10)}, {Data(1, "x"), Data(2, "a")}},
      {"asked for last_seq 0", {conditional}, {Data(1, "a"), Data(2, "b")}},
      {"got seq 1 though 2",
       {Append("b", 2, 0, 10), Append("a", 1, 20, 30)},
       {Data(1, "a"), Data(2, "b")}},
      {"a refusal showed last_seq 0", {Append("a", 1, 0, 10), stale_refusal}, {Data(1, "a")}},
      {"a read saw last_seq 1", {Append("b", 2, 0, 10), read}, {Data(1, "a"), Data(2, "b")}},
      {"under epoch 1 stands at seq 3", {fenced}, {Grant(1), Grant(2), Data(3, "f")}},
  };
  for (const Case& c : cases) {
    const auto violations = Check(c.operations, c.log);
    ASSERT_THAT(violations, SizeIs(1)) << c.want;
    EXPECT_THAT(violations[0], HasSubstr(c.want));
  }
}

TEST(HistoryTest, TwoHoldersMustNotOverlap) {
  const Entitlement a{.client = 1, .epoch = Epoch(1), .from = 0, .until = 100};
  const Entitlement renewed{.client = 1, .epoch = Epoch(1), .from = 50, .until = 150};
  const Entitlement after{.client = 2, .epoch = Epoch(9), .from = 150, .until = 250};
  const Entitlement early{.client = 2, .epoch = Epoch(9), .from = 149, .until = 250};
  EXPECT_THAT(Check({}, {}, {a, renewed, after}), IsEmpty());
  EXPECT_THAT(Check({}, {}, {a, renewed, early}), SizeIs(1));
}

}  // namespace
}  // namespace cairn::sim
