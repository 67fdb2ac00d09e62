// The bytes on disk, held fast: whoever changes one of these must raise the format version.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "storage/entry_codec.h"
#include "storage/key_codec.h"
#include "storage/rocks_rows.h"
#include "tests/storage/store_testing.h"

namespace cairn::storage {
namespace {

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

// ---- Keys -----------------------------------------------------------------------------

TEST(KeyCodecTest, Golden) {
  const GroupId group(0x0102030405060708);
  struct Case {
    const char* name;
    std::string key;
    const char* hex;
  };
  const Case cases[] = {
      {"entry", EntryKey(group, Index(0x1112)), "01020304050607080000000000001112"},
      {"seq", SeqKey(group, Seq(0xfe00000000000001)), "0102030405060708fe00000000000001"},
      {"hard state", HardStateKey(group), "010203040506070801"},
      {"term", TermKey(group, Index(5)), "0102030405060708020000000000000005"},
      {"segment", SegmentKey(group, Index(0)), "0102030405060708030000000000000000"},
      {"trash", TrashKey(group), "010203040506070804"},
      {"turn", MetaKey(KeyTag::kTurn), "11"},
      {"run", RunKey(group), "010203040506070806"},
      {"identity", MetaKey(KeyTag::kIdentity), "12"},
      {"formed", MetaKey(KeyTag::kFormed), "13"},
      {"begin", GroupBegin(group), "0102030405060708"},
      {"end", GroupEnd(group), "0102030405060709"},
  };
  for (const Case& c : cases) EXPECT_EQ(Hex(c.key), c.hex) << c.name;
}

TEST(KeyCodecTest, TheOrderOfKeysIsTheOrderOfGroupsAndPositions) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    // Numbers of all lengths.
    const GroupId a(random.Next() >> random.Below(64));
    const GroupId b(random.Chance(0.5) ? a.value() : random.Next() >> random.Below(64));
    const Index x(random.Next() >> random.Below(64));
    const Index y(random.Next() >> random.Below(64));
    const bool before = std::pair(a, x) < std::pair(b, y);
    EXPECT_EQ(EntryKey(a, x) < EntryKey(b, y), before);
    EXPECT_EQ(TermKey(a, x) < TermKey(b, y), before);
    for (const std::string& key :
         {EntryKey(a, x), HardStateKey(a), SegmentKey(a, x), TrashKey(a)}) {
      EXPECT_LE(GroupBegin(a), key);
      EXPECT_LT(key, GroupEnd(a));
      EXPECT_EQ(GroupOfKey(key), a);
    }
    EXPECT_EQ(PositionOfKey(EntryKey(a, x)), x.value());
    EXPECT_EQ(ParseStateKey(TermKey(a, x)), (StateKey{a, KeyTag::kTerm, x}));
    EXPECT_EQ(ParseStateKey(SegmentKey(a, x)), (StateKey{a, KeyTag::kSegment, x}));
    EXPECT_EQ(ParseStateKey(HardStateKey(a)), (StateKey{a, KeyTag::kHardState, Index()}));
  }
}

TEST(KeyCodecTest, RefusesWhatIsNoKey) {
  const std::string group(8, '\1');
  for (const std::string& bytes :
       {std::string(), std::string("1234567"), group, group + "\x01x", group + "\x02",
        group + "\x03" + std::string(7, 'x'), group + "\x03" + std::string(9, 'x'), group + "\x06x",
        group + "\x07", group + "\x11", group + std::string(1, '\0')}) {
    EXPECT_EQ(ParseStateKey(bytes), std::nullopt) << Hex(bytes);
  }
  EXPECT_EQ(GroupOfKey("1234567"), std::nullopt);
  EXPECT_EQ(PositionOfKey(group), std::nullopt);
  EXPECT_EQ(PositionOfKey(group + group + "x"), std::nullopt);
}

// ---- Rows -----------------------------------------------------------------------------

StoredEntry SampleEntry() {
  StoredEntry entry = MakeEntry(0x11, 0x22, "payload", 0x33, 0x44, 0x55);
  entry.kind = 0x66;
  return entry;
}

std::string SampleRow() {
  const StoredEntry entry = SampleEntry();
  return EncodeEntryRowHeader(GroupId(7), RefTo(entry), 0x77) + std::string(entry.payload.view());
}

TEST(RowCodecTest, Golden) {
  SegmentRow segment = MakeSegment(0x10, 0x20, 0x30, "st");
  segment.timestamp_us = 0x40;
  segment.chain_before = 0x50;
  struct Case {
    const char* name;
    std::string row;
    const char* hex;
  };
  const Case cases[] = {
      {"entry", SampleRow(),
       "90c35ebe71b72ef0"
       "2200000000000000"
       "3300000000000000"
       "5500000000000000"
       "7700000000000000"
       "44000000"
       "66"
       "000000"
       "7061796c6f6164"},
      {"seq", EncodeSeqRow({Index(1), 2, 3}),
       "0100000000000000"
       "0200000000000000"
       "03000000"},
      {"hard state", EncodeHardState({Term(1), NodeId(2), Index(3)}),
       "0100000000000000"
       "0200000000000000"
       "0300000000000000"},
      {"segment", EncodeSegment({segment, 0x60}),
       "2000000000000000"
       "3000000000000000"
       "4000000000000000"
       "5000000000000000"
       "6000000000000000"
       "7374"},
      {"number", EncodeNumber(0x0102030405060708), "0807060504030201"},
  };
  for (const Case& c : cases) EXPECT_EQ(Hex(c.row), c.hex) << c.name;
}

TEST(RowCodecTest, RoundTrips) {
  const SegmentRow segment = MakeSegment(9, 8, 7, std::string(1000, 's'));
  EXPECT_EQ(*DecodeSegment(Index(9), EncodeSegment({segment, 5})), (StoredSegment{segment, 5}));
  const StoredHardState state{Term(~uint64_t{0}), NodeId(2), Index(3)};
  EXPECT_EQ(*DecodeHardState(EncodeHardState(state)), state);
  const SeqRow row{Index(5), -7, ~uint32_t{0}};
  EXPECT_EQ(*DecodeSeqRow(EncodeSeqRow(row)), row);
  EXPECT_EQ(*DecodeNumber(EncodeNumber(~uint64_t{0})), ~uint64_t{0});

  const auto entry = DecodeEntryRow(GroupId(7), Index(0x11), SampleRow());
  ASSERT_TRUE(entry.ok()) << entry.status();
  const StoredEntry sample = SampleEntry();
  EXPECT_EQ(entry->index, sample.index);
  EXPECT_EQ(entry->term, sample.term);
  EXPECT_EQ(entry->kind, sample.kind);
  EXPECT_EQ(entry->payload, sample.payload);
  EXPECT_EQ(entry->first_seq, sample.first_seq);
  EXPECT_EQ(entry->record_count, sample.record_count);
  EXPECT_EQ(entry->timestamp_us, sample.timestamp_us);
  EXPECT_EQ(*DecodeBytesThrough(GroupId(7), Index(0x11), SampleRow()), 0x77u);
}

TEST(RowCodecTest, EachBitOfAnEntryCounts) {
  const std::string row = SampleRow();
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    std::string flipped = row;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto entry = DecodeEntryRow(GroupId(7), Index(0x11), flipped);
    ASSERT_TRUE(absl::IsDataLoss(entry.status())) << "bit " << bit;
    EXPECT_NE(entry.status().message().find("group 7: entry 17"), absl::string_view::npos)
        << entry.status();
  }
  for (size_t bytes = 0; bytes < row.size(); ++bytes) {
    EXPECT_FALSE(DecodeEntryRow(GroupId(7), Index(0x11), row.substr(0, bytes)).ok()) << bytes;
  }
  EXPECT_FALSE(DecodeEntryRow(GroupId(7), Index(0x11), row + "x").ok());
}

TEST(RowCodecTest, AnEntryCountsOnlyUnderItsOwnKey) {
  EXPECT_FALSE(DecodeEntryRow(GroupId(8), Index(0x11), SampleRow()).ok());
  EXPECT_FALSE(DecodeEntryRow(GroupId(7), Index(0x12), SampleRow()).ok());
}

TEST(RowCodecTest, RefusesOtherLengths) {
  for (const size_t bytes : {0, 7, 9, 19, 21, 23, 25, 39}) {
    const std::string row(bytes, '\0');
    EXPECT_TRUE(absl::IsDataLoss(DecodeNumber(row).status())) << bytes;
    EXPECT_TRUE(absl::IsDataLoss(DecodeSeqRow(row).status())) << bytes;
    EXPECT_TRUE(absl::IsDataLoss(DecodeHardState(row).status())) << bytes;
    EXPECT_TRUE(absl::IsDataLoss(DecodeSegment(Index(1), row).status())) << bytes;
  }
}

// ---- The payload of a data entry --------------------------------------------------------

std::string SamplePayload() {
  EntryBuilder builder(Seq(4), ChainSeed(GroupId(7)), 0x1234);
  builder.AddRecord("abc");
  builder.AddRecord(std::string(200, 'x'));
  cairn::v1::EntryItem item;
  item.mutable_trim()->set_first_seq(3);
  builder.AddItem(item);
  return std::string(builder.Finish().view());
}

TEST(EntryCodecTest, Golden) {
  const std::string payload = SamplePayload();
  EXPECT_EQ(Hex(payload.substr(0, 40)),
            "01000000"
            "02000000"
            "0500000000000000"
            "3412000000000000"
            "65224c50d243f661"
            "06000000"
            "00000000");
  EXPECT_EQ(Hex(payload.substr(40, 6)), "0a0422020803") << "items";
  EXPECT_EQ(Hex(payload.substr(46, 8)),
            "2203616263"
            "22c801")
      << "records";
  EXPECT_EQ(payload.size(), 46u + 5 + 3 + 200);
}

TEST(EntryCodecTest, ChainIsFixed) {
  EXPECT_EQ(fmt::format("{:016x}", ChainSeed(GroupId(0))), "d5d7a88830e8af75");
  EXPECT_EQ(fmt::format("{:016x}", ChainSeed(GroupId(7))), "8dcc9f55638b4730");
  EXPECT_EQ(fmt::format("{:016x}", ChainNext(1, "abc")), "6b4467b443c76228");
  EXPECT_NE(ChainNext(1, ""), 1u) << "an empty record moves the chain, too";
}

TEST(EntryCodecTest, ReadsBackWhatWasBuilt) {
  const std::string payload = SamplePayload();
  const auto view = EntryView::Parse(payload);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->header().first_seq, Seq(5));
  EXPECT_EQ(view->header().last_seq(), Seq(6));
  EXPECT_EQ(view->header().timestamp_us, 0x1234);
  EXPECT_EQ(view->Items()->items(0).trim().first_seq(), 3u);
  std::vector<std::string> records;
  view->ForEachRecord([&](uint32_t offset, std::string_view record) {
    EXPECT_EQ(offset, records.size());
    records.emplace_back(record);
  });
  EXPECT_EQ(records, (std::vector<std::string>{"abc", std::string(200, 'x')}));
  const uint64_t seed = ChainSeed(GroupId(7));
  EXPECT_EQ(view->ComputeChain(seed), view->header().chain);
  EXPECT_EQ(view->ChainAfter(seed, 0), ChainNext(seed, "abc"));
  EXPECT_EQ(view->ChainAfter(seed, 1), view->header().chain);
  EXPECT_EQ(Hex(view->RecordsRegion(0, 1)), "2203616263");
  EXPECT_EQ(view->RecordsRegion(1, 1).size(), 203u);
  EXPECT_EQ(view->RecordsRegion(1, 0).size(), 0u);
}

TEST(EntryCodecTest, ARegionIsTakenAsItIs) {
  std::string region;
  AppendRecordTo(region, "one");
  AppendRecordTo(region, "");
  ASSERT_EQ(*CheckRecords(region), 2u);
  EntryBuilder copied(Seq(0), 9, 1);
  EXPECT_EQ(copied.AddRecordsRegion(region, 2), 0u);
  EntryBuilder one_by_one(Seq(0), 9, 1);
  one_by_one.AddRecord("one");
  one_by_one.AddRecord("");
  EXPECT_EQ(copied.last_seq(), Seq(2));
  EXPECT_EQ(copied.Finish().view(), one_by_one.Finish().view());
}

TEST(EntryCodecTest, RefusesWhatIsNoEntry) {
  const std::string payload = SamplePayload();
  for (size_t bytes = 0; bytes < payload.size(); ++bytes) {
    EXPECT_FALSE(EntryView::Parse(payload.substr(0, bytes)).ok()) << bytes;
  }
  struct Case {
    const char* name;
    size_t offset;
    char byte;
  };
  for (const Case c : {Case{"version", 0, 2},
                       {"reserved", 1, 1},
                       {"count", 4, 3},
                       {"first_seq", 8, 0},
                       {"items_bytes", 34, 1},
                       {"reserved at the end", 39, 1},
                       {"record tag", 46, 0x2a},
                       {"record length", 47, 4}}) {
    std::string damaged = payload;
    damaged[c.offset] = c.byte;
    EXPECT_TRUE(absl::IsDataLoss(EntryView::Parse(damaged).status())) << c.name;
  }
}

TEST(EntryCodecTest, LengthsHaveOneSpelling) {
  for (const std::string_view region :
       {std::string_view("\x22\x80\x00", 3), std::string_view("\x22\x81\x00x", 4),
        std::string_view("\x22\xff\xff\xff\xff\xff\x01", 7), std::string_view("\x22", 1),
        std::string_view("\x22\x01", 2), std::string_view("\x22\xff\xff\xff\xff\x0fx", 7)}) {
    EXPECT_TRUE(absl::IsDataLoss(CheckRecords(region).status())) << Hex(region);
  }
  EXPECT_EQ(*CheckRecords(""), 0u);
  EXPECT_EQ(*CheckRecords(std::string_view("\x22\x00", 2)), 1u);
}

}  // namespace
}  // namespace cairn::storage
