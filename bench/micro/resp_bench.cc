// What the front of the agent pays for each command before it decides anything: parsing requests
// (adapter/redis/request_parser.h), judging them (command_table.h, with the file that COMMAND's
// reply was saved to), and finding the ends of replies (reply_scanner.h). Per second of one
// thread's processor time, over reads of 16 KiB of pipelined SETs and GETs with values of 128
// bytes, and over values of 1 MiB.
//
//   resp_bench [FILE]
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "adapter/redis/command_table.h"
#include "adapter/redis/reply_scanner.h"
#include "adapter/redis/request_parser.h"
#include "adapter/redis/resp_encoder.h"
#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kReadBytes = size_t{16} << 10;
constexpr double kSeconds = 1.0;

// Repeats `pass`, which returns how many things it has done, for a while.
template <class Pass>
void Measure(std::string_view what, size_t pass_bytes, Pass pass) {
  const std::clock_t start = std::clock();
  uint64_t things = 0;
  uint64_t passes = 0;
  double seconds = 0;
  while (seconds < kSeconds) {
    things += pass();
    ++passes;
    seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  fmt::print("{:<28} {:7.2f} M/s {:8.2f} GB/s\n", what, static_cast<double>(things) / seconds / 1e6,
             static_cast<double>(passes * pass_bytes) / seconds / 1e9);
}

uint64_t ParseAll(std::string_view bytes, const CommandTable* table, RequestParser& parser,
                  CommandPlan& plan) {
  uint64_t requests = 0;
  while (!bytes.empty()) {
    const std::span<char> room = parser.Prepare();
    const size_t taken = std::min({room.size(), kReadBytes, bytes.size()});
    std::copy_n(bytes.begin(), taken, room.begin());
    parser.Commit(taken);
    bytes.remove_prefix(taken);
    for (; parser.Next() == RequestParser::Outcome::kRequest; ++requests) {
      if (table != nullptr) table->Judge(parser.argv(), &plan);
    }
  }
  return requests;
}

uint64_t ScanAll(std::string_view bytes, ReplyScanner& scanner) {
  uint64_t replies = 0;
  while (!bytes.empty()) {
    std::string_view input = bytes.substr(0, kReadBytes);
    bytes.remove_prefix(input.size());
    while (!input.empty()) {
      const auto piece = scanner.Next(&input);
      CHECK(piece.ok());
      replies += piece->ends ? 1 : 0;
    }
  }
  return replies;
}

void Run(const std::optional<CommandTable>& table) {
  std::string requests;
  std::string replies;
  ReplyWriter writer(RespVersion::k2, &replies);
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = fmt::format("key:{:012}", i);
    AppendCommand({"SET", key, std::string(128, 'v')}, &requests);
    AppendCommand({"GET", key}, &requests);
    writer.Simple("OK");
    writer.Bulk(std::string(128, 'v'));
  }
  const std::string large = EncodeCommand({"SET", "k", std::string(size_t{1} << 20, 'v')});
  RequestParser parser;
  ReplyScanner scanner;
  CommandPlan plan;
  const auto parse = [&](std::string_view bytes, const CommandTable* by) {
    return [&, bytes, by] { return ParseAll(bytes, by, parser, plan); };
  };
  Measure("requests", requests.size(), parse(requests, nullptr));
  if (table) Measure("requests, judged", requests.size(), parse(requests, &*table));
  Measure("requests of 1 MiB", large.size(), parse(large, nullptr));
  Measure("replies", replies.size(), [&] { return ScanAll(replies, scanner); });
  Measure("replies of 1 MiB", large.size(), [&] { return ScanAll(large, scanner); });
}

}  // namespace
}  // namespace cairn::adapter::redis

int main(int argc, char** argv) {
  using cairn::adapter::redis::CommandTable;
  std::optional<CommandTable> table;
  if (argc > 1) {
    std::ifstream file(argv[1], std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    auto reply = cairn::adapter::redis::ReadRespValue(bytes);
    CHECK(reply.ok());
    auto built = CommandTable::FromReply(*reply);
    CHECK(built.ok());
    table = *std::move(built);
  }
  cairn::adapter::redis::Run(table);
  return 0;
}
