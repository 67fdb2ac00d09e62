// What the client is told of a decision, once the engine has done its part: the half of effects.h
// that looks back.
#include "adapter/memcache/effects.h"
#include "adapter/memcache/line_text.h"
#include "adapter/memcache/passed_line.h"
#include "adapter/memcache/reply_text.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

std::string_view CodeOf(std::string_view reply) { return reply.substr(0, 2); }

bool IsDone(std::string_view reply) { return CodeOf(reply) == "HD" || CodeOf(reply) == "VA"; }

bool IsMiss(std::string_view reply) {
  const std::string_view code = CodeOf(reply);
  return code == "NF" || code == "NS" || code == "EX" || code == "EN";
}

// The client's token of the item that a command has made, by the flag c of the engine's reply.
uint64_t TokenOf(std::string_view reply, const CasTokens& tokens) {
  const std::string_view line = reply.substr(0, reply.find("\r\n"));
  for (const std::string_view word : SplitWords(line, 8)) {
    if (word[0] == 'c') return tokens.ToClient(ReadUnsigned64(word.substr(1)).value_or(0));
  }
  return 0;
}

// An error of the engine's, which says what it is by itself.
std::string PassError(const Request& request, std::string_view reply) {
  return request.noreply ? std::string() : std::string(reply);
}

std::string PassReply(const Request& request, ReplyKind kind, std::string_view reply,
                      const CasTokens& tokens) {
  std::string out;
  ReplyParser parser;
  while (!reply.empty()) {
    const auto piece = parser.Next(kind, &reply);
    CHECK(piece.ok() && piece->has_value());  // It was parsed before.
    if ((*piece)->line) {
      AppendPassedLine(request, tokens, (*piece)->bytes, &out);
    } else {
      out.append((*piece)->bytes);
    }
  }
  return out;
}

std::string TellNumber(const Request& request, const Decision& decision, std::string_view reply,
                       const DecisionRules& rules) {
  const NewNumber number{.digits = decision.number,
                         .expires_at = decision.number_expires_at,
                         .created = decision.created,
                         .cas = TokenOf(reply, rules.tokens)};
  return NumberReply(request, number, rules.clock);
}

}  // namespace

bool LostItem(const Decision& decision, std::string_view engine_reply) {
  return decision.builds_on_item && IsMiss(engine_reply);
}

std::string ClientReply(const Request& request, const Decision& decision,
                        std::string_view engine_reply, const DecisionRules& rules) {
  if (decision.form == ReplyForm::kFixed) return decision.reply;
  if (decision.form == ReplyForm::kEngine) {
    return PassReply(request, decision.engine->reply, engine_reply, rules.tokens);
  }
  if (!IsDone(engine_reply) && !IsMiss(engine_reply)) return PassError(request, engine_reply);
  switch (decision.form) {
    case ReplyForm::kStored:
      return StoreStatus(request, CodeOf(engine_reply), TokenOf(engine_reply, rules.tokens));
    case ReplyForm::kDeleted:
      return DeleteStatus(request, CodeOf(engine_reply));
    default:
      return TellNumber(request, decision, engine_reply, rules);
  }
}

std::string AgentReply(const Request& request) {
  return Say(request, request.verb == Verb::kMetaNoop ? "MN" : "OK");
}

}  // namespace cairn::adapter::memcache
