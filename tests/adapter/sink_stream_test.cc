// SinkStream: offsets and seqs of what an engine is fed, wherever it stops and goes on.
#include "adapter/redis/sink_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kPing = "PING";

StreamPlace At(uint64_t offset) { return {"h", StreamOffset(offset)}; }

class SinkStreamTest : public ::testing::Test {
 protected:
  SinkStreamTest() { stream_.Begin(At(100), Seq(7)); }

  // All that is unsent, as one string, and told as sent.
  std::string SendAll() {
    std::string sent;
    while (!stream_.all_sent()) {
      size_t bytes = 0;
      for (const std::string_view piece : stream_.Unsent(5)) {
        sent.append(piece);
        bytes += piece.size();
      }
      stream_.Sent(bytes);
    }
    return sent;
  }

  SinkStream stream_{64};
};

TEST_F(SinkStreamTest, KnowsNothingBeforeTheEngineSpoke) {
  EXPECT_FALSE(stream_.acked().has_value());
  EXPECT_TRUE(stream_.has_unacked_records());
  ASSERT_TRUE(stream_.Acknowledge(StreamOffset(100)));
  EXPECT_EQ(stream_.acked(), (SinkStream::Position{Seq(7), StreamOffset(100)}));
  EXPECT_FALSE(stream_.has_unacked_records());
}

TEST_F(SinkStreamTest, TellsEndsOfRecords) {
  stream_.Append("0123456789", Seq(8));
  stream_.AppendKeepalive(kPing);
  stream_.Append("abc", Seq(9));
  stream_.AppendKeepalive(kPing);
  EXPECT_EQ(stream_.fed(), (SinkStream::Position{Seq(9), StreamOffset(117)}));
  EXPECT_EQ(stream_.end(), StreamOffset(121));
  EXPECT_EQ(SendAll(), "0123456789PINGabcPING");
  struct Case {
    uint64_t acked;
    Seq seq;
    uint64_t offset;
  };
  for (const Case& c : {Case{109, Seq(7), 100}, Case{110, Seq(8), 110}, Case{114, Seq(8), 110},
                        Case{117, Seq(9), 117}, Case{121, Seq(9), 117}}) {
    ASSERT_TRUE(stream_.Acknowledge(StreamOffset(c.acked)));
    EXPECT_EQ(stream_.acked(), (SinkStream::Position{c.seq, StreamOffset(c.offset)})) << c.acked;
  }
  EXPECT_FALSE(stream_.has_unacked_records());
}

TEST_F(SinkStreamTest, ARecordWithoutBytesIsAcknowledgedWithTheOneBeforeIt) {
  ASSERT_TRUE(stream_.Acknowledge(StreamOffset(100)));
  stream_.Append("", Seq(8));
  EXPECT_EQ(stream_.acked()->seq, Seq(8));
  stream_.Append("abc", Seq(9));
  stream_.AppendKeepalive(kPing);
  stream_.Append("", Seq(10));
  EXPECT_EQ(stream_.fed(), (SinkStream::Position{Seq(10), StreamOffset(103)}));
  SendAll();
  ASSERT_TRUE(stream_.Acknowledge(StreamOffset(103)));
  EXPECT_EQ(stream_.acked()->seq, Seq(10));
}

TEST_F(SinkStreamTest, RefusesAcknowledgementsThatCannotBe) {
  stream_.Append("abc", Seq(8));
  EXPECT_FALSE(stream_.Acknowledge(StreamOffset(99)));
  EXPECT_FALSE(stream_.Acknowledge(StreamOffset(101)));  // Not sent yet.
  SendAll();
  EXPECT_TRUE(stream_.Acknowledge(StreamOffset(102)));
  EXPECT_FALSE(stream_.Acknowledge(StreamOffset(101)));
  EXPECT_FALSE(stream_.Acknowledge(StreamOffset(104)));
}

TEST_F(SinkStreamTest, GoesOnWhereverTheEngineStands) {
  stream_.Append("0123456789", Seq(8));
  SendAll();
  for (uint64_t offset = 100; offset <= 110; ++offset) {
    SinkStream stream(64);
    stream.Begin(At(100), Seq(7));
    stream.Append("0123456789", Seq(8));
    stream.Sent([&] {
      size_t bytes = 0;
      for (const std::string_view piece : stream.Unsent(6)) bytes += piece.size();
      return bytes;
    }());
    ASSERT_TRUE(stream.CanContinue(At(offset)));
    stream.Continue(StreamOffset(offset));
    std::string rest;
    for (const std::string_view piece : stream.Unsent(100)) rest.append(piece);
    EXPECT_EQ(rest, std::string("0123456789").substr(offset - 100));
  }
  EXPECT_FALSE(stream_.CanContinue(At(111)));
  EXPECT_FALSE(stream_.CanContinue({"other", StreamOffset(105)}));
  ASSERT_TRUE(stream_.Acknowledge(StreamOffset(105)));
  EXPECT_FALSE(stream_.CanContinue(At(104)));
  stream_.End();
  EXPECT_FALSE(stream_.CanContinue(At(105)));
}

TEST_F(SinkStreamTest, KnowsTheSeqBetweenRecordsOnly) {
  stream_.AppendKeepalive(kPing);
  stream_.Append("abc", Seq(8));
  stream_.AppendKeepalive(kPing);
  stream_.Append("de", std::nullopt);
  const std::vector<std::pair<uint64_t, std::optional<Seq>>> cases = {
      {99, std::nullopt},  {100, Seq(7)}, {104, Seq(7)}, {105, std::nullopt},
      {106, std::nullopt}, {107, Seq(8)}, {111, Seq(8)}, {112, std::nullopt}};
  for (const auto& [offset, seq] : cases) EXPECT_EQ(stream_.SeqAt(At(offset)), seq) << offset;
}

TEST_F(SinkStreamTest, ForgetsWhatWasSentOfARecordThatIsTooLarge) {
  EXPECT_TRUE(stream_.MakeRoom());
  stream_.Append(std::string(64, 'x'), std::nullopt);
  EXPECT_FALSE(stream_.MakeRoom());
  EXPECT_FALSE(stream_.between_records());
  SendAll();
  EXPECT_TRUE(stream_.MakeRoom());
  stream_.Append("y", Seq(8));
  EXPECT_EQ(SendAll(), "y");
  EXPECT_FALSE(stream_.CanContinue(At(100)));
  EXPECT_EQ(stream_.SeqAt(At(100)), Seq(7));
  ASSERT_TRUE(stream_.Acknowledge(StreamOffset(165)));
  EXPECT_EQ(stream_.acked()->seq, Seq(8));
}

TEST_F(SinkStreamTest, WholeRecordsWaitForTheEngine) {
  stream_.Append(std::string(70, 'x'), Seq(8));
  SendAll();
  EXPECT_FALSE(stream_.MakeRoom());
  ASSERT_TRUE(stream_.Acknowledge(StreamOffset(170)));
  EXPECT_TRUE(stream_.MakeRoom());
}

// Against a plain string that holds everything.
TEST(SinkStreamRandomTest, IsOneStringWhateverHappens) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    SinkStream stream(1 << 20);
    stream.Begin(At(0), Seq(0));
    std::string all;
    std::string engine;
    uint64_t seq = 0;
    for (int step = 0; step < 300; ++step) {
      switch (random() % 5) {
        case 0: {
          const std::string bytes(random() % 300, static_cast<char>('a' + random() % 26));
          stream.Append(bytes, Seq(++seq));
          all += bytes;
          break;
        }
        case 1:
          stream.AppendKeepalive(kPing);
          all += kPing;
          break;
        case 2: {
          size_t bytes = 0;
          for (const std::string_view piece : stream.Unsent(random() % 500 + 1)) {
            engine.append(piece);
            bytes += piece.size();
          }
          stream.Sent(bytes);
          break;
        }
        case 3:
          if (random() % 2 == 0) {
            ASSERT_TRUE(stream.Acknowledge(StreamOffset(engine.size())));
          }
          break;
        default: {
          // A break: the engine has lost a part of what was not acknowledged.
          const uint64_t acked = stream.acked_offset().value();
          engine.resize(acked + random() % (engine.size() - acked + 1));
          ASSERT_TRUE(stream.CanContinue(At(engine.size())));
          stream.Continue(StreamOffset(engine.size()));
        }
      }
      ASSERT_EQ(stream.end().value(), all.size());
      ASSERT_EQ(engine, all.substr(0, engine.size()));
    }
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
