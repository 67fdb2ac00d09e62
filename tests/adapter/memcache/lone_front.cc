#include "tests/adapter/memcache/lone_front.h"

#include "adapter/memcache/passed_line.h"
#include "base/check.h"
#include "base/overloaded.h"

namespace cairn::adapter::memcache {

LoneFront::LoneFront(Memcached* engine, const CasTokens& tokens)
    : engine_(engine->Connect()), rules_{.tokens = tokens} {}

std::string LoneFront::Feed(std::string_view bytes) {
  input_ += bytes;
  std::string out;
  while (!closed_) {
    RequestParser::Result parsed = parser_.Parse(input_);
    CHECK_LE(parsed.consumed, input_.size());
    if (parsed.outcome == RequestParser::Outcome::kNeedMore) {
      input_.erase(0, parsed.consumed);
      if (parsed.consumed > 0 && !input_.empty()) continue;
      CHECK_GT(parsed.wanted, input_.size());
      break;
    }
    out +=
        parsed.outcome == RequestParser::Outcome::kRejected ? parsed.reply : Serve(parsed.request);
    closed_ = closed_ || parsed.close;
    input_.erase(0, parsed.consumed);
  }
  CHECK(engine_->quiet());
  return out;
}

std::string LoneFront::Serve(const Request& request) {
  switch (Classify(request)) {
    case RequestClass::kRead:
    case RequestClass::kEngine:
      return Pass(request);
    case RequestClass::kKeyed:
    case RequestClass::kFlush:
      return Change(request);
    case RequestClass::kAgent:
      break;
  }
  closed_ = request.verb == Verb::kQuit;
  return closed_ ? "" : AgentReply(request);
}

std::string LoneFront::Pass(const Request& request) {
  engine_->Send(PlainLine(request));
  const std::string reply = engine_->ReadReply(ReplyKindOf(request));
  std::string out;
  std::string_view rest = reply;
  for (ReplyParser parser; !rest.empty();) {
    const ReplyPiece piece = **parser.Next(ReplyKindOf(request), &rest);
    if (piece.line) {
      AppendPassedLine(request, rules_.tokens, piece.bytes, &out);
    } else {
      out += piece.bytes;
    }
  }
  return out;
}

std::string LoneFront::Change(const Request& client_request) {
  // Without a key it would stand in nobody's queue (key_order.h).
  CHECK(Classify(client_request) == RequestClass::kFlush || !client_request.keys.empty());
  const OwnedRequest owned(client_request, input_);  // As it would come out of a queue.
  engine_->Send("stats\r\n");
  rules_.clock = *ReadClock(engine_->ReadReply(ReplyKind::kStats));
  const Request& request = *owned;
  const Facts facts = NeededFacts(request);
  const std::optional<EngineItem> item =
      facts == Facts::kNothing ? std::nullopt : Ask(request, facts);
  const Decision decision = Decide(request, item, rules_);
  for (const Effect& effect : decision.effects) Fold(effect);
  if (!decision.engine) return ClientReply(request, decision, "", rules_);
  const std::string reply = Command(*decision.engine);
  CHECK(!LostItem(decision, reply));  // Nothing is evicted here.
  return ClientReply(request, decision, reply, rules_);
}

std::optional<EngineItem> LoneFront::Ask(const Request& request, Facts facts) {
  std::string question;
  AppendQuestion(request, facts, &question);
  engine_->Send(question);
  const auto item = ReadAnswer(engine_->ReadReply(ReplyKind::kMeta), rules_.clock.now);
  CHECK(item.ok());
  if (*item && (*item)->took_token) {
    engine_->Send(RepairCommand(request));
    CHECK_EQ(engine_->ReadReply(ReplyKind::kMeta), "HD\r\n");
  }
  return *item;
}

std::string LoneFront::Command(const EngineCommand& command) {
  std::string bytes;
  command.AppendTo(std::nullopt, &bytes);
  engine_->Send(bytes);
  return engine_->ReadReply(command.reply);
}

void LoneFront::Fold(const Effect& effect) {
  std::visit(Overloaded{[&](const StoreEffect& store) { items_[store.key] = store; },
                        [&](const DeleteEffect& gone) { items_.erase(gone.key); },
                        [&](const TouchEffect& touch) {
                          const auto it = items_.find(touch.key);
                          if (it != items_.end()) it->second.item.expires_at = touch.expires_at;
                        },
                        [&](const FlushEffect&) { items_.clear(); }, [&](const FlushAtEffect&) {}},
             effect);
}

}  // namespace cairn::adapter::memcache
