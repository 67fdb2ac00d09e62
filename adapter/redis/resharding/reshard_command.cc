#include "adapter/redis/resharding/reshard_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"
#include "adapter/agent_options.h"
#include "adapter/mark_text.h"
#include "adapter/redis/resharding/move_rules.h"
#include "adapter/redis/resharding/slot_log.h"
#include "adapter/tool_process.h"
#include "base/clock.h"
#include "base/option_table.h"
#include "base/process_log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/client.h"

namespace cairn::adapter::redis {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr absl::Duration kLook = absl::Milliseconds(100);
// Without a change; then it is said what is missing.
constexpr int64_t kStuckAfterUs = 5 * kMicrosPerSecond;
// Agents may come between a read and the record behind it.
constexpr int kTries = 50;

struct ReshardConfig {
  std::string cache;
  std::string endpoints;
  std::string slots;
  std::string to;
  uint32_t cut_timeout_ms = kDefaultCutMs;
  bool status = false;
  bool abort = false;
  bool wait = true;
  std::string output = "text";

  [[nodiscard]] CallOptions call() const { return {.timeout = kCallTimeout}; }
};

std::string CheckSlots(std::string_view text) {
  return ReadSlotRange(text) ? "" : fmt::format("expected FIRST-LAST of 0 … {}", kSlots - 1);
}

void AddOptions(OptionTable& table, ReshardConfig& config) {
  table.Text("cache", &config.cache, CheckNotEmpty, "The cache of several logs. Required.");
  table.Text("endpoints", &config.endpoints, CheckNotEmpty,
             "host:port of some nodes of the cluster, with commas. Default: CAIRN_ENDPOINTS.");
  table.Text("slots", &config.slots, CheckSlots, "FIRST-LAST: the slots to move; of one log.");
  table.Text("to", &config.to, CheckNotEmpty,
             "The log that gets them: its number, or its name (CACHE/NUMBER).");
  table.Number("cut-timeout-ms", &config.cut_timeout_ms, OptionUnit::kMillis, 100, 600'000,
               "So long calls of the slots may wait for the last step; a key that is written all "
               "the time and takes longer to copy cannot be moved. Beyond the agents' "
               "--hold-timeout-ms they are answered -TRYAGAIN.");
  table.Switch("wait", &config.wait, "Wait until the move is over.");
  table.Switch("status", &config.status, "Tell who has which slots, and the move under way.");
  table.Switch("abort", &config.abort, "Take back the move under way.");
  table.Text("output", &config.output, OneOf({"text", "json"}), "Also -o.");
}

absl::Status Finish(const ReshardConfig& config) {
  const bool moves = !config.slots.empty() || !config.to.empty();
  if (config.cache.empty()) {
    return absl::InvalidArgumentError("option cache is required: expected the cache's name");
  }
  if (moves && (config.slots.empty() || config.to.empty())) {
    return absl::InvalidArgumentError("options slots and to: expected both or none");
  }
  if ((moves ? 1 : 0) + (config.status ? 1 : 0) + (config.abort ? 1 : 0) == 1) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("expected one of: slots and to, status, abort");
}

// ---- What is told -----------------------------------------------------------------------------

Json ToJson(const SlotEntry& entry) {
  Json object;
  object["seq"] = entry.seq.value();
  object["logs"] = Json::array();
  for (const std::string& log : entry.state.logs) {
    Json one = {{"log", log}, {"slots", Json::array()}};
    for (const SlotRange& range : SlotsOf(entry.state.shares, log)) {
      one["slots"].push_back({range.first, range.last});
    }
    object["logs"].push_back(std::move(one));
  }
  if (const auto& move = entry.state.move) {
    object["move"] = {
        {"number", move->number},        {"slots", {move->slots.first, move->slots.last}},
        {"from", move->source},          {"to", move->target},
        {"phase", Name(move->phase)},    {"since_us", move->since},
        {"cut_timeout_ms", move->cut_ms}};
  }
  if (entry.state.last_move != 0) {
    object["last"] = {{"number", entry.state.last_move}, {"moved", entry.state.last_moved}};
  }
  if (!entry.state.why.empty()) object["why"] = entry.state.why;
  return object;
}

std::string MoveLine(const SlotMove& move, WallMicros now) {
  return fmt::format("move {}: slots {} from {} to {}: {}, for {} s\n", move.number,
                     ToText(move.slots), move.source, move.target, Name(move.phase),
                     std::max<int64_t>(now - move.since, 0) / kMicrosPerSecond);
}

// Who is missing; empty: nobody, as far as the slot log tells.
std::string Obstacle(const SlotMove& move) {
  if (move.phase != MovePhase::kCopying || (move.source_epoch && move.target_epoch)) return "";
  return fmt::format(
      "no agent that serves {} has taken it up yet: start one, or take the move back (--abort)\n",
      move.target_epoch ? move.source : move.target);
}

std::string ToText(const SlotEntry& entry, WallMicros now) {
  std::string text;
  for (const std::string& log : entry.state.logs) {
    const SlotRanges slots = SlotsOf(entry.state.shares, log);
    text += fmt::format("{}  {:>5} slots ", log, CountSlots(slots));
    for (const SlotRange& range : slots) text += fmt::format(" {}", ToText(range));
    text += "\n";
  }
  if (entry.state.move) text += MoveLine(*entry.state.move, now) + Obstacle(*entry.state.move);
  if (entry.state.last_move != 0) {
    text += fmt::format("move {} {}\n", entry.state.last_move,
                        entry.state.last_moved ? "is done" : "was taken back");
  }
  if (!entry.state.why.empty()) text += fmt::format("because: {}\n", entry.state.why);
  return text;
}

void Print(const ReshardConfig& config, const SlotEntry& entry) {
  if (config.output == "json") {
    fmt::print("{}\n", ToJson(entry).dump());
  } else {
    fmt::print("{}", ToText(entry, SystemClock().Wall()));
  }
}

// ---- What is done -----------------------------------------------------------------------------

absl::StatusOr<SlotEntry> ReadEntry(const ReshardConfig& config, const SlotLog& log) {
  ASSIGN_OR_RETURN(std::optional<SlotEntry> entry, log.Read(config.call()));
  if (entry) return *std::move(entry);
  return absl::NotFoundError(
      ToAbsl(fmt::format("the cache {} has no slots yet: start its agents first", config.cache)));
}

// Behind whatever is the last record. After an unknown outcome the next read tells.
template <class Make>
absl::StatusOr<SlotEntry> AppendBehind(const ReshardConfig& config, const SlotLog& log, Make make) {
  for (int i = 0; i < kTries; ++i) {
    ASSIGN_OR_RETURN(const SlotEntry base, ReadEntry(config, log));
    ASSIGN_OR_RETURN(const SlotState next, make(base.state));
    if (next == base.state) return base;  // It is there.
    absl::StatusOr<SlotEntry> appended = log.Append(base.seq, next, config.call());
    if (appended.ok()) return appended;
    if (!absl::IsAborted(appended.status()) && !absl::IsUnavailable(appended.status()) &&
        !absl::IsDeadlineExceeded(appended.status())) {
      return appended.status();
    }
  }
  return absl::UnavailableError("the slot log does not take the record; try again");
}

std::string TargetOf(const ReshardConfig& config) {
  uint32_t number = 0;
  return ParseNumber(config.to, &number) ? ShardLog(config.cache, number) : config.to;
}

// What somebody who waits is told, on stderr: each phase, and what is missing when nothing happens.
class WaitNotes {
 public:
  explicit WaitNotes(bool wanted) : wanted_(wanted) {}

  void Take(const SlotMove& move) {
    if (phase_ != move.phase) {
      phase_ = move.phase;
      since_us_ = SystemClock().Mono();
      return Say(MoveLine(move, SystemClock().Wall()));
    }
    if (SystemClock().Mono() - since_us_ >= kStuckAfterUs) Say(Obstacle(move));
  }
  void NoAnswer(const absl::Status& why) {
    Say(fmt::format("the slot log cannot be read: {}; the agents go on\n", ToStd(why.message())));
  }

 private:
  void Say(std::string text) {
    if (wanted_ && !text.empty() && text != said_) fmt::print(stderr, "{}", text);
    if (!text.empty()) said_ = std::move(text);
  }

  const bool wanted_;
  std::optional<MovePhase> phase_;
  MonoMicros since_us_ = 0;  // Of the phase.
  std::string said_;
};

absl::StatusOr<SlotEntry> AwaitEnd(const ReshardConfig& config, const SlotLog& log,
                                   SlotEntry entry) {
  const uint64_t number = entry.state.move->number;
  WaitNotes notes(config.output == "text");
  while (entry.state.move && entry.state.move->number == number) {
    notes.Take(*entry.state.move);
    absl::SleepFor(kLook);
    absl::StatusOr<SlotEntry> next = ReadEntry(config, log);
    if (!next.ok() && absl::IsNotFound(next.status())) return next.status();
    if (next.ok()) {
      entry = *std::move(next);
    } else {
      notes.NoAnswer(next.status());
    }
  }
  if (entry.state.last_move > number || entry.state.last_moved) return entry;
  return absl::AbortedError(ToAbsl(fmt::format("the move was taken back: {}", entry.state.why)));
}

absl::StatusOr<SlotEntry> Move(const ReshardConfig& config, const SlotLog& log) {
  const SlotRange slots = *ReadSlotRange(config.slots);
  const std::string target = TargetOf(config);
  const WallMicros now = SystemClock().Wall();
  ASSIGN_OR_RETURN(
      SlotEntry begun,
      AppendBehind(config, log, [&](const SlotState& state) -> absl::StatusOr<SlotState> {
        const bool mine = state.move && state.move->since == now;
        return mine ? state : BeginMove(state, slots, target, now, config.cut_timeout_ms);
      }));
  if (!config.wait) return begun;
  return AwaitEnd(config, log, std::move(begun));
}

absl::StatusOr<SlotEntry> Abort(const ReshardConfig& config, const SlotLog& log) {
  return AppendBehind(config, log, [](const SlotState& state) -> absl::StatusOr<SlotState> {
    if (state.move && state.move->phase == MovePhase::kAborting) return state;
    return AbortMove(state, "an operator took it back");
  });
}

int Run(const ReshardConfig& config) {
  const auto run = [&]() -> absl::StatusOr<SlotEntry> {
    ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                     Client::Connect(ClusterOptions(config.endpoints)));
    ASSIGN_OR_RETURN(const SlotLog log,
                     SlotLog::Open(client.get(), config.cache, /*create=*/false, config.call()));
    if (config.status) return ReadEntry(config, log);
    return config.abort ? Abort(config, log) : Move(config, log);
  };
  const absl::StatusOr<SlotEntry> entry = run();
  if (entry.ok()) {
    Print(config, *entry);
    return kExitOk;
  }
  fmt::print(stderr, "cairn-agent: {}\n", ToStd(entry.status().message()));
  return kExitFailed;
}

// Switches may stand alone here.
std::vector<std::string> WholeWords(const std::vector<std::string>& argv) {
  std::vector<std::string> words;
  for (size_t i = 0; i < argv.size(); ++i) {
    words.push_back(argv[i]);
    const bool alone = i + 1 == argv.size() || argv[i + 1].starts_with('-');
    if (alone && (argv[i] == "--status" || argv[i] == "--abort")) words.emplace_back("true");
  }
  return words;
}

}  // namespace

int RunReshardCommand(const std::vector<std::string>& argv) {
  ReshardConfig config;
  OptionTable table(
      {.name = "cairn-agent reshard",
       .about = "cairn-agent reshard: moves slots between the logs of a cache, while it serves.",
       .environment = "CAIRN_RESHARD_",
       .version = CAIRN_VERSION,
       .footer = "The agents do the work, also when this command has ended. Exit codes: 0 done; 1 "
                 "not done; 2 wrong configuration."});
  AddOptions(table, config);
  SetUpProcessLog("cairn-agent", "error", "text");
  return RunToolProcess(
      table, WholeWords(argv), [&config] { return Finish(config); },
      [&config](const OptionTable::Asked&) { return Run(config); });
}

}  // namespace cairn::adapter::redis
