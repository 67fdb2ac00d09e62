// Tables, views as text and as JSON, and records in each format.
#include "cli/view.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/record_printer.h"
#include "cli/table.h"

namespace cairn::cli {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"NAME"}, {"COUNT", Align::kRight}, {"NOTE"}});
  table.AddRow({"a", "1", "x"});
  table.AddRow({"grün", "12345678", ""});  // Five bytes, four columns.
  EXPECT_EQ(table.ToText(false),
            "NAME     COUNT  NOTE\n"
            "a            1  x\n"
            "grün  12345678\n");
  EXPECT_EQ(table.ToText(true).substr(0, 4), "\x1b[1m");
}

struct RowView {
  Seq seq;
  LogTime timestamp_us;
  template <class F>
  void Fields(F&& field) const {
    field("seq", seq);
    field("timestamp_us", timestamp_us);
  }
};

struct SampleView {
  std::string name;
  bool open = true;
  ByteCount size_bytes{1536};
  DurationMs ttl_ms{1500};
  Hash chain{255};
  std::optional<double> ratio;
  std::vector<NodeId> nodes;
  std::vector<RowView> rows;
  template <class F>
  void Fields(F&& field) const {
    field("name", name);
    field("open", open);
    field("size_bytes", size_bytes);
    field("ttl_ms", ttl_ms);
    field("chain", chain);
    field("ratio", ratio);
    field("nodes", nodes);
    field("rows", rows);
  }
};

SampleView Sample() {
  SampleView view;
  view.name = "x";
  view.nodes = {NodeId{1}, NodeId{3}};
  view.rows = {{Seq{7}, {0}}, {Seq{8}, {1'500'000}}};
  return view;
}

TEST(ViewTest, TextCarriesTheUnitsInTheValues) {
  EXPECT_EQ(ToText(Sample(), false),
            "name        x\n"
            "open        yes\n"
            "size_bytes  1.5 KiB\n"
            "ttl         1.5s\n"
            "chain       00000000000000ff\n"
            "ratio       -\n"
            "nodes       1,3\n"
            "\n"
            "rows:\n"
            "SEQ  TIMESTAMP\n"
            "  7  -\n"
            "  8  1970-01-01T00:00:01.500000Z\n");
}

TEST(ViewTest, JsonCarriesPlainNumbersAndHexHashes) {
  EXPECT_EQ(DumpJson(ToJson(Sample())),
            R"({"name":"x","open":true,"size_bytes":1536,"ttl_ms":1500,)"
            R"("chain":"00000000000000ff","ratio":null,"nodes":[1,3],)"
            R"("rows":[{"seq":7,"timestamp_us":0},{"seq":8,"timestamp_us":1500000}]})");
}

Record DataRecord(uint64_t seq, std::string payload) {
  Record record;
  record.seq = Seq{seq};
  record.payload = std::move(payload);
  return record;
}

Record GrantRecord() {
  Record record;
  record.seq = Seq{5};
  record.kind = RecordKind::kLeaseAcquired;
  record.lease = LeaseEvent{.name = "primary", .holder = "n1", .ttl_ms = 10'000, .ended_epoch = {}};
  return record;
}

// What a printer of that format writes for `records`.
std::string Printed(Format format, const std::vector<Record>& records) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const file = open_memstream(&text, &size);
  Output out(format, file, stderr, false);
  RecordPrinter printer(out);
  for (const Record& record : records) printer.Print(record);
  std::fclose(file);
  std::string printed(text, size);
  std::free(text);
  return printed;
}

TEST(RecordPrinterTest, EachFormat) {
  const std::vector<Record> records = {DataRecord(4, "a\nb"), GrantRecord(),
                                       DataRecord(6, std::string("\xff\0", 2))};
  EXPECT_EQ(Printed(Format::kRaw, records), std::string("a\nb\xff\0", 5));
  EXPECT_EQ(Printed(Format::kLengthPrefixed, records),
            std::string("\0\0\0\3a\nb\0\0\0\2\xff\0", 13));
  EXPECT_EQ(Printed(Format::kJson, records),
            R"({"seq":4,"timestamp_us":0,"kind":"data","payload":"a\nb"})"
            "\n"
            R"({"seq":5,"timestamp_us":0,"kind":"lease_acquired","lease":{"name":"primary",)"
            R"("holder":"n1","ttl_ms":10000,"ended_epoch":0}})"
            "\n"
            R"({"seq":6,"timestamp_us":0,"kind":"data","payload_base64":"/wA="})"
            "\n");
  EXPECT_EQ(DescribeEvent(GrantRecord()), "lease primary acquired by n1, epoch 5 for 10s");
}

TEST(RecordPrinterTest, HexShowsSixteenBytesALine) {
  EXPECT_EQ(HexDump("0123456789abcdef\n"),
            "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
            "00000010  0a                                               |.|\n");
}

TEST(RecordPrinterTest, Base64PadsAndUtf8IsJudgedStrictly) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("a"), "YQ==");
  EXPECT_EQ(Base64("ab"), "YWI=");
  EXPECT_EQ(Base64("abc"), "YWJj");
  EXPECT_TRUE(IsUtf8("grün €"));
  for (const char* bytes : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bytes)) << HexDump(bytes);
  }
}

}  // namespace
}  // namespace cairn::cli
