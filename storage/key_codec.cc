#include "storage/key_codec.h"

#include "base/check.h"

namespace cairn::storage {
namespace {

constexpr size_t kNumberBytes = 8;

void PutBigEndian(std::string& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

uint64_t GetBigEndian(std::string_view in) {
  uint64_t value = 0;
  for (size_t i = 0; i < kNumberBytes; ++i) value = value << 8 | static_cast<uint8_t>(in[i]);
  return value;
}

std::string Pair(GroupId group, uint64_t position) {
  std::string key;
  key.reserve(2 * kNumberBytes);
  PutBigEndian(key, group.value());
  PutBigEndian(key, position);
  return key;
}

std::string Tagged(GroupId group, KeyTag tag) {
  std::string key;
  key.reserve(2 * kNumberBytes + 1);
  PutBigEndian(key, group.value());
  key.push_back(static_cast<char>(tag));
  return key;
}

std::string Tagged(GroupId group, KeyTag tag, Index position) {
  std::string key = Tagged(group, tag);
  PutBigEndian(key, position.value());
  return key;
}

}  // namespace

std::string EntryKey(GroupId group, Index index) { return Pair(group, index.value()); }
std::string SeqKey(GroupId group, Seq first_seq) { return Pair(group, first_seq.value()); }
std::string HardStateKey(GroupId group) { return Tagged(group, KeyTag::kHardState); }
std::string TermKey(GroupId group, Index first) { return Tagged(group, KeyTag::kTerm, first); }
std::string SegmentKey(GroupId group, Index before_index) {
  return Tagged(group, KeyTag::kSegment, before_index);
}
std::string TrashKey(GroupId group) { return Tagged(group, KeyTag::kTrash); }
std::string DamageKey(GroupId group) { return Tagged(group, KeyTag::kDamage); }
std::string RunKey(GroupId group) { return Tagged(group, KeyTag::kRun); }

std::string MetaKey(KeyTag tag) {
  CHECK(tag >= KeyTag::kTurn);
  return {static_cast<char>(tag)};
}

std::string GroupBegin(GroupId group) {
  std::string key;
  PutBigEndian(key, group.value());
  return key;
}

std::string GroupEnd(GroupId group) {
  CHECK(group + 1 > group);
  return GroupBegin(group + 1);
}

std::optional<GroupId> GroupOfKey(std::string_view key) {
  if (key.size() < kNumberBytes) return std::nullopt;
  return GroupId(GetBigEndian(key));
}

std::optional<uint64_t> PositionOfKey(std::string_view key) {
  if (key.size() != 2 * kNumberBytes) return std::nullopt;
  return GetBigEndian(key.substr(kNumberBytes));
}

std::optional<StateKey> ParseStateKey(std::string_view key) {
  if (key.size() <= kNumberBytes) return std::nullopt;
  const std::string_view rest = key.substr(kNumberBytes + 1);
  StateKey parsed{GroupId(GetBigEndian(key)), static_cast<KeyTag>(key[kNumberBytes]), Index()};
  switch (parsed.tag) {
    case KeyTag::kHardState:
    case KeyTag::kTrash:
    case KeyTag::kDamage:
    case KeyTag::kRun:
      if (!rest.empty()) return std::nullopt;
      return parsed;
    case KeyTag::kTerm:
    case KeyTag::kSegment:
      if (rest.size() != kNumberBytes) return std::nullopt;
      parsed.position = Index(GetBigEndian(rest));
      return parsed;
    case KeyTag::kTurn:
    case KeyTag::kIdentity:
    case KeyTag::kFormed:
      break;
  }
  return std::nullopt;
}

}  // namespace cairn::storage
