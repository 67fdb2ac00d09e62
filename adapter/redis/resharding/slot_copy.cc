#include "adapter/redis/resharding/slot_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kReadTimeout = absl::Seconds(30);
// Of the throw-away engine, which has nobody else to serve: so that there is something to read
// ahead.
constexpr size_t kLargePageKeys = 10'000;

// Records behind `after` up to `through`, batch by batch.
ReadStream ReadBehind(Log log, Seq after, Seq through) {
  ReadOptions read;
  read.call.timeout = kReadTimeout;
  read.start_seq = after + 1;
  read.end_seq = through;
  read.linearizable = true;  // The replica asked first may not have them yet.
  return log.Read(read);
}

absl::Status CheckVersion(const EngineVersion& version) {
  if (version.major >= KeyLink::kOldestMajor) return absl::OkStatus();
  return absl::FailedPreconditionError(ToAbsl(
      fmt::format("slots can be moved to engines from Redis 7.0 on, and to Valkey; this is {}",
                  version.ToText())));
}

absl::Status TooLarge(std::string_view key, uint64_t bytes) {
  return absl::FailedPreconditionError(ToAbsl(fmt::format(
      "key \"{}\" (slot {}) has {} MB as the engine dumps it, and an engine takes {} MB in one "
      "piece: split it or delete it, or move the slots beside its own",
      ShownKey(key), KeySlot(key), bytes >> 20, KeyLink::kMaxDumpBytes >> 20)));
}

std::ptrdiff_t Offset(size_t index) { return static_cast<std::ptrdiff_t>(index); }

std::vector<std::string> PageOf(const std::vector<std::string>& keys, size_t begin) {
  const size_t end = std::min(keys.size(), begin + KeyLink::kPageKeys);
  return {keys.begin() + Offset(begin), keys.begin() + Offset(end)};
}

void Count(const std::string& key, uint64_t bytes, CopyWork* work) {
  ++work->keys;
  work->bytes += bytes;
  if (bytes < work->largest_bytes) return;
  work->largest_bytes = bytes;
  work->largest_key = key;
}

}  // namespace

SlotCopy::SlotCopy(ReplayHost host, Log source, SlotEngine engine, Options options)
    : host_(std::move(host)),
      source_(std::move(source)),
      engine_(std::move(engine)),
      options_(std::move(options)),
      shadow_(host_.executor, ScratchOptions(host_, options_.directory + "/engine")),
      replayed_(host_, source_, options_.directory, &shadow_),
      from_(host_.executor, shadow_.link()->address()),
      to_(engine_.link.get()),
      reader_(host_.executor, &from_, kBatchBytes),
      writer_(host_.executor, to_, engine_.commit_all) {}

asio::awaitable<void> SlotCopy::Stop() { co_await replayed_.Stop(); }

void SlotCopy::Cancel() { replayed_.Cancel(); }

asio::awaitable<absl::StatusOr<Seq>> SlotCopy::SourceEnd() {
  auto describe = [log = source_]() mutable {
    DescribeOptions options;
    options.call.timeout = kCallTimeout;
    return log.Describe(options);
  };
  const absl::StatusOr<LogDescription> log = co_await host_.background->Run(std::move(describe));
  if (!log.ok()) co_return log.status();
  co_return log->last_seq;
}

asio::awaitable<absl::Status> SlotCopy::Begin() {
  absl::Status status = CheckVersion(engine_.version);
  if (!status.ok()) co_return status;
  const absl::StatusOr<Seq> end = co_await SourceEnd();
  if (!end.ok()) co_return end.status();
  const absl::StatusOr<ReplayedEngine::State> state = co_await replayed_.Begin(*end);
  if (!state.ok()) co_return state.status();
  status = co_await from_.Connect();
  if (status.ok()) status = co_await to_->Connect();
  RecordReader::Options reading;
  reading.engine = shadow_.version();
  changed_.emplace(engine_.commands.get(), options_.slots, std::move(reading), state->seq);
  co_return status;
}

asio::awaitable<absl::StatusOr<SlotCopy::Round>> SlotCopy::CatchUp(std::optional<Seq> through) {
  const bool last = through.has_value();
  Round round;
  if (!through) {
    const absl::StatusOr<Seq> end = co_await SourceEnd();
    if (!end.ok()) co_return end.status();
    through = *end;
  }
  round.through = *through;
  absl::Status status = co_await Follow(*through);
  if (status.ok()) status = co_await CopyRound(last, &round);
  co_await reader_.Finish();
  status.Update(co_await writer_.Finish());
  if (!status.ok()) co_return status;
  co_return round;
}

// The throw-away engine, and what is known of changes, as of `through`.
asio::awaitable<absl::Status> SlotCopy::Follow(Seq through) {
  if (through <= changed_->applied_seq()) co_return absl::OkStatus();
  const absl::StatusOr<ReplayedEngine::State> state = co_await replayed_.Extend(through);
  if (!state.ok()) co_return state.status();
  co_return co_await ReadChanges(through);
}

asio::awaitable<absl::Status> SlotCopy::CopyRound(bool last, Round* round) {
  absl::Status status;
  ChangedKeys::Changes changes = changed_->TakeChanges();
  // Twice at most: nobody deletes everything all the time.
  if (changes.any || !compared_) status = co_await CompareAll(round);
  if (status.ok()) status = co_await Copy(std::move(changes.keys), Compare::kNo, round);
  if (status.ok()) status = co_await CommitRound(*round, last);
  if (status.ok() && engine_.flushes() != flushes_) {
    status = co_await CompareAll(round);
    if (status.ok()) status = co_await CommitRound(*round, last);
  }
  if (status.ok() && engine_.flushes() != flushes_) {
    status = absl::UnavailableError("the engine is flushed again and again");
  }
  co_return status;
}

// The last one before the cut also when it has written nothing: what was flushed since the one
// before is seen by that.
asio::awaitable<absl::Status> SlotCopy::CommitRound(const Round& round, bool last) {
  const absl::Status written = co_await writer_.Finish();
  if (!written.ok() || (round.looked == 0 && !last)) co_return written;
  const absl::StatusOr<Seq> committed = co_await engine_.commit_all();
  co_return committed.status();
}

asio::awaitable<absl::Status> SlotCopy::ReadChanges(Seq through) {
  auto records =
      std::make_shared<ReadStream>(ReadBehind(source_, changed_->applied_seq(), through));
  while (true) {
    auto next = [records] { return records->Next(); };
    absl::StatusOr<std::optional<RecordBatch>> batch =
        co_await host_.background->Run(std::move(next));
    if (!batch.ok()) co_return batch.status();
    if (!batch->has_value()) co_return absl::OkStatus();
    for (Record& record : (*batch)->records) {
      const absl::Status taken = changed_->Take(std::move(record));
      if (!taken.ok()) co_return taken;
    }
  }
}

// What the own engine has and the other one has not is among the keys of the first.
asio::awaitable<absl::Status> SlotCopy::CompareAll(Round* round) {
  absl::StatusOr<Seq> committed = co_await engine_.commit_all();
  if (!committed.ok()) co_return committed.status();
  flushes_ = engine_.flushes();
  absl::Status status = co_await ListAndCopy(to_, KeyLink::kPageKeys, round);
  if (status.ok()) status = co_await ListAndCopy(&from_, kLargePageKeys, round);
  compared_ = status.ok();
  co_return status;
}

asio::awaitable<absl::Status> SlotCopy::ListAndCopy(KeyLink* of, size_t page_keys, Round* round) {
  std::string cursor = "0";
  do {
    absl::StatusOr<std::vector<std::string>> keys =
        co_await of->List(options_.slots, &cursor, page_keys);
    if (!keys.ok()) co_return keys.status();
    std::vector<std::string> page = *std::move(keys);
    const absl::Status copied = co_await Copy(std::move(page), Compare::kYes, round);
    if (!copied.ok()) co_return copied;
  } while (cursor != "0");
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> SlotCopy::Copy(std::vector<std::string> keys, Compare compare,
                                             Round* round) {
  if (keys.empty()) co_return absl::OkStatus();
  reader_.Begin(PageOf(keys, 0));
  for (size_t begin = 0; begin < keys.size();) {
    absl::StatusOr<std::vector<WholeKey>> read = co_await reader_.Take();
    if (!read.ok()) co_return read.status();
    const size_t end = begin + read->size();
    if (end < keys.size()) reader_.Begin(PageOf(keys, end));
    std::vector<std::string> batch(std::make_move_iterator(keys.begin() + Offset(begin)),
                                   std::make_move_iterator(keys.begin() + Offset(end)));
    std::vector<WholeKey> wanted = *std::move(read);
    const absl::Status copied =
        co_await CopyBatch(std::move(batch), std::move(wanted), compare, round);
    if (!copied.ok()) co_return copied;
    begin = end;
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> SlotCopy::CopyBatch(std::vector<std::string> keys,
                                                  std::vector<WholeKey> wanted, Compare compare,
                                                  Round* round) {
  std::vector<WholeKey> found;
  if (compare == Compare::kYes) {
    absl::StatusOr<std::vector<WholeKey>> read = co_await to_->Read(keys, 2 * kBatchBytes);
    if (!read.ok()) co_return read.status();
    found = *std::move(read);
  }
  round->looked += keys.size();
  KeyBatch batch;
  for (size_t i = 0; i < keys.size(); ++i) {
    WholeKey& as = wanted[i];
    if (as.too_large > 0) co_return TooLarge(keys[i], as.too_large);
    if (i < found.size() && as == found[i]) continue;
    Count(keys[i], as.dump.size(), &round->work);
    batch.bytes += as.dump.size();
    batch.keys.push_back(std::move(keys[i]));
    batch.as.push_back(std::move(as));
  }
  co_return co_await writer_.Push(std::move(batch));
}

asio::awaitable<absl::Status> RemoveSlots(SlotEngine engine, SlotRange slots) {
  KeyLink& link = *engine.link;
  absl::Status status = co_await link.Connect();
  std::string cursor = "0";
  do {
    if (!status.ok()) co_return status;
    absl::StatusOr<std::vector<std::string>> keys = co_await link.List(slots, &cursor);
    if (!keys.ok()) co_return keys.status();
    const bool any = !keys->empty();
    std::vector<std::string> page = *std::move(keys);
    status = co_await link.Remove(std::move(page));
    if (!status.ok() || !any) continue;
    const absl::StatusOr<Seq> committed = co_await engine.commit_all();
    status = committed.status();
  } while (cursor != "0" || !status.ok());
  co_return status;
}

}  // namespace cairn::adapter::redis
