// What clients of memcached send the agent, what it makes of that, and what its engine answers.
//
// Properties: requests and answers to what is none are the same in whatever pieces the bytes come;
// views lie within the bytes; lines for the engine have one end, are as short as it takes them, and
// read as a request of the same kind; what changes keys names one; replies are found in the same
// places however they come; what is decided on an item is an outcome that an item can be.
#include <algorithm>
#include <vector>

#include "adapter/memcache/effects.h"
#include "adapter/memcache/passed_line.h"
#include "adapter/memcache/request_parser.h"
#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace adapter::memcache;  // NOLINT: one folder's types, all of them.

enum Form : uint8_t { kRequests, kReplies, kDecisions, kForms };

constexpr size_t kLongestEngineLine = 2048;
constexpr UnixSeconds kNow = 1'800'000'000;

std::string Joined(const Request& request) {
  std::string text = std::to_string(static_cast<int>(request.verb)) + " ";
  for (const std::string_view key : request.keys) text.append(key).append(" ");
  return text.append(request.line).append(" ").append(request.value);
}

// What a parser says of `inputs`, of which each comes behind what was left of the last.
std::vector<std::string> ParseRequests(const std::vector<std::string_view>& inputs) {
  std::vector<std::string> said;
  RequestParser parser({.item_size = {.item_size_max = 1024, .slab_chunk_max = 512}});
  std::string pending;
  for (const std::string_view input : inputs) {
    pending += input;
    while (true) {
      const RequestParser::Result result = parser.Parse(pending);
      CHECK_LE(result.consumed, pending.size());
      if (result.outcome == RequestParser::Outcome::kNeedMore) {
        pending.erase(0, result.consumed);
        if (result.consumed > 0 && !pending.empty()) continue;
        CHECK_GT(result.wanted, pending.size());
        break;
      }
      CHECK_GT(result.consumed, 0u);
      const bool request = result.outcome == RequestParser::Outcome::kRequest;
      CHECK(!request || Classify(result.request) != RequestClass::kKeyed ||
            !result.request.keys.empty());
      said.push_back(request ? Joined(result.request) : "! " + result.reply);
      if (result.close) return said;
      pending.erase(0, result.consumed);
    }
  }
  return said;
}

void CheckRequests(std::string_view bytes, size_t cut) {
  // A line of which so much has come may close by itself.
  if (bytes.size() > kLongestEngineLine) bytes = bytes.substr(0, kLongestEngineLine);
  const auto whole = ParseRequests({bytes});
  CHECK(whole == ParseRequests({bytes.substr(0, std::min(cut, bytes.size())),
                                bytes.substr(std::min(cut, bytes.size()))}));
}

struct Parsed {
  std::vector<std::string> replies;
  bool ok = true;
  bool operator==(const Parsed&) const = default;
};

Parsed ParseReplies(ReplyKind kind, const std::vector<std::string_view>& inputs) {
  Parsed parsed;
  ReplyParser parser;
  std::string pending;
  std::string reply;
  for (const std::string_view input : inputs) {
    pending += input;
    std::string_view rest = pending;
    while (!rest.empty()) {
      const auto piece = parser.Next(kind, &rest);
      parsed.ok = piece.ok();
      if (!piece.ok()) return parsed;
      if (!piece->has_value()) break;
      CHECK(!(*piece)->bytes.empty());
      reply += (*piece)->bytes;
      if (!(*piece)->ends) continue;
      CHECK(reply.ends_with("\r\n"));
      parsed.replies.push_back(reply);
      reply.clear();
    }
    pending.erase(0, pending.size() - rest.size());
  }
  return parsed;
}

void CheckReplies(std::string_view bytes, uint8_t number) {
  const auto kind = static_cast<ReplyKind>(number % 5);
  const size_t cut = bytes.empty() ? 0 : number % bytes.size();
  const Parsed whole = ParseReplies(kind, {bytes});
  CHECK(whole == ParseReplies(kind, {bytes.substr(0, cut), bytes.substr(cut)}));
  const CasTokens tokens(3, 1);
  for (const std::string& reply : whole.replies) {
    std::string out;
    tokens.AppendForClient(reply.substr(0, reply.find('\n') + 1), &out);
    CHECK(out.ends_with("\r\n"));
    const auto item = ReadAnswer(reply, kNow);
    if (item.ok() && *item) CHECK((*item)->value.size() < reply.size());
  }
}

// One line for an engine, and a value of the length that it says.
void CheckCommand(const EngineCommand& command) {
  CHECK(command.line.find('\n') == std::string::npos);
  CHECK(command.line.size() <= kLongestEngineLine + kMaxKeyBytes);
  std::string bytes;
  command.AppendTo(1, &bytes);
  CHECK_LE(bytes.size(), command.max_bytes());
  RequestParser parser;
  std::string without;
  command.AppendTo(std::nullopt, &without);
  const RequestParser::Result result = parser.Parse(without);
  CHECK(result.outcome == RequestParser::Outcome::kRequest);
  CHECK_EQ(result.consumed, without.size());
}

void CheckEffect(const Effect& effect) {
  if (const auto* const store = std::get_if<StoreEffect>(&effect)) {
    CHECK(!store->key.empty());
    CHECK_LE(store->key.size(), kMaxKeyBytes);
    CHECK(!HasExpired(store->item.expires_at, kNow));
    CHECK(
        ItemSizeRule().Fits(store->key.size(), store->item.client_flags, store->item.value.size()));
  }
}

// A value that is there, then one request.
void CheckDecisions(std::string_view bytes, uint8_t number) {
  Input input(bytes);
  EngineItem item{.value = std::string(input.Piece()), .cas = input.Number(1) + 1};
  item.stale = (number & 1) != 0;
  item.expires_at = (number & 2) != 0 ? kNow + 60 : 0;
  const std::string_view rest = input.Rest();
  const RequestParser::Result result = RequestParser().Parse(rest);
  if (result.outcome != RequestParser::Outcome::kRequest) return;
  const Request& request = result.request;
  const RequestClass kind = Classify(request);
  if (kind == RequestClass::kRead || kind == RequestClass::kEngine) {
    const std::string line = PlainLine(request);
    CHECK_EQ(line.find('\n'), line.size() - 1);
    CHECK(RequestParser().Parse(line).request.verb == request.verb);
  }
  if (kind != RequestClass::kKeyed && kind != RequestClass::kFlush) return;
  const DecisionRules rules{.clock = {.now = kNow, .started = kNow - 60},
                            .tokens = CasTokens(2, 1)};
  const auto there = (number & 4) != 0 ? std::optional<EngineItem>(item) : std::nullopt;
  const Decision decision = Decide(request, there, rules);
  for (const Effect& effect : decision.effects) CheckEffect(effect);
  if (decision.engine) CheckCommand(*decision.engine);
  CHECK(decision.engine || decision.form == ReplyForm::kFixed);
  if (decision.form == ReplyForm::kEngine) return;
  for (const std::string_view reply : {"HD c7\r\n", "NF\r\n", "SERVER_ERROR x\r\n"}) {
    const std::string told = ClientReply(request, decision, reply, rules);
    CHECK(told.empty() || told.ends_with("\r\n"));
  }
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const Form form = static_cast<Form>(input.Byte() % kForms);
  const uint8_t number = input.Byte();
  const std::string_view text = input.Rest();
  switch (form) {
    case kRequests:
      return CheckRequests(text, number);
    case kReplies:
      return CheckReplies(text, number);
    default:
      return CheckDecisions(text, number);
  }
}

std::string Of(Form form, uint8_t number, const std::string& text) {
  return Number(form, 1) + Number(number, 1) + text;
}

std::string On(uint8_t number, const std::string& value, const std::string& request) {
  return Of(kDecisions, number, Piece(value) + Number(9, 1) + request);
}

std::vector<Seed> Seeds() {
  return {
      {"classic", Of(kRequests, 9, "get a b\r\nset k 1 100 2 noreply\r\nab\r\nincr k 1\r\n")},
      {"meta",
       Of(kRequests, 12, "mg Zm9v b v k O1 q\r\nms k 2 T30 F1 C5 MA\r\nab\r\nma k N0 J5\r\n")},
      {"too-large", Of(kRequests, 20, "set k 0 0 1000\r\n" + std::string(1002, 'v') + "mn\r\n")},
      {"wrong", Of(kRequests, 3, "x\r\nget\nset k 0 0 1\r\nabc\r\nGET / HTTP/1.1\r\n")},
      {"values", Of(kReplies, 1, "VALUE k 1 2 3\r\nab\r\nEND\r\nEND\r\n")},
      {"meta-replies", Of(kReplies, 2, "VA 2 t-1 f0 c3\r\nab\r\nHD c5\r\nEN\r\nME k cas=3\r\n")},
      {"meta-group", Of(kReplies, 3, "HD k\r\nVA 1\r\nx\r\nMN\r\n")},
      {"stats", Of(kReplies, 4, "STAT a 1\r\nEND\r\nRESET\r\n")},
      {"append", On(6, "abc", "append k 0 0 1\r\nx\r\n")},
      {"incr", On(7, "10 ", "ma k MD D5 T30 v c t\r\n")},
      {"create", On(0, "", "ma Zm9v b N60 J10 v c\r\n")},
      {"stale", On(5, "x", "ms k 1 I C4611826755915743233\r\ny\r\n")},
      {"touch", On(4, "x", "gat 100 a b\r\n")},
      {"flush", On(0, "", "flush_all 100\r\n")},
      {"vivify", On(0, "", "mg k N30 T60 O1 v\r\n")},
  };
}

const Registered registered({.name = "memcache", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
