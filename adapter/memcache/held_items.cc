#include "adapter/memcache/held_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "adapter/memcache/line_text.h"
#include "adapter/memcache/reply_text.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kEnd = "END\r\n";

// "VALUE KEY FLAGS BYTES[ CAS]", its value, and the line ends of both.
void AppendValue(std::string_view key, const HeldItem& held, std::optional<uint64_t> token,
                 std::string* out) {
  const Item& item = held.item;
  fmt::format_to(std::back_inserter(*out), "VALUE {} {} {}", key, item.client_flags,
                 item.value.size());
  if (token) fmt::format_to(std::back_inserter(*out), " {}", *token);
  out->append(kLineEnd).append(item.value).append(kLineEnd);
}

// The first item of `rest`, which moves on behind it, if it is that of `key`.
std::optional<std::string_view> TakeValue(std::string_view key, std::string_view* rest) {
  const size_t line_end = rest->find(kLineEnd);
  if (!rest->starts_with("VALUE ") || line_end == std::string_view::npos) return std::nullopt;
  const Words words = SplitWords(rest->substr(0, line_end), 5);
  if (words.size() < 4 || words[1] != key) return std::nullopt;
  const size_t bytes = ReadUnsigned64(words[3]).value_or(0);
  const std::string_view value = rest->substr(0, line_end + bytes + 2 * kLineEnd.size());
  rest->remove_prefix(value.size());
  return value;
}

// A reply to the verbs of `get`: items in the order of the keys, then END.
std::string MergeValues(const Request& request, const HeldItems& held, std::string reply,
                        const CasTokens& tokens) {
  if (!reply.ends_with(kEnd)) return reply;  // An error.
  const bool with_cas = request.verb == Verb::kGets || request.verb == Verb::kGats;
  std::string merged;
  std::string_view rest = reply;
  for (size_t i = 0; i < request.keys.size(); ++i) {
    const std::string_view key = request.keys[i];
    if (const auto value = TakeValue(key, &rest)) {
      merged.append(*value);
    } else if (held[i]) {
      const auto token = with_cas ? std::optional(tokens.ToClient(held[i]->cas)) : std::nullopt;
      AppendValue(key, *held[i], token, &merged);
    }
  }
  return merged.append(rest);
}

}  // namespace

EngineItem AsEngineItem(const HeldItem& held) {
  EngineItem item;
  item.value = held.item.value;
  item.client_flags = held.item.client_flags;
  item.expires_at = held.item.expires_at;
  if (held.cas != CasTokens::kUnnumbered) item.cas = held.cas;
  return item;
}

std::string ReplyWithHeld(const Request& request, const HeldItems& held,
                          std::string_view engine_reply, std::string client_reply,
                          const DecisionRules& rules) {
  const auto there = [](const std::optional<HeldItem>& item) { return item.has_value(); };
  if (std::none_of(held.begin(), held.end(), there)) return client_reply;
  switch (request.verb) {
    case Verb::kGet:
    case Verb::kGets:
    case Verb::kGat:
    case Verb::kGats:
      return MergeValues(request, held, std::move(client_reply), rules.tokens);
    case Verb::kMetaGet:
      if (!engine_reply.empty() && !engine_reply.starts_with("EN")) return client_reply;
      return MetaGetReply(request, held.front()->item, rules.tokens.ToClient(held.front()->cas),
                          rules.clock);
    case Verb::kTouch:
      if (!engine_reply.starts_with("NOT_FOUND")) return client_reply;
      return Say(request, "TOUCHED");
    case Verb::kDelete:
    case Verb::kMetaDelete:
      return engine_reply.starts_with("NF") ? DeleteStatus(request, "HD") : client_reply;
    default:
      return client_reply;
  }
}

}  // namespace cairn::adapter::memcache
