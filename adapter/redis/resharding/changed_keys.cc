#include "adapter/redis/resharding/changed_keys.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "adapter/mark_text.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

// What an engine has executed is within its own bounds.
RequestParser::Limits NoLimits() {
  RequestParser::Limits limits;
  limits.max_bulk_bytes = limits.max_request_bytes = SIZE_MAX / 4;
  limits.max_arguments = UINT32_MAX;
  return limits;
}

}  // namespace

ChangedKeys::ChangedKeys(const CommandTable* commands, SlotRange slots,
                         RecordReader::Options reading, Seq applied_seq)
    : commands_(commands),
      slots_(slots),
      reader_(std::move(reading), applied_seq),
      parser_(NoLimits()) {}

absl::Status ChangedKeys::Take(Record record) {
  const Seq seq = record.seq;
  ASSIGN_OR_RETURN(FeedStep step, reader_.Next(&record));
  absl::Status taken = TakeBytes(step.select);
  switch (step.kind) {
    case FeedStep::Kind::kSkip:
    case FeedStep::Kind::kHold:
      break;
    case FeedStep::Kind::kFeed:
      if (taken.ok()) taken = TakeBytes(record.payload);
      break;
    case FeedStep::Kind::kFeedRun:
      if (step.held.empty()) TakeAny();  // Too large to be kept.
      for (const std::string& part : step.held) {
        if (taken.ok()) taken = TakeBytes(part);
      }
      break;
  }
  if (taken.ok() && parser_.pending_bytes() > 0) {
    taken = absl::DataLossError(fmt::format("record {}: ends within a command", seq));
  }
  return Annotate(taken, fmt::format("record {}", seq));
}

absl::Status ChangedKeys::TakeBytes(std::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  parser_.Feed(bytes);
  while (true) {
    switch (parser_.Next()) {
      case RequestParser::Outcome::kNeedMore:
        return absl::OkStatus();
      case RequestParser::Outcome::kError:
        return absl::DataLossError(ToAbsl(parser_.error()));
      case RequestParser::Outcome::kRequest:
        TakeCommand(parser_.argv());
        break;
    }
  }
}

void ChangedKeys::TakeCommand(std::span<const std::string_view> argv) {
  if (argv.size() == 2 && EqualsIgnoringCase(argv[0], "select")) {
    if (!ParseNumber(argv[1], &database_)) TakeAny();
    return;
  }
  commands_->Judge(argv, &plan_);
  switch (plan_.marks) {
    case MarkScope::kNothing:
      return;
    case MarkScope::kAllDatabases:
      return TakeAny();
    case MarkScope::kDatabase:
      if (database_ == 0) TakeAny();
      return;
    case MarkScope::kKeys:
      break;
  }
  if (database_ != 0) return;  // Slots are those of the first one.
  for (const KeyRef& key : plan_.keys) {
    const std::string_view name = argv[key.argument];
    if (key.written && slots_.Contains(KeySlot(name))) keys_.emplace(name);
  }
  if (keys_.size() > kMaxKeys) TakeAny();
}

void ChangedKeys::TakeAny() {
  any_ = true;
  keys_.clear();
}

ChangedKeys::Changes ChangedKeys::TakeChanges() {
  Changes changes;
  changes.any = std::exchange(any_, false);
  changes.keys.reserve(keys_.size());
  for (const std::string& key : keys_) changes.keys.push_back(key);
  keys_.clear();
  return changes;
}

}  // namespace cairn::adapter::redis
