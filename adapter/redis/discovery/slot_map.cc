#include "adapter/redis/discovery/slot_map.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/error.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kVersion = "v1";

std::optional<uint32_t> TakeNumber(std::string_view* text) {
  uint32_t number = 0;
  const auto [at, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(at - text->data()));
  return number;
}

bool TakeMark(char mark, std::string_view* text) {
  if (!text->starts_with(mark)) return false;
  text->remove_prefix(1);
  return true;
}

// "0-5460=NAME/1"
std::optional<SlotShare> ReadShare(std::string_view word) {
  const auto first = TakeNumber(&word);
  if (!first || !TakeMark('-', &word)) return std::nullopt;
  const auto last = TakeNumber(&word);
  if (!last || !TakeMark('=', &word) || word.empty()) return std::nullopt;
  return SlotShare{.slots = {*first, *last}, .log = std::string(word)};
}

absl::Status NoMap(std::string_view text) {
  return absl::DataLossError(
      ToAbsl(fmt::format("\"{}\" does not share out {} slots", text.substr(0, 200), kSlots)));
}

// The last record; nullopt when there is none.
absl::StatusOr<std::optional<std::string>> LastRecord(Log& log, const CallOptions& call) {
  ReadOptions read;
  read.call = call;
  read.linearizable = true;
  ASSIGN_OR_RETURN(const std::vector<RecordBatch> batches, log.ReadAll(read));
  std::optional<std::string> last;
  for (const RecordBatch& batch : batches) {
    for (const Record& record : batch.records) {
      if (record.kind == RecordKind::kData) last = std::string(record.payload);
    }
  }
  return last;
}

}  // namespace

std::string ShardLog(std::string_view cache, uint32_t number) {
  return fmt::format("{}/{}", cache, number);
}

SlotMap EvenSlots(std::string_view cache, uint32_t logs) {
  CHECK(logs >= 1 && logs <= kMaxShards);
  SlotMap map;
  uint32_t first = 0;
  for (uint32_t number = 1; number <= logs; ++number) {
    // Rounded as redis-cli --cluster create does.
    const uint32_t end = (kSlots * number + logs / 2) / logs;
    map.push_back({.slots = {first, end - 1}, .log = ShardLog(cache, number)});
    first = end;
  }
  return map;
}

std::string EncodeSlots(const SlotMap& map) {
  std::string text(kVersion);
  for (const SlotShare& share : map) {
    text += fmt::format(" {}-{}={}", share.slots.first, share.slots.last, share.log);
  }
  return text;
}

absl::StatusOr<SlotMap> ReadSlots(std::string_view text) {
  const std::string_view whole = text;
  if (!text.starts_with(kVersion)) return NoMap(whole);
  text.remove_prefix(kVersion.size());
  SlotMap map;
  uint32_t next = 0;
  while (TakeMark(' ', &text)) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    std::optional<SlotShare> share = ReadShare(word);
    const bool follows = share && share->slots.first == next && share->slots.last >= next &&
                         share->slots.last < kSlots;
    if (!follows || map.size() == kMaxShards) return NoMap(whole);
    next = share->slots.last + 1;
    map.push_back(*std::move(share));
  }
  if (!text.empty() || next != kSlots) return NoMap(whole);
  return map;
}

absl::StatusOr<SlotMap> AgreeOnSlots(Client* client, std::string_view cache, uint32_t logs,
                                     const CallOptions& call) {
  OpenLogOptions open;
  open.call = call;
  open.create_if_missing = true;
  ASSIGN_OR_RETURN(Log log, client->OpenLog(fmt::format("{}.slots", cache), open));
  ASSIGN_OR_RETURN(std::optional<std::string> text, LastRecord(log, call));
  if (!text) {
    AppendOptions first;
    first.call = call;
    first.if_last_seq = Seq(0);
    const auto appended = log.Append(EncodeSlots(EvenSlots(cache, logs)), first);
    // Whether it was this one or another's: what is there counts.
    if (!appended.ok() && GetReason(appended.status()) != Reason::kConditionFailed) {
      return appended.status();
    }
    ASSIGN_OR_RETURN(text, LastRecord(log, call));
  }
  if (!text) return NoMap("");
  ASSIGN_OR_RETURN(SlotMap map, ReadSlots(*text));
  if (map.size() == logs) return map;
  return absl::FailedPreconditionError(
      ToAbsl(fmt::format("the cache {} has {} logs, not {}: slots are not moved between logs while "
                         "it lives",
                         cache, map.size(), logs)));
}

}  // namespace cairn::adapter::redis
