#include "adapter/redis/resharding/slot_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "adapter/mark_text.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kVersion = "v2";
constexpr std::array kPhases = {MovePhase::kCopying, MovePhase::kReady, MovePhase::kPrepared,
                                MovePhase::kMoved, MovePhase::kAborting};

absl::Status NoState(std::string_view text) {
  return absl::DataLossError(
      ToAbsl(fmt::format("\"{}\" does not tell a cache's slots", text.substr(0, 200))));
}

// "logs" of " logs=a,b …": its value, which ends before a blank; takes both. Nullopt: something
// else comes first.
std::optional<std::string_view> TakeWord(std::string_view key, std::string_view* text) {
  std::string_view rest = *text;
  if (!rest.starts_with(' ')) return std::nullopt;
  rest.remove_prefix(1);
  if (!rest.starts_with(key) || !rest.substr(key.size()).starts_with('=')) return std::nullopt;
  rest.remove_prefix(key.size() + 1);
  const std::string_view value = rest.substr(0, rest.find(' '));
  *text = rest.substr(value.size());
  return value;
}

template <class Number>
bool TakeNumber(std::string_view key, std::string_view* text, Number* number) {
  const std::optional<std::string_view> word = TakeWord(key, text);
  return word && ParseNumber(*word, number);
}

template <class Id>
bool TakeId(std::string_view key, std::string_view* text, Id* id) {
  uint64_t number = 0;
  if (!TakeNumber(key, text, &number)) return false;
  *id = Id(number);
  return true;
}

bool TakeText(std::string_view key, std::string_view* text, std::string* value) {
  const std::optional<std::string_view> word = TakeWord(key, text);
  if (!word || word->empty()) return false;
  *value = std::string(*word);
  return true;
}

bool TakePhase(std::string_view* text, MovePhase* phase) {
  const std::optional<std::string_view> word = TakeWord("phase", text);
  if (!word) return false;
  const auto* const found = std::find_if(kPhases.begin(), kPhases.end(),
                                         [&](MovePhase one) { return Name(one) == *word; });
  if (found == kPhases.end()) return false;
  *phase = *found;
  return true;
}

bool TakeRange(std::string_view* text, SlotRange* slots) {
  const std::optional<std::string_view> word = TakeWord("slots", text);
  const std::optional<SlotRange> range = word ? ReadSlotRange(*word) : std::nullopt;
  if (range) *slots = *range;
  return range.has_value();
}

// May be left out.
bool TakeCut(std::string_view* text, SlotMove* move) {
  return !text->starts_with(" cut=") || TakeNumber("cut", text, &move->cut_ms);
}

// Behind "move=".
bool TakeMove(std::string_view* text, SlotMove* move) {
  return TakeRange(text, &move->slots) && TakeText("from", text, &move->source) &&
         TakeText("to", text, &move->target) && TakePhase(text, &move->phase) &&
         TakeId("source", text, &move->source_epoch) &&
         TakeId("target", text, &move->target_epoch) && TakeId("through", text, &move->through) &&
         TakeNumber("since", text, &move->since) && TakeCut(text, move);
}

bool TakeLogs(std::string_view* text, std::vector<std::string>* logs) {
  std::optional<std::string_view> words = TakeWord("logs", text);
  if (!words) return false;
  do {
    const std::string_view log = TakeUntil(',', &*words);
    if (!MayBeLogName(log) || std::find(logs->begin(), logs->end(), log) != logs->end()) {
      return false;
    }
    logs->emplace_back(log);
  } while (!words->empty());
  return logs->size() <= kMaxShards;
}

bool TakeLast(std::string_view* text, SlotState* state) {
  if (!TakeNumber("last", text, &state->last_move)) return false;
  const std::optional<std::string_view> how = TakeWord("how", text);
  if (!how || (*how != "moved" && *how != "aborted")) return false;
  state->last_moved = *how == "moved";
  constexpr std::string_view kWhy = " why=";
  if (!text->starts_with(kWhy)) return false;
  state->why = std::string(text->substr(kWhy.size()));
  return state->why.size() <= kMaxWhyBytes;
}

std::string MoveText(const SlotMove& move) {
  const std::string text = fmt::format(
      " move={} slots={} from={} to={} phase={} source={} target={} through={} since={}",
      move.number, ToText(move.slots), move.source, move.target, Name(move.phase),
      move.source_epoch, move.target_epoch, move.through, move.since);
  return move.cut_ms == kDefaultCutMs ? text : text + fmt::format(" cut={}", move.cut_ms);
}

// Each share, and the move, name logs of the cache.
bool NamesItsLogs(const SlotState& state) {
  const auto known = [&](const std::string& log) {
    return std::find(state.logs.begin(), state.logs.end(), log) != state.logs.end();
  };
  return std::all_of(state.shares.begin(), state.shares.end(),
                     [&](const SlotShare& share) { return known(share.log); }) &&
         (!state.move || (known(state.move->source) && known(state.move->target)));
}

absl::StatusOr<SlotState> ReadSecond(std::string_view text) {
  std::string_view rest = text.substr(kVersion.size());
  SlotState state;
  if (!TakeNumber("made", &rest, &state.made) || !TakeLogs(&rest, &state.logs)) {
    return NoState(text);
  }
  ASSIGN_OR_RETURN(state.shares, TakeShares(&rest));
  SlotMove move;
  if (TakeNumber("move", &rest, &move.number)) {
    if (!TakeMove(&rest, &move)) return NoState(text);
    state.move = std::move(move);
  }
  if (!TakeLast(&rest, &state) || !NamesItsLogs(state)) return NoState(text);
  return state;
}

SlotState StateOf(SlotMap shares) {
  SlotState state;
  for (const SlotShare& share : shares) {
    if (std::find(state.logs.begin(), state.logs.end(), share.log) == state.logs.end()) {
      state.logs.push_back(share.log);
    }
  }
  state.made = static_cast<uint32_t>(state.logs.size());
  state.shares = std::move(shares);
  return state;
}

}  // namespace

std::string_view Name(MovePhase phase) {
  switch (phase) {
    case MovePhase::kCopying:
      return "copying";
    case MovePhase::kReady:
      return "ready";
    case MovePhase::kPrepared:
      return "prepared";
    case MovePhase::kMoved:
      return "moved";
    case MovePhase::kAborting:
      return "aborting";
  }
  CHECK_UNREACHABLE();
}

SlotState FirstSlots(std::string_view cache, uint32_t logs) {
  return StateOf(EvenSlots(cache, logs));
}

std::string EncodeSlotState(const SlotState& state) {
  std::string text = fmt::format("{} made={} logs={}{}", kVersion, state.made,
                                 fmt::join(state.logs, ","), ShareText(state.shares));
  if (state.move) text += MoveText(*state.move);
  return text + fmt::format(" last={} how={} why={}", state.last_move,
                            state.last_moved ? "moved" : "aborted", state.why);
}

absl::StatusOr<SlotState> ReadSlotState(std::string_view text) {
  if (text.starts_with(kVersion)) return ReadSecond(text);
  ASSIGN_OR_RETURN(SlotMap shares, ReadSlots(text));
  return StateOf(std::move(shares));
}

}  // namespace cairn::adapter::redis
