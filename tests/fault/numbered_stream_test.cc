// Readers notice what is missing, doubled, changed or elsewhere than was acknowledged.
#include "tests/fault/numbered_stream.h"

#include <gtest/gtest.h>

namespace cairn::fault {
namespace {

constexpr size_t kBytes = 32;

// What stands at a seq: a record of a writer.
struct Stored {
  uint64_t seq;
  size_t writer;
  uint64_t number;
};

RecordBatch Batch(const std::vector<Stored>& stored) {
  RecordBatch batch;
  batch.first_seq = Seq(stored.front().seq);
  for (const Stored& s : stored) {
    Record record;
    record.seq = Seq(s.seq);
    record.payload = NumberedRecord(s.writer, s.number, kBytes);
    batch.records.push_back(std::move(record));
  }
  return batch;
}

struct Case {
  const char* name;
  std::vector<Stored> stored;
  const char* error;  // Empty: none.
};

// Writer 0 is gapless, writer 1 is not. Acknowledged: writer 0's number 1 at seq 11; writer 1's
// numbers 0 at 12 and 2 at 14.
TEST(NumberedStreamTest, Readers) {
  AckBook gapless(true);
  gapless.Acknowledge(1, Seq(11));
  AckBook single(false);
  single.Acknowledge(0, Seq(12));
  single.Acknowledge(2, Seq(14));
  const Case cases[] = {
      {"all there", {{11, 0, 1}, {12, 1, 0}, {13, 0, 2}, {14, 1, 2}}, ""},
      {"from the middle", {{13, 0, 2}, {14, 1, 2}}, ""},
      {"a hole in the seqs", {{11, 0, 1}, {13, 0, 2}}, "seq 13: 12 is next"},
      {"missing", {{11, 0, 1}, {12, 0, 3}}, "seq 12: writer 0: 3 comes where 2 is expected"},
      {"doubled", {{11, 0, 1}, {12, 0, 1}}, "seq 12: writer 0: 1 comes behind 1"},
      {"elsewhere", {{20, 0, 1}}, "seq 20: writer 0: 1 was acknowledged at 11"},
      {"what failed may be missing", {{12, 1, 0}, {13, 1, 1}, {14, 1, 2}, {15, 1, 4}}, ""},
      {"of nobody", {{11, 7, 1}}, "seq 11: a record of nobody"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    StreamCheck check({&gapless, &single});
    check.Take(Batch(c.stored));
    EXPECT_EQ(check.first_error(), c.error);
    EXPECT_EQ(check.records(), c.stored.size());
  }
}

TEST(NumberedStreamTest, WhatWasAcknowledgedIsNotLeftOut) {
  AckBook single(false);
  for (uint64_t number = 0; number < 4; ++number) single.Acknowledge(number, Seq(10 + number));
  StreamCheck check({&single});
  check.Take(Batch({{10, 0, 0}, {11, 0, 3}}));
  EXPECT_EQ(check.first_error(), "seq 11: writer 0: 1 was acknowledged and is left out");
  EXPECT_EQ(check.errors(), 3u);  // And 2, and 3 elsewhere.
}

TEST(NumberedStreamTest, AChangedPayload) {
  AckBook gapless(true);
  StreamCheck check({&gapless});
  RecordBatch batch = Batch({{1, 0, 0}});
  batch.records[0].payload.back() = 'y';
  check.Take(batch);
  EXPECT_EQ(check.first_error(), "seq 1: its payload was changed");
}

TEST(NumberedStreamTest, BooksForgetWhatIsOld) {
  AckBook book(true);
  book.Acknowledge(0, Seq(1));
  EXPECT_EQ(book.SeqOf(0), Seq(1));
  EXPECT_EQ(book.SeqOf(AckBook::kRemembered), std::nullopt);
  book.Acknowledge(AckBook::kRemembered, Seq(2));
  EXPECT_EQ(book.SeqOf(0), std::nullopt);
  EXPECT_EQ(book.newest(), AckBook::kRemembered);
}

}  // namespace
}  // namespace cairn::fault
