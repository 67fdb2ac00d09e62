#include "tests/adapter/repl_path.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <utility>

#include "adapter/redis/resp_encoder.h"
#include "adapter/redis/stream_cutter.h"

namespace cairn::adapter::redis {

ListPublisher::ListPublisher(EngineWorld* world, EngineAddress address, ListLog* log)
    : world_(world), log_(log), source_(world->executor(), std::move(address), {}) {}

void ListPublisher::Start(std::optional<StreamPlace> from) {
  stopped_ = false;
  running_ = true;
  Spawn(world_->executor(), Run(std::move(from)));
}

void ListPublisher::Stop() {
  stopped_ = true;
  CHECK(world_->Until([&] {
    source_.Close();
    return !running_;
  }));
}

asio::awaitable<void> ListPublisher::Run(std::optional<StreamPlace> from) {
  uint32_t db = 0;
  StreamPlace place;
  if (from) {
    place = *from;
  } else {
    const absl::StatusOr<StreamPlace> begun = co_await source_.AttachWithDump();
    failed_ = !begun.ok() || !co_await ReadDump();
    if (!failed_) {
      place = *begun;
      ++attachments_;
      co_await ReadStream(&place, &db);
    }
  }
  while (!stopped_ && !failed_) {
    const absl::StatusOr<ReplSource::Attachment> attached = co_await source_.Attach(place);
    failed_ = !attached.ok() || *attached == ReplSource::Attachment::kGap;
    if (failed_) break;
    ++attachments_;
    co_await ReadStream(&place, &db);
  }
  running_ = false;
}

asio::awaitable<bool> ListPublisher::ReadDump() {
  std::array<char, 4096> buffer;
  while (true) {
    const absl::StatusOr<size_t> bytes = co_await source_.ReadDump(buffer);
    if (!bytes.ok()) co_return false;
    if (*bytes == 0) co_return true;
    dump_.append(buffer.data(), *bytes);
  }
}

// Until the connection ends; `place` and `db` are then behind the last whole unit.
asio::awaitable<void> ListPublisher::ReadStream(StreamPlace* place, uint32_t* db) {
  place->history = source_.history();
  StreamCutter cutter(place->offset.value(), *db);
  std::string unit;
  while (true) {
    const absl::StatusOr<std::string_view> bytes = co_await source_.Read();
    if (!bytes.ok()) co_return;
    for (std::string_view input = *bytes; !input.empty();) {
      const absl::StatusOr<StreamPiece> piece = cutter.Next(&input);
      CHECK(piece.ok());
      unit.append(piece->bytes);
      if (!piece->ends_unit) continue;
      place->offset = StreamOffset(piece->end_offset);
      *db = cutter.db();
      if (!piece->dropped) log_->Append({unit, piece->db_before, *place});
      unit.clear();
    }
    source_.Acknowledge(place->offset);
  }
}

ListFeeder::ListFeeder(EngineWorld* world, ListLog* log, ReplSinkOptions options)
    : world_(world), log_(log), sink_(world->executor(), this, std::move(options)) {
  CHECK(sink_.Listen().ok());
}

ListFeeder::~ListFeeder() {
  sink_.Close();
  CHECK(world_->Until([&] {
    log_->grown.Wake();
    return feeding_ == 0;
  }));
}

asio::awaitable<SinkDecision> ListFeeder::Decide(StreamPlace place) {
  asked.push_back(place);
  if (refusals > 0) {
    --refusals;
    co_return SinkRefuse{};
  }
  if (meeting && meeting->place == place) co_return SinkContinue{meeting->seq};
  if (dump_path.empty()) co_return SinkFull{EmptyRdb(), Seq()};
  absl::StatusOr<std::unique_ptr<RdbSource>> dump = OpenRdbFile(dump_path);
  CHECK(dump.ok());
  co_return SinkFull{*std::move(dump), dump_seq};
}

void ListFeeder::OnStream(uint64_t stream, Seq seq) {
  fed.reset();
  if (by_hand) return;
  Spawn(world_->executor(), Feed(stream, seq));
}

void ListFeeder::OnFed(uint64_t stream, const EngineFedEvent& event) {
  CHECK_EQ(stream, sink_.stream());
  CHECK(!fed || event.acked_seq >= fed->acked_seq);
  fed = event;
}

asio::awaitable<void> ListFeeder::Feed(uint64_t stream, Seq seq) {
  ++feeding_;
  bool db_known = false;
  while (true) {
    if (seq == log_->last()) {
      co_await log_->grown.Wait(Millis(50));
      if (sink_.stream() != stream) break;
      absl::Status alive = co_await sink_.Push(stream, "", seq);
      if (!alive.ok()) break;
      continue;
    }
    const ListRecord record = log_->records[seq.value()];
    ++seq;
    std::string bytes;
    if (!std::exchange(db_known, true)) {
      bytes = EncodeCommand({"SELECT", std::to_string(record.db_before)});
    }
    bytes += record.bytes;
    absl::Status pushed = co_await sink_.Push(stream, std::move(bytes), seq);
    if (!pushed.ok()) break;
  }
  --feeding_;
}

void WriteAllSorts(TestEngine* engine, int rounds, uint32_t seed) {
  std::mt19937 random(seed);
  const auto key = [&](std::string_view kind) { return fmt::format("{}:{}", kind, random() % 20); };
  for (int i = 0; i < rounds; ++i) {
    switch (random() % 10) {
      case 0:
        engine->Do({"SELECT", std::to_string(random() % 4)});
        break;
      case 1:
        engine->Do({"INCR", key("n")});
        break;
      case 2:
        engine->Do({"SADD", key("s"), "a", "b", "c", "d", std::to_string(i)});
        break;
      case 3:
        engine->Do({"SPOP", key("s"), "2"});
        break;
      case 4:
        engine->Do({"EVAL", "for i = 1, 3 do redis.call('rpush', KEYS[1], i) end", "1", key("l")});
        break;
      case 5:
        engine->Do({"MULTI"});
        engine->Do({"INCRBYFLOAT", key("f"), "1.5"});
        engine->Do({"HSET", key("h"), "field", std::string(random() % 3000, 'h')});
        engine->Do({"EXEC"});
        break;
      case 6:
        engine->Do({"SET", key("e"), "short-lived", "PX", std::to_string(random() % 30 + 1)});
        break;
      case 7:
        engine->Do({"SET", key("e"), "long-lived", "EX", "1000"});
        break;
      case 8:
        engine->Do({"GETDEL", key("n")});
        break;
      default:
        engine->Do({"XADD", key("x"), "MAXLEN", "~", "10", "*", "f", std::to_string(i)});
    }
  }
}

}  // namespace cairn::adapter::redis
