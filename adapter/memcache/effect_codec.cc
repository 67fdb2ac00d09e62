#include "adapter/memcache/effect_codec.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "adapter/memcache/varint.h"
#include "base/check.h"
#include "base/overloaded.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr uint8_t kKindBits = 0x07;
constexpr uint8_t kBinaryBit = 0x08;
constexpr uint8_t kFlagsBit = 0x10;
constexpr uint8_t kTimeBit = 0x20;

bool HasKey(EffectKind kind) {
  return kind == EffectKind::kStore || kind == EffectKind::kDelete || kind == EffectKind::kTouch;
}

// The bits beside the kind that may be set for it.
uint8_t AllowedBits(EffectKind kind) {
  switch (kind) {
    case EffectKind::kStore:
      return kBinaryBit | kFlagsBit | kTimeBit;
    case EffectKind::kDelete:
      return kBinaryBit;
    case EffectKind::kTouch:
      return kBinaryBit | kTimeBit;
    case EffectKind::kFlush:
      return 0;
    case EffectKind::kFlushAt:
      return kTimeBit;
  }
  return 0;
}

bool IsKind(uint8_t kind) {
  return kind >= static_cast<uint8_t>(EffectKind::kStore) &&
         kind <= static_cast<uint8_t>(EffectKind::kFlushAt);
}

// Reads the fields of one effect. The first one that is wrong is remembered; those behind it read
// as nothing.
class Fields {
 public:
  explicit Fields(std::string_view payload) : whole_(payload), rest_(payload) {}

  uint8_t Byte(std::string_view what) {
    if (rest_.empty()) Wrong(what);
    if (!ok()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

  // In [least, most].
  uint64_t Number(std::string_view what, uint64_t least, uint64_t most) {
    uint64_t number = 0;
    const std::string_view before = rest_;
    if (ok() && (!TakeVarint(&rest_, &number) || number < least || number > most)) {
      rest_ = before;
      Wrong(what);
    }
    return ok() ? number : 0;
  }

  std::string_view Bytes(std::string_view what, size_t bytes) {
    if (rest_.size() < bytes) Wrong(what);
    return ok() ? UpTo(bytes) : std::string_view();
  }
  // As many of them as are there.
  std::string_view UpTo(size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  void Wrong(std::string_view what) {
    if (!ok()) return;
    wrong_ = what;
    wrong_at_ = whole_.size() - rest_.size();
  }
  [[nodiscard]] bool ok() const { return wrong_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] absl::Status status() const {
    return absl::DataLossError(
        fmt::format("expected {} at byte {} of the {} behind the last effect", wrong_, wrong_at_,
                    whole_.size()));
  }

 private:
  const std::string_view whole_;
  std::string_view rest_;
  std::string_view wrong_;  // Empty: nothing.
  size_t wrong_at_ = 0;
};

void ReadKeyBytes(Fields* fields, size_t* bytes) {
  *bytes = fields->Byte("the length of a key");
  if (*bytes == 0 || *bytes > kMaxKeyBytes) fields->Wrong("a key of 1 to 250 bytes");
}

// All but the value.
EffectHead ReadHead(Fields* fields) {
  EffectHead head;
  const uint8_t tag = fields->Byte("an effect");
  if (!fields->ok()) return head;
  const uint8_t kind = tag & kKindBits;
  if (!IsKind(kind) || (tag & ~(kKindBits | AllowedBits(static_cast<EffectKind>(kind)))) != 0) {
    fields->Wrong("the tag of an effect");
    return head;
  }
  EffectView& effect = head.effect;
  effect.kind = static_cast<EffectKind>(kind);
  effect.binary = (tag & kBinaryBit) != 0;
  size_t key_bytes = 0;
  if (HasKey(effect.kind)) ReadKeyBytes(fields, &key_bytes);
  if ((tag & kFlagsBit) != 0) {
    effect.client_flags = static_cast<uint32_t>(fields->Number("client flags", 1, UINT32_MAX));
  }
  if ((tag & kTimeBit) != 0) effect.at = UnZigZag(fields->Number("a time", 1, UINT64_MAX));
  if (effect.kind == EffectKind::kStore) {
    head.value_bytes = fields->Number("the length of a value", 0, kMaxValueBytes);
  }
  if (key_bytes > 0) effect.key = fields->Bytes("a key", key_bytes);
  return head;
}

}  // namespace

EffectView ViewOf(const Effect& effect) {
  return std::visit(
      Overloaded{[](const StoreEffect& store) -> EffectView {
                   return {
                       EffectKind::kStore,      store.binary,         store.key, store.item.value,
                       store.item.client_flags, store.item.expires_at};
                 },
                 [](const DeleteEffect& gone) -> EffectView {
                   return {.kind = EffectKind::kDelete, .binary = gone.binary, .key = gone.key};
                 },
                 [](const TouchEffect& touch) -> EffectView {
                   return {.kind = EffectKind::kTouch,
                           .binary = touch.binary,
                           .key = touch.key,
                           .at = touch.expires_at};
                 },
                 [](const FlushEffect&) -> EffectView { return {.kind = EffectKind::kFlush}; },
                 [](const FlushAtEffect& flush) -> EffectView {
                   return {.kind = EffectKind::kFlushAt, .at = flush.due_at};
                 }},
      effect);
}

Effect ToEffect(const EffectView& view) {
  std::string key(view.key);
  switch (view.kind) {
    case EffectKind::kStore:
      return StoreEffect{std::move(key), view.binary,
                         Item{std::string(view.value), view.client_flags, view.at}};
    case EffectKind::kDelete:
      return DeleteEffect{std::move(key), view.binary};
    case EffectKind::kTouch:
      return TouchEffect{std::move(key), view.binary, view.at};
    case EffectKind::kFlush:
      return FlushEffect{};
    case EffectKind::kFlushAt:
      return FlushAtEffect{view.at};
  }
  CHECK_UNREACHABLE();
}

void AppendEffectHead(const EffectView& effect, std::string* payload) {
  uint8_t tag = static_cast<uint8_t>(effect.kind);
  if (effect.binary) tag |= kBinaryBit;
  if (effect.client_flags != 0) tag |= kFlagsBit;
  if (effect.at != 0) tag |= kTimeBit;
  payload->push_back(static_cast<char>(tag));
  if (HasKey(effect.kind)) {
    CHECK(!effect.key.empty());
    CHECK_LE(effect.key.size(), kMaxKeyBytes);
    payload->push_back(static_cast<char>(effect.key.size()));
  }
  if (effect.client_flags != 0) AppendVarint(effect.client_flags, payload);
  if (effect.at != 0) AppendVarint(ZigZag(effect.at), payload);
  if (effect.kind == EffectKind::kStore) {
    CHECK_LE(effect.value.size(), kMaxValueBytes);
    AppendVarint(effect.value.size(), payload);
  }
  *payload += effect.key;
}

void AppendEffect(const EffectView& effect, std::string* payload) {
  AppendEffectHead(effect, payload);
  *payload += effect.value;
}

absl::StatusOr<EffectView> TakeEffect(std::string_view* payload) {
  Fields fields(*payload);
  EffectHead head = ReadHead(&fields);
  head.effect.value = fields.Bytes("a value", head.value_bytes);
  if (!fields.ok()) return fields.status();
  *payload = fields.rest();
  return head.effect;
}

absl::StatusOr<EffectHead> TakeEffectHead(std::string_view* payload) {
  Fields fields(*payload);
  EffectHead head = ReadHead(&fields);
  if (!fields.ok()) return fields.status();
  head.effect.value = fields.UpTo(head.value_bytes);
  *payload = fields.rest();
  return head;
}

}  // namespace cairn::adapter::memcache
