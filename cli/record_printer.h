// RecordPrinter: committed records as text, JSON lines, hex, Redis commands or bytes.
//
//   text             the payload and a newline; lease records as "# seq …" remarks
//   json             one object a line: seq, timestamp_us, kind, payload (or payload_base64
//                    when it is not UTF-8), metadata, lease
//   hex              a line of facts, then 16 bytes a line, as `hexdump -C` shows them
//   resp             one Redis command a line behind its record's seq and time
//   raw              the payloads and nothing else
//   length-prefixed  a 4-byte big-endian length, then the payload: what
//                    `append --length-prefixed` reads
//
// raw and length-prefixed carry data records only, so that what comes out is what was appended.
// Threads: not safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/types.h"
#include "cli/output.h"
#include "cli/resp_decoder.h"

namespace cairn::cli {

class RecordPrinter {
 public:
  explicit RecordPrinter(Output& out) : out_(out) {}

  void Print(const Record& record);
  void Print(const RecordBatch& batch);

  // Of data records, printed so far.
  [[nodiscard]] uint64_t records() const { return records_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  void PrintResp(const Record& record);

  Output& out_;
  RespDecoder resp_;
  std::string text_;  // Reused from record to record.
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

// The JSON object of one record.
Json RecordToJson(const Record& record);
// "lease primary acquired by n1 for 10s (epoch 5)"; empty for data.
std::string DescribeEvent(const Record& record);
// Lines of 16 bytes: offset, hex, printable characters.
std::string HexDump(std::string_view bytes);
std::string Base64(std::string_view bytes);
bool IsUtf8(std::string_view bytes);

}  // namespace cairn::cli
