#include "adapter/memcache/reply_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "adapter/memcache/expiry.h"
#include "adapter/memcache/line_text.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kOpaqueTooLong = "CLIENT_ERROR opaque token too long\r\n";

void AppendFlag(char letter, std::string_view argument, std::string* line) {
  line->push_back(' ');
  line->push_back(letter);
  line->append(argument);
}

void AppendKey(const Request& request, std::string* line) {
  if (!request.binary) return AppendFlag('k', request.key(), line);
  AppendFlag('k', EncodeKey(request.key()), line);
  line->append(" b");
}

// The flags that all meta commands answer alike; false: it is none of them.
bool AppendCommonFlag(const Request& request, std::string_view flag, std::string* line) {
  if (flag[0] == 'O') {
    AppendFlag('O', flag.substr(1), line);
  } else if (flag[0] == 'k') {
    AppendKey(request, line);
  } else {
    return false;
  }
  return true;
}

// What the flag T or N makes of an expiry.
UnixSeconds ApplyExpiryFlag(const Request& request, char letter, bool created,
                            UnixSeconds expires_at, UnixSeconds now) {
  const MetaFlags& meta = request.meta;
  if (letter == 'T' && meta.ttl) return ExpiresAt(*meta.ttl, now);
  if (letter == 'N' && created && meta.vivify_ttl) return ExpiresAt(*meta.vivify_ttl, now);
  return expires_at;
}

// What has expired is below 0, and told as 32 bits without a sign; the engine knows no time before
// the first second of its own count.
std::string TimeLeft(UnixSeconds expires_at, const EngineClock& clock) {
  if (expires_at == 0) return "-1";
  const UnixSeconds left = std::max(expires_at, clock.started + 1) - clock.now;
  return std::to_string(static_cast<uint32_t>(left));
}

std::string_view Word(std::string_view code, std::string_view for_done) {
  if (code == "HD") return for_done;
  if (code == "EX") return "EXISTS";
  if (code == "NF") return "NOT_FOUND";
  return "NOT_STORED";
}

}  // namespace

std::string Say(const Request& request, std::string_view text) {
  return request.noreply ? std::string() : fmt::format("{}\r\n", text);
}

std::string MetaStatus(const Request& request, std::string_view code, uint64_t cas) {
  std::string line(code);
  ForEachFlag(request.meta.text, [&](std::string_view flag) {
    if (AppendCommonFlag(request, flag, &line)) return;
    const bool wants_cas = flag[0] == 'c' && request.verb == Verb::kMetaSet;
    if (wants_cas) AppendFlag('c', std::to_string(cas), &line);
  });
  return line + "\r\n";
}

std::string StoreStatus(const Request& request, std::string_view code, uint64_t cas) {
  if (!request.meta_command()) return Say(request, Word(code, "STORED"));
  if (code == "HD" && request.meta.quiet) return "";
  return MetaStatus(request, code, cas);
}

std::string DeleteStatus(const Request& request, std::string_view code) {
  if (!request.meta_command()) return Say(request, Word(code, "DELETED"));
  if (code == "HD" && request.meta.quiet) return "";
  return MetaStatus(request, code);
}

std::string NumberStatus(const Request& request, std::string_view code) {
  if (!request.meta_command()) return Say(request, Word(code, ""));
  if (request.meta.opaque_too_long) return std::string(kOpaqueTooLong);
  return MetaStatus(request, code);
}

std::string NumberReply(const Request& request, const NewNumber& number, const EngineClock& clock) {
  if (!request.meta_command()) return Say(request, number.digits);
  if (request.meta.opaque_too_long) return std::string(kOpaqueTooLong);
  // A number that was created is told in any case.
  if (request.meta.quiet && !number.created) return "";
  const bool value = request.meta.returns_value;
  std::string line = value ? fmt::format("VA {}", number.digits.size()) : "HD";
  UnixSeconds expires_at = number.expires_at;
  ForEachFlag(request.meta.text, [&](std::string_view flag) {
    if (AppendCommonFlag(request, flag, &line)) return;
    if (flag[0] == 'c') AppendFlag('c', std::to_string(number.cas), &line);
    if (flag[0] == 't') AppendFlag('t', TimeLeft(expires_at, clock), &line);
    expires_at = ApplyExpiryFlag(request, flag[0], number.created, expires_at, clock.now);
  });
  if (value) fmt::format_to(std::back_inserter(line), "\r\n{}", number.digits);
  return line + "\r\n";
}

std::string MetaGetReply(const Request& request, const Item& item, uint64_t cas,
                         const EngineClock& clock) {
  const bool value = request.meta.returns_value;
  std::string line = value ? fmt::format("VA {}", item.value.size()) : "HD";
  UnixSeconds expires_at = item.expires_at;
  ForEachFlag(request.meta.text, [&](std::string_view flag) {
    if (AppendCommonFlag(request, flag, &line)) return;
    if (flag[0] == 'c') AppendFlag('c', std::to_string(cas), &line);
    if (flag[0] == 'f') AppendFlag('f', std::to_string(item.client_flags), &line);
    if (flag[0] == 'h') AppendFlag('h', "0", &line);
    if (flag[0] == 'l') AppendFlag('l', "0", &line);
    if (flag[0] == 's') AppendFlag('s', std::to_string(item.value.size()), &line);
    if (flag[0] == 't') AppendFlag('t', TimeLeft(expires_at, clock), &line);
    expires_at = ApplyExpiryFlag(request, flag[0], /*created=*/false, expires_at, clock.now);
  });
  line += "\r\n";
  return value ? line.append(item.value).append("\r\n") : line;
}

UnixSeconds NumberExpiry(const Request& request, UnixSeconds expires_at, bool created,
                         UnixSeconds now) {
  bool stopped = false;
  ForEachFlag(request.meta.text, [&](std::string_view flag) {
    // An opaque value that is too long ends the command there, behind what it has done by then.
    stopped |= flag[0] == 'O' && request.meta.opaque_too_long;
    if (stopped) return;
    expires_at = ApplyExpiryFlag(request, flag[0], created, expires_at, now);
  });
  return expires_at;
}

}  // namespace cairn::adapter::memcache
