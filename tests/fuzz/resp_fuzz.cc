// What clients and engines send to the agent (adapter/redis): requests, inline commands, replies,
// and the engine's answer to COMMAND with calls judged by it.
//
// The first byte picks the format, the second where the bytes are cut in two. Beyond "no crash":
// where the reads end makes no difference; what is forwarded of a request reads as the same
// request, and needs no second rewriting; the scanner of replies and the reader that builds them
// agree where both know the bytes; keys that are found are arguments.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "adapter/redis/command_table.h"
#include "adapter/redis/reply_scanner.h"
#include "adapter/redis/request_parser.h"
#include "adapter/redis/resp_encoder.h"
#include "adapter/redis/resp_value.h"
#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace adapter::redis;  // NOLINT: this file is about that folder alone.

enum Form : uint8_t { kRequests, kReplies, kCommands, kForms };

using Argv = std::vector<std::string>;

struct Parsed {
  std::vector<Argv> commands;
  std::string forwarded;
  std::string error;

  bool operator==(const Parsed&) const = default;
};

Parsed Parse(const std::vector<std::string_view>& inputs) {
  RequestParser parser;
  Parsed parsed;
  for (const std::string_view input : inputs) {
    parser.Feed(input);
    while (parser.Next() == RequestParser::Outcome::kRequest) {
      parsed.commands.emplace_back(parser.argv().begin(), parser.argv().end());
      parsed.forwarded += parser.TakeBytes();
    }
    parsed.error = parser.error();
  }
  return parsed;
}

void CheckRequests(std::string_view bytes, size_t cut) {
  const Parsed whole = Parse({bytes});
  CHECK(whole == Parse({bytes.substr(0, cut), bytes.substr(cut)}));
  const Parsed again = Parse({whole.forwarded});
  CHECK(again.commands == whole.commands);
  CHECK(again.forwarded == whole.forwarded && again.error.empty());
}

struct Scanned {
  std::vector<std::string> replies;
  std::vector<bool> nulls;
  std::string rest;
  bool ok = true;

  bool operator==(const Scanned&) const = default;
};

Scanned Scan(const std::vector<std::string_view>& inputs) {
  ReplyScanner scanner;
  Scanned scanned;
  for (std::string_view input : inputs) {
    while (!input.empty()) {
      const auto piece = scanner.Next(&input);
      if (!piece.ok()) {
        scanned.ok = false;
        scanned.rest.clear();  // How much of the wrong reply was handed on depends on the reads.
        return scanned;
      }
      CHECK(!piece->bytes.empty());
      CHECK_EQ(piece->begins, scanned.rest.empty());
      scanned.rest += piece->bytes;
      if (!piece->ends) continue;
      scanned.replies.push_back(std::move(scanned.rest));
      scanned.nulls.push_back(piece->null);
      scanned.rest.clear();
    }
  }
  return scanned;
}

void CheckReplies(std::string_view bytes, size_t cut) {
  const Scanned whole = Scan({bytes});
  CHECK(whole == Scan({bytes.substr(0, cut), bytes.substr(cut)}));
  for (size_t i = 0; i < whole.replies.size(); ++i) {
    const auto value = ReadRespValue(whole.replies[i]);
    if (value.ok() && value->type != ReplyType::kAttribute) {
      CHECK_EQ(value->null(), static_cast<bool>(whole.nulls[i]));
    }
    if (const auto offset = PrimaryOffset(whole.replies[i]); offset && value.ok()) {
      CHECK(value->items.size() == 3);
    }
  }
}

// A reply to COMMAND, then a request that is judged by it.
void CheckCommands(std::string_view bytes) {
  Input input(bytes);
  const auto reply = ReadRespValue(input.Piece());
  if (!reply.ok()) return;
  const auto table = CommandTable::FromReply(*reply);
  RequestParser parser;
  parser.Feed(input.Rest());
  CommandPlan plan;
  while (table.ok() && parser.Next() == RequestParser::Outcome::kRequest) {
    table->Judge(parser.argv(), &plan);
    for (const KeyRef& key : plan.keys)
      CHECK(key.argument > 0 && key.argument < parser.argv().size());
    if (plan.kind == CommandClass::kRefused && !plan.hang_up) {
      CHECK(CommandTable::RefusalText(parser.argv(), plan).starts_with("ERR "));
    }
    CHECK(plan.writes || plan.marks == MarkScope::kNothing);
  }
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const Form form = static_cast<Form>(input.Byte() % kForms);
  const uint8_t number = input.Byte();
  const std::string_view text = input.Rest();
  const size_t cut = text.empty() ? 0 : number % text.size();
  switch (form) {
    case kRequests:
      return CheckRequests(text, cut);
    case kReplies:
      return CheckReplies(text, cut);
    default:
      return CheckCommands(text);
  }
}

std::string Of(Form form, uint8_t number, const std::string& text) {
  return Number(form, 1) + Number(number, 1) + text;
}

// One command with a specification of keys, and a container.
std::string CommandReply(const std::string& begin, const std::string& find) {
  const std::string spec =
      "*6\r\n+flags\r\n*1\r\n+RW\r\n+begin_search\r\n" + begin + "+find_keys\r\n" + find;
  const std::string get =
      "*10\r\n$5\r\nzmpop\r\n:-4\r\n*2\r\n+write\r\n+movablekeys\r\n:0\r\n:0\r\n"
      ":0\r\n*0\r\n*0\r\n*1\r\n" +
      spec + "*0\r\n";
  const std::string set =
      "*10\r\n$10\r\nconfig|set\r\n:-4\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n"
      "*0\r\n*0\r\n";
  const std::string config =
      "*10\r\n$6\r\nconfig\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n"
      "*1\r\n" +
      set;
  return "*2\r\n" + get + config;
}

std::vector<Seed> Seeds() {
  const std::string by_index = "*4\r\n+type\r\n+index\r\n+spec\r\n*2\r\n+index\r\n:1\r\n";
  const std::string by_keyword =
      "*4\r\n+type\r\n+keyword\r\n+spec\r\n*4\r\n+keyword\r\n+STREAMS\r\n+startfrom\r\n:-2\r\n";
  const std::string by_number =
      "*4\r\n+type\r\n+keynum\r\n+spec\r\n*6\r\n+keynumidx\r\n:0\r\n+firstkey\r\n:1\r\n+keystep\r\n"
      ":1\r\n";
  const std::string range =
      "*4\r\n+type\r\n+range\r\n+spec\r\n*6\r\n+lastkey\r\n:-1\r\n+keystep\r\n:1\r\n+limit\r\n:"
      "2\r\n";
  const std::string calls =
      EncodeCommand({"zmpop", "2", "a", "b"}) + EncodeCommand({"ZMPOP", "streams", "a", "b", "1"}) +
      EncodeCommand({"config", "set", "save", "x"}) + EncodeCommand({"nosuch"});
  return {
      {"request", Of(kRequests, 9, EncodeCommand({"SET", "k", "a\r\nb"}) + "*0\r\n\r\n")},
      {"request-inline", Of(kRequests, 9, "SET 'k' \"\\x41 b\"\r\nGET k\n")},
      {"request-loose", Of(kRequests, 4, "*1\rX$4\rYPINGzz*-1\r\n*1\r\n$4\r\nPING\r\n")},
      {"request-wrong", Of(kRequests, 5, "*2\r\n$3\r\nGET\r\n:1\r\n")},
      {"reply-resp2",
       Of(kReplies, 9, "+OK\r\n-ERR x\r\n:1\r\n$3\r\nabc\r\n$-1\r\n*2\r\n*-1\r\n*0\r\n")},
      {"reply-resp3",
       Of(kReplies, 9,
          "%1\r\n+a\r\n~1\r\n#t\r\n>1\r\n=5\r\ntxt:x\r\n|1\r\n+a\r\n,1\r\n_\r\n(12\r\n"
          "!1\r\nx\r\n")},
      {"reply-role", Of(kReplies, 9, "*3\r\n$6\r\nmaster\r\n:1234\r\n*0\r\n")},
      {"command-number", Of(kCommands, 0, Piece(CommandReply(by_index, by_number)) + calls)},
      {"command-range", Of(kCommands, 0, Piece(CommandReply(by_keyword, range)) + calls)},
  };
}

const Registered registered({.name = "resp", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
