#include "adapter/memcache/effects.h"

#include <fmt/format.h>

#include <utility>

#include "adapter/memcache/line_text.h"
#include "adapter/memcache/passed_line.h"
#include "adapter/memcache/reply_text.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

Decision Answer(std::string reply) { return {.reply = std::move(reply)}; }

// Without the copy of a value that an initializer list would make.
std::vector<Effect> One(Effect effect) {
  std::vector<Effect> effects;
  effects.push_back(std::move(effect));
  return effects;
}

std::string Key(const Request& request) { return std::string(request.key()); }

// What the client takes for the version that it wants to meet: 0 or nullopt, none.
std::optional<uint64_t> WantedToken(const Request& request) {
  if (request.verb == Verb::kCas) return request.cas_token;
  return request.meta.cas;
}

bool WantsCas(const Request& request) {
  bool wants = false;
  ForEachFlag(request.meta.text, [&](std::string_view flag) { wants |= flag[0] == 'c'; });
  return wants;
}

// Guards a command by the version that the decision was made by, if it is still known.
std::string Guard(const EngineItem& item) {
  return item.cas == 0 || item.took_token ? "" : fmt::format(" C{}", item.cas);
}

// An item that is gone as soon as it is there is a deletion.
Effect StoreOrDelete(const Request& request, Item item, UnixSeconds now) {
  if (HasExpired(item.expires_at, now)) return DeleteEffect{Key(request), request.binary};
  return StoreEffect{Key(request), request.binary, std::move(item)};
}

Effect TouchOrDelete(std::string_view key, bool binary, UnixSeconds expires_at, UnixSeconds now) {
  if (HasExpired(expires_at, now)) return DeleteEffect{std::string(key), binary};
  return TouchEffect{std::string(key), binary, expires_at};
}

EngineCommand MetaCommand(const Request& request, std::string_view verb, std::string_view more,
                          std::optional<std::string_view> value = std::nullopt) {
  const auto bytes = value ? std::optional<size_t>(value->size()) : std::nullopt;
  std::string line = MetaLine(verb, request.key(), request.binary, bytes);
  line += more;
  if (verb != "md" && WantsCas(request)) line += " c";
  return {.line = std::move(line), .value = value, .versions = true};
}

// Stores an outcome as it is, in place of the command that would build on the engine's item.
// The value gets copied: `item` will be the log's.
EngineCommand StoreAnew(const Request& request, const Item& item, UnixSeconds now) {
  EngineCommand command = StoreCommand(request.key(), request.binary, item, now);
  command.own_value = item.value;
  command.value.reset();
  if (WantsCas(request)) command.line += " c";
  return command;
}

// memcached makes a new item where one grows, and forgets that its key came in base64: to `mg … k`
// it answers the bare bytes from then on, ends of lines among them. Such a key is stored anew.
bool MayBuildOnItem(const Request& request) { return !request.binary; }

Decision Delete(const Request& request) {
  EngineCommand command{.line = MetaLine("md", request.key(), request.binary)};
  return {.effects = One(DeleteEffect{Key(request), request.binary}),
          .engine = std::move(command),
          .form = ReplyForm::kDeleted};
}

Decision RefuseTooLarge(const Request& request) {
  Decision decision = Delete(request);
  decision.form = ReplyForm::kFixed;
  decision.reply = Say(request, "SERVER_ERROR object too large for cache");
  return decision;
}

Decision Store(const Request& request, UnixSeconds now) {
  const int32_t exptime = request.meta_command() ? request.meta.ttl.value_or(0) : request.exptime;
  const UnixSeconds expires_at = ExpiresAt(exptime, now);
  std::string flags;
  if (request.client_flags != 0) flags += fmt::format(" F{}", request.client_flags);
  if (expires_at != 0) flags += " T" + ExptimeText(expires_at, now);
  Item item{std::string(request.value), request.client_flags, expires_at};
  return {.effects = One(StoreOrDelete(request, std::move(item), now)),
          .engine = MetaCommand(request, "ms", flags, request.value),
          .form = ReplyForm::kStored};
}

// A value for an item that was invalidated since: it may be served for the time being, but only
// where the engine knows that it is stale. Any number below the item's says so.
Decision StoreStale(const Request& request, const EngineItem& item) {
  std::string flags = fmt::format(" C{} I", item.cas - 1);
  if (request.client_flags != 0) flags += fmt::format(" F{}", request.client_flags);
  return {.effects = One(DeleteEffect{Key(request), request.binary}),
          .engine = MetaCommand(request, "ms", flags, request.value),
          .form = ReplyForm::kStored};
}

Decision StoreIfSame(const Request& request, const std::optional<EngineItem>& item,
                     const DecisionRules& rules) {
  if (!item) return Answer(StoreStatus(request, "NF"));
  const uint64_t token = WantedToken(request).value_or(0);
  if (rules.tokens.Matches(token, item->cas)) return Store(request, rules.clock.now);
  if (request.meta.invalidate && rules.tokens.IsOlder(token, item->cas)) {
    return StoreStale(request, *item);
  }
  return Answer(StoreStatus(request, "EX"));
}

Decision Extend(const Request& request, const std::optional<EngineItem>& item,
                const DecisionRules& rules) {
  if (!item) return Answer(StoreStatus(request, "NS"));
  const uint64_t token = WantedToken(request).value_or(0);
  if (token != 0 && !rules.tokens.Matches(token, item->cas)) {
    return Answer(StoreStatus(request, "EX"));
  }
  const size_t bytes = item->value.size() + request.value.size();
  if (!rules.item_size.Fits(request.key().size(), item->client_flags, bytes)) {
    return Answer(StoreStatus(request, "NS"));
  }
  const bool append = request.mode == StoreMode::kAppend;
  Item outcome{.client_flags = item->client_flags, .expires_at = item->expires_at};
  outcome.value.reserve(bytes);
  outcome.value.append(append ? std::string_view(item->value) : request.value);
  outcome.value.append(append ? request.value : std::string_view(item->value));
  Decision decision{.form = ReplyForm::kStored, .builds_on_item = MayBuildOnItem(request)};
  const std::string flags = fmt::format(" M{}{}", append ? 'A' : 'P', Guard(*item));
  decision.engine = decision.builds_on_item ? MetaCommand(request, "ms", flags, request.value)
                                            : StoreAnew(request, outcome, rules.clock.now);
  decision.effects = One(StoreEffect{Key(request), request.binary, std::move(outcome)});
  return decision;
}

Decision DecideStore(const Request& request, const std::optional<EngineItem>& item,
                     const DecisionRules& rules) {
  if (request.too_large) return RefuseTooLarge(request);
  switch (request.mode) {
    case StoreMode::kAdd:
      if (item) return Answer(StoreStatus(request, "NS"));
      break;
    case StoreMode::kReplace:
      if (!item) return Answer(StoreStatus(request, "NS"));
      break;
    case StoreMode::kCas:
      return StoreIfSame(request, item, rules);
    case StoreMode::kAppend:
    case StoreMode::kPrepend:
      return Extend(request, item, rules);
    case StoreMode::kSet:
      break;
  }
  return Store(request, rules.clock.now);
}

// The flag N of ma, on a miss.
Decision CreateNumber(const Request& request, UnixSeconds now) {
  std::string number = std::to_string(request.meta.initial);
  Item item{number, 0, NumberExpiry(request, 0, /*created=*/true, now)};
  EngineCommand command = StoreAnew(request, item, now);
  return {.effects = One(StoreOrDelete(request, std::move(item), now)),
          .engine = std::move(command),
          .form = ReplyForm::kNumber,
          .number = std::move(number),
          .created = true};
}

// How memcached counts: 64 bits; up they wrap, down they stop at 0.
uint64_t Count(uint64_t number, uint64_t delta, bool down) {
  if (!down) return number + delta;
  return delta > number ? 0 : number - delta;
}

// A number that still fits is written over the old one, and blanks over what is left of that. One
// that does not is a new item, which the flag T misses: memcached 1.6.18 gives the time to the old
// one, that is gone by then.
Item NewNumberItem(const Request& request, const EngineItem& item, std::string digits,
                   UnixSeconds now) {
  if (digits.size() > item.value.size()) {
    return {std::move(digits), item.client_flags, item.expires_at};
  }
  digits.resize(item.value.size(), ' ');
  return {std::move(digits), item.client_flags,
          NumberExpiry(request, item.expires_at, /*created=*/false, now)};
}

// memcached pads only an item that nothing else holds at the moment, its own background work
// included, and else makes a new one. Where blanks are due they are stored as they are logged; but
// not if the item keeps a time to live, which must not move with each step of a counter.
bool MustStoreNumber(const EngineItem& item, const Item& outcome, std::string_view digits) {
  const bool pads = outcome.value.size() > digits.size();
  const bool keeps_time = outcome.expires_at != 0 && outcome.expires_at == item.expires_at;
  return pads && !keeps_time && !item.stale;
}

Decision ChangeNumber(const Request& request, const EngineItem& item, uint64_t number, bool down,
                      uint64_t delta, UnixSeconds now) {
  std::string digits = std::to_string(Count(number, delta, down));
  const bool in_place = digits.size() <= item.value.size();
  Item outcome = NewNumberItem(request, item, digits, now);
  const bool builds = MayBuildOnItem(request) && !MustStoreNumber(item, outcome, digits);
  std::string flags = fmt::format(" D{}{}{}", delta, down ? " MD" : "", Guard(item));
  if (request.meta.ttl && in_place) flags += " T" + ExptimeText(outcome.expires_at, now);
  Decision decision{
      .engine = builds ? MetaCommand(request, "ma", flags) : StoreAnew(request, outcome, now),
      .form = ReplyForm::kNumber,
      .number = std::move(digits),
      .number_expires_at = item.expires_at,
      .builds_on_item = builds};
  // In place an invalidated item stays one.
  decision.effects =
      One(in_place && item.stale && builds ? Effect(DeleteEffect{Key(request), request.binary})
                                           : StoreOrDelete(request, std::move(outcome), now));
  return decision;
}

Decision DecideNumber(const Request& request, const std::optional<EngineItem>& item,
                      const DecisionRules& rules) {
  const bool meta = request.meta_command();
  if (!item && meta && request.meta.vivify_ttl) return CreateNumber(request, rules.clock.now);
  if (!item) return Answer(NumberStatus(request, "NF"));
  const std::string wrong =
      Say(request, "CLIENT_ERROR cannot increment or decrement non-numeric value");
  const bool chunked =
      rules.item_size.Chunked(request.key().size(), item->client_flags, item->value.size());
  if (item->value.empty() || chunked) return Answer(wrong);
  const uint64_t token = request.meta.cas.value_or(0);
  if (token != 0 && !rules.tokens.Matches(token, item->cas)) {
    return Answer(NumberStatus(request, "EX"));
  }
  const std::optional<uint64_t> number = ReadUnsigned64(item->value);
  if (!number) return Answer(wrong);
  const bool down = meta ? request.meta.decrement : request.verb == Verb::kDecr;
  const uint64_t delta = meta ? request.meta.delta : request.delta;
  return ChangeNumber(request, *item, *number, down, delta, rules.clock.now);
}

Decision DecideDelete(const Request& request, const std::optional<EngineItem>& item,
                      const DecisionRules& rules) {
  if (request.meta.cas) {
    if (!item) return Answer(DeleteStatus(request, "NF"));
    if (!rules.tokens.Matches(*request.meta.cas, item->cas)) {
      return Answer(DeleteStatus(request, "EX"));
    }
  }
  Decision decision = Delete(request);
  if (!request.meta.invalidate) return decision;
  const UnixSeconds now = rules.clock.now;
  decision.engine->line += " I";
  decision.engine->versions = true;
  if (request.meta.ttl) {
    decision.engine->line += " T" + ExptimeText(ExpiresAt(*request.meta.ttl, now), now);
  }
  return decision;
}

Decision DecideTouch(const Request& request, UnixSeconds now) {
  const UnixSeconds expires_at = ExpiresAt(request.exptime, now);
  EngineCommand command{
      .line = fmt::format("touch {} {}", request.key(), ExptimeText(expires_at, now)),
      .reply = ReplyKind::kLine};
  return {.effects = One(TouchOrDelete(request.key(), request.binary, expires_at, now)),
          .engine = std::move(command),
          .form = ReplyForm::kEngine};
}

Decision DecideGetAndTouch(const Request& request, UnixSeconds now) {
  const UnixSeconds expires_at = ExpiresAt(request.exptime, now);
  Decision decision{.form = ReplyForm::kEngine};
  std::string line = fmt::format("{} {}", request.verb == Verb::kGat ? "gat" : "gats",
                                 ExptimeText(expires_at, now));
  for (const std::string_view key : request.keys) {
    decision.effects.push_back(TouchOrDelete(key, /*binary=*/false, expires_at, now));
    line += fmt::format(" {}", key);
  }
  decision.engine = {.line = std::move(line), .reply = ReplyKind::kValues};
  return decision;
}

Decision DecideMetaGet(const Request& request, UnixSeconds now) {
  Decision decision{.engine = EngineCommand{.line = MetaGetLine(request, now)},
                    .form = ReplyForm::kEngine};
  if (request.meta.ttl) {
    const UnixSeconds expires_at = ExpiresAt(*request.meta.ttl, now);
    decision.effects = One(TouchOrDelete(request.key(), request.binary, expires_at, now));
  }
  return decision;
}

Decision DecideFlush(const Request& request, const EngineClock& clock) {
  const UnixSeconds due_at = request.delayed ? FlushDueAt(request.exptime, clock) : clock.now;
  if (due_at == 0 || due_at > clock.now) {
    return {.effects = {FlushAtEffect{due_at}}, .reply = Say(request, "OK")};
  }
  // As memcached has one time for it, a flush now takes back one that was due later.
  return {.effects = {FlushEffect{}, FlushAtEffect{}},
          .engine = EngineCommand{.line = "flush_all", .reply = ReplyKind::kLine},
          .form = ReplyForm::kEngine};
}

}  // namespace

Facts NeededFacts(const Request& request) {
  switch (request.verb) {
    case Verb::kIncr:
    case Verb::kDecr:
    case Verb::kMetaArithmetic:
      return Facts::kItem;
    case Verb::kMetaDelete:
      return request.meta.cas ? Facts::kVersion : Facts::kNothing;
    case Verb::kSet:
    case Verb::kAdd:
    case Verb::kReplace:
    case Verb::kAppend:
    case Verb::kPrepend:
    case Verb::kCas:
    case Verb::kMetaSet:
      break;
    default:
      return Facts::kNothing;
  }
  if (request.too_large || request.mode == StoreMode::kSet) return Facts::kNothing;
  const bool extends = request.mode == StoreMode::kAppend || request.mode == StoreMode::kPrepend;
  return extends ? Facts::kItem : Facts::kVersion;
}

Decision Decide(const Request& request, const std::optional<EngineItem>& item,
                const DecisionRules& rules) {
  switch (request.verb) {
    case Verb::kSet:
    case Verb::kAdd:
    case Verb::kReplace:
    case Verb::kAppend:
    case Verb::kPrepend:
    case Verb::kCas:
    case Verb::kMetaSet:
      return DecideStore(request, item, rules);
    case Verb::kIncr:
    case Verb::kDecr:
    case Verb::kMetaArithmetic:
      return DecideNumber(request, item, rules);
    case Verb::kDelete:
    case Verb::kMetaDelete:
      return DecideDelete(request, item, rules);
    case Verb::kTouch:
      return DecideTouch(request, rules.clock.now);
    case Verb::kGat:
    case Verb::kGats:
      return DecideGetAndTouch(request, rules.clock.now);
    case Verb::kMetaGet:
      return DecideMetaGet(request, rules.clock.now);
    case Verb::kFlushAll:
      return DecideFlush(request, rules.clock);
    default:
      CHECK_UNREACHABLE();
  }
}

}  // namespace cairn::adapter::memcache
