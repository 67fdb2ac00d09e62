// ChangedKeys: which keys of some slots the records of a cache's log have changed.
//
//   log of the source ──records──► RecordReader ──commands──► CommandTable: keys ──► changes
//
// Commands in a log are effects, so their keys say all. What does not say its keys (FLUSHALL, a
// command that the engine does not know) may have changed any.
//
// Threads: of one copier. Bounds: kMaxKeys keys; beyond them any may have changed.
// Errors: those of RecordReader; kDataLoss for what is no command. Final.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "adapter/redis/command_table.h"
#include "adapter/redis/discovery/key_slot.h"
#include "adapter/redis/record_reader.h"
#include "adapter/redis/request_parser.h"

namespace cairn::adapter::redis {

class ChangedKeys {
 public:
  static constexpr size_t kMaxKeys = 1'000'000;

  struct Changes {
    bool any = false;  // Of the slots; `keys` are not all.
    std::vector<std::string> keys;
  };

  // Of records behind `applied_seq`. The table outlives this.
  ChangedKeys(const CommandTable* commands, SlotRange slots, RecordReader::Options reading,
              Seq applied_seq);

  // The next record of the log.
  absl::Status Take(Record record);
  // Since the last call.
  Changes TakeChanges();
  // Records up to there count; behind them are at most parts of something whole.
  [[nodiscard]] Seq applied_seq() const { return reader_.applied_seq(); }

 private:
  absl::Status TakeBytes(std::string_view bytes);
  void TakeCommand(std::span<const std::string_view> argv);
  void TakeAny();

  const CommandTable* const commands_;
  const SlotRange slots_;
  RecordReader reader_;
  RequestParser parser_;
  CommandPlan plan_;
  uint32_t database_ = 0;
  bool any_ = false;
  absl::flat_hash_set<std::string> keys_;
};

}  // namespace cairn::adapter::redis
