// SlotCopy: the target's side of a move: makes the keys of some slots in an engine equal to what
// the source's log says of them.
//
//   source's log (or its snapshot, then the log) ──► throw-away engine, here ──KeyLink──┐
//   source's log ──► ChangedKeys: which keys to look at again                           ▼ DUMP
//                                            own engine ◄──RESTORE … REPLACE ABSTTL── copier
//
// The source's primary and its engine are not asked for anything. What is copied are keys as they
// are, not commands: a command that the source has executed may do something else here, since
// this engine is a primary that expires keys by its own clock, and has to be counted; a key as it
// is can be written any number of times. So nothing about the progress has to be remembered: a
// copy that begins anew compares first, and writes only what differs.
//
// Through the own engine's stream the keys come into the target's own log, and so to its replicas
// and snapshots. It is written, and waits for its log, while the next batch is read
// (batch_writer.h).
//
// Threads: the engine thread. Lifetime: Stop(), and await it, before it is destroyed. Bounds: an
// engine with all of the source's data, and a dump of it on the disk while that is loaded; batches
// of kBatchBytes, or of one key if that is larger: three of them at a time.
// Errors: those that pass are kUnavailable, kDeadlineExceeded, kAborted, kCancelled: begin anew
// with another object. Others stay until an operator does something.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/command_table.h"
#include "adapter/redis/replayed_engine.h"
#include "adapter/redis/resharding/batch_writer.h"
#include "adapter/redis/resharding/changed_keys.h"
#include "adapter/redis/resharding/cut_judge.h"
#include "adapter/redis/resharding/key_link.h"
#include "adapter/redis/resharding/read_ahead.h"
#include "adapter/redis/scratch_engine.h"
#include "adapter/replay_host.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

// The engine that the keys are copied to, or removed from.
struct SlotEngine {
  // One for all that is done to it under a reign: so that what a copy that broke off has left in
  // the engine's buffers ends before anything else begins (key_link.h).
  std::shared_ptr<KeyLink> link;
  EngineVersion version;
  std::shared_ptr<const CommandTable> commands;
  // Until all that the engine has done is in its log, which `seq` covers then. Errors: the reign
  // is over.
  std::function<asio::awaitable<absl::StatusOr<Seq>>()> commit_all;
  // How often everything was deleted at once, as far as the log has it.
  std::function<uint64_t()> flushes;
};

class SlotCopy {
 public:
  static constexpr uint64_t kBatchBytes = uint64_t{4} << 20;

  struct Options {
    SlotRange slots;
    std::string directory;  // Made, and removed by Stop().
  };
  struct Round {
    Seq through;          // Of the source's log.
    uint64_t looked = 0;  // Keys that were looked at.
    CopyWork work;
  };
  SlotCopy(ReplayHost host, Log source, SlotEngine engine, Options options);
  SlotCopy(const SlotCopy&) = delete;
  SlotCopy& operator=(const SlotCopy&) = delete;

  // The throw-away engine holds what the source's log says as of now. Once.
  asio::awaitable<absl::Status> Begin();
  // The own engine holds what the source's log says through `through`, and its log has it; without
  // one, through the end as of now.
  asio::awaitable<absl::StatusOr<Round>> CatchUp(std::optional<Seq> through);
  asio::awaitable<void> Stop();
  // At once: whatever is under way fails.
  void Cancel();

 private:
  enum class Compare : uint8_t { kYes, kNo };  // No: they are written in any case.

  asio::awaitable<absl::StatusOr<Seq>> SourceEnd();
  asio::awaitable<absl::Status> Follow(Seq through);
  asio::awaitable<absl::Status> CopyRound(bool last, Round* round);
  asio::awaitable<absl::Status> ReadChanges(Seq through);
  asio::awaitable<absl::Status> CommitRound(const Round& round, bool last);
  asio::awaitable<absl::Status> CompareAll(Round* round);
  asio::awaitable<absl::Status> ListAndCopy(KeyLink* of, size_t page_keys, Round* round);
  asio::awaitable<absl::Status> Copy(std::vector<std::string> keys, Compare compare, Round* round);
  asio::awaitable<absl::Status> CopyBatch(std::vector<std::string> keys,
                                          std::vector<WholeKey> wanted, Compare compare,
                                          Round* round);

  const ReplayHost host_;
  const Log source_;
  const SlotEngine engine_;
  const Options options_;
  ScratchEngine shadow_;
  ReplayedEngine replayed_;
  KeyLink from_;
  KeyLink* const to_;  // The own engine's.
  ReadAhead reader_;
  BatchWriter writer_;
  std::optional<ChangedKeys> changed_;
  bool compared_ = false;  // All keys, since the last flush.
  uint64_t flushes_ = 0;   // As of then.
};

// Removes all keys of the slots from the engine; its log has it.
asio::awaitable<absl::Status> RemoveSlots(SlotEngine engine, SlotRange slots);

}  // namespace cairn::adapter::redis
