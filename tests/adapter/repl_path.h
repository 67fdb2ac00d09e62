// The whole path of effects between two real engines, with a list for the log:
//
//   engine A ──► ReplSource ──► ListPublisher ──► ListLog ──► ListFeeder ──► ReplSink ──► engine B
//
// What the agent does between them (records, leases, snapshots) is not here: each unit of the
// stream is a record of its own.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/redis/engine_promotion.h"
#include "adapter/redis/repl_sink.h"
#include "adapter/redis/repl_source.h"
#include "tests/adapter/engine_fixture.h"

namespace cairn::adapter::redis {

struct ListRecord {
  std::string bytes;
  uint32_t db_before = 0;
  StreamPlace end;  // In the stream of the engine that wrote it.
};

struct ListLog {
  explicit ListLog(EngineWorld* world) : grown(world->executor()) {}
  void Append(ListRecord record) {
    records.push_back(std::move(record));
    grown.Wake();
  }
  [[nodiscard]] Seq last() const { return Seq(records.size()); }

  std::vector<ListRecord> records;
  WakeUp grown;  // For one feeder.
};

// Reads an engine's stream into the log, and attaches again when the connection broke.
class ListPublisher {
 public:
  ListPublisher(EngineWorld* world, EngineAddress address, ListLog* log);
  ~ListPublisher() { Stop(); }

  // From a place, or with nothing from the engine's beginning: its dump is in `dump` then.
  void Start(std::optional<StreamPlace> from);
  void Stop();
  [[nodiscard]] StreamPlace place() const { return {source_.history(), source_.read_offset()}; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] int attachments() const { return attachments_; }
  [[nodiscard]] const std::string& dump() const { return dump_; }

 private:
  asio::awaitable<void> Run(std::optional<StreamPlace> from);
  asio::awaitable<bool> ReadDump();
  asio::awaitable<void> ReadStream(StreamPlace* place, uint32_t* db);

  EngineWorld* const world_;
  ListLog* const log_;
  ReplSource source_;
  std::string dump_;
  bool stopped_ = false;
  bool running_ = false;
  bool failed_ = false;
  int attachments_ = 0;
};

// Feeds an engine from the log; what it gets that cannot go on is decided by the fields.
class ListFeeder : public ReplSinkOwner {
 public:
  ListFeeder(EngineWorld* world, ListLog* log, ReplSinkOptions options);
  ~ListFeeder() override;

  asio::awaitable<SinkDecision> Decide(StreamPlace asked) override;
  void OnStream(uint64_t stream, Seq seq) override;
  void OnFed(uint64_t stream, const EngineFedEvent& event) override;
  void OnLink(bool up) override { link_changes += up ? 1 : 0; }

  [[nodiscard]] bool caught_up() const {
    return fed && fed->acked_seq == log_->last() && fed->fed_seq == log_->last();
  }
  ReplSink* sink() { return &sink_; }

  // How an engine that stands elsewhere is to be judged.
  std::optional<Meeting> meeting;
  std::string dump_path;  // Empty: an empty dump.
  Seq dump_seq;
  int refusals = 0;
  bool by_hand = false;  // The test pushes.
  // What happened.
  std::vector<StreamPlace> asked;
  std::optional<EngineFedEvent> fed;
  int link_changes = 0;

 private:
  asio::awaitable<void> Feed(uint64_t stream, Seq seq);

  EngineWorld* const world_;
  ListLog* const log_;
  ReplSink sink_;
  int feeding_ = 0;
};

// Some of everything that is written differently than it was ordered, in several databases.
void WriteAllSorts(TestEngine* engine, int rounds, uint32_t seed);

inline constexpr std::string_view kSinkPassword = "the-sink-and-nobody-else";

}  // namespace cairn::adapter::redis
