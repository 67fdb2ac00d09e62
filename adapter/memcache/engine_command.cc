#include "adapter/memcache/engine_command.h"

#include <fmt/format.h>

#include <iterator>

#include "adapter/memcache/expiry.h"
#include "adapter/memcache/line_text.h"
#include "base/check.h"
#include "base/overloaded.h"

namespace cairn::adapter::memcache {
namespace {

EngineCommand Touch(const TouchEffect& effect, UnixSeconds now) {
  const std::string exptime = ExptimeText(effect.expires_at, now);
  // `mg` would give away the right to renew an invalidated item; `touch` knows no base64.
  if (effect.binary) return {.line = MetaLine("mg", effect.key, true) + " T" + exptime};
  return {.line = fmt::format("touch {} {}", effect.key, exptime), .reply = ReplyKind::kLine};
}

}  // namespace

void EngineCommand::AppendTo(std::optional<uint64_t> item_cas, std::string* out) const {
  out->append(line);
  if (versions && item_cas) fmt::format_to(std::back_inserter(*out), " E{}", *item_cas);
  out->append("\r\n");
  if (!value && !own_value) return;
  out->append(value ? *value : std::string_view(*own_value));
  out->append("\r\n");
}

EngineCommand StoreCommand(std::string_view key, bool binary, const Item& item, UnixSeconds now) {
  EngineCommand command{.value = item.value, .versions = true};
  AppendStoreLine(key, binary, item.value.size(), item.client_flags, item.expires_at, now,
                  &command.line);
  return command;
}

void AppendStoreLine(std::string_view key, bool binary, size_t value_bytes, uint32_t client_flags,
                     UnixSeconds expires_at, UnixSeconds now, std::string* out) {
  out->append("ms ");
  if (binary) {
    fmt::format_to(std::back_inserter(*out), "{} {} b", EncodeKey(key), value_bytes);
  } else {
    fmt::format_to(std::back_inserter(*out), "{} {}", key, value_bytes);
  }
  if (client_flags != 0) fmt::format_to(std::back_inserter(*out), " F{}", client_flags);
  if (expires_at != 0) out->append(" T" + ExptimeText(expires_at, now));
}

EngineCommand CommandFor(const Effect& effect, UnixSeconds now) {
  return std::visit(
      Overloaded{[&](const StoreEffect& store) {
                   return StoreCommand(store.key, store.binary, store.item, now);
                 },
                 [&](const DeleteEffect& gone) {
                   return EngineCommand{.line = MetaLine("md", gone.key, gone.binary)};
                 },
                 [&](const TouchEffect& touch) { return Touch(touch, now); },
                 [&](const FlushEffect&) {
                   return EngineCommand{.line = "flush_all", .reply = ReplyKind::kLine};
                 },
                 [&](const FlushAtEffect&) -> EngineCommand { CHECK_UNREACHABLE(); }},
      effect);
}

std::string MetaLine(std::string_view verb, std::string_view key, bool binary,
                     std::optional<size_t> value_bytes) {
  std::string line = fmt::format("{} {}", verb, binary ? EncodeKey(key) : std::string(key));
  if (value_bytes) line += fmt::format(" {}", *value_bytes);
  if (binary) line += " b";
  return line;
}

}  // namespace cairn::adapter::memcache
