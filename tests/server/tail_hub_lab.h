// TailHubTest: a hub over a store in memory, whose effects a test carries out step by step, and
// what its tails were given.
//
// Threads: one.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/tail_hub.h"
#include "storage/mem_log_store.h"
#include "storage/read_queue.h"

namespace cairn::server {

inline constexpr GroupId kGroup{7};
inline constexpr uint64_t kPlenty = 64 << 20;

// A sink is only an address here: what it would be called with is taken from the effects.
class UnusedSink : public TailSink {
 public:
  void OnChunk(uint64_t, TailChunk) override { ADD_FAILURE(); }
  void OnEnd(uint64_t, TailEnd) override { ADD_FAILURE(); }
};

// What one tail was given.
struct Received {
  std::vector<uint64_t> seqs;
  std::vector<std::string> payloads;
  std::vector<uint64_t> chains;  // Of each batch.
  std::vector<size_t> chunk_bytes;
  std::vector<uint64_t> mark_epochs;
  std::vector<uint64_t> seqs_before_mark;  // How many records had come when a mark did.
  std::vector<cairn::v1::CaughtUpMark> caught_up;
  std::vector<uint64_t> heartbeats;
  bool stale = false;
  std::optional<TailEnd> end;

  [[nodiscard]] cairn::v1::Reason why() const {
    return end && end->rejection ? end->rejection->info.reason() : cairn::v1::REASON_UNSPECIFIED;
  }
};

inline std::string RecordOf(const std::string& payload) {
  cairn::v1::Record record;
  record.set_payload(payload);
  return record.SerializeAsString();
}

class TailHubTest : public ::testing::Test {
 protected:
  TailHubTest() {
    storage::GroupWrite write;
    write.group = kGroup;
    write.install.emplace();
    write.install->first_seq = Seq(1);
    write.install->chain_before = storage::ChainSeed(kGroup);
    Store(std::move(write));
  }

  void Store(storage::GroupWrite write) {
    storage::StoreBatch batch;
    batch.groups.push_back(std::move(write));
    ASSERT_TRUE(store_.Write(batch).ok());
  }

  // ---- The log ----
  // Pushes an entry with these records and puts it on the disk. Not applied yet.
  void Push(const std::vector<std::string>& payloads, int64_t timestamp_us = 0) {
    if (timestamp_us == 0) timestamp_us = position_.timestamp_us + 1;
    storage::EntryBuilder builder(position_.last_seq, position_.chain, timestamp_us);
    for (const std::string& payload : payloads) builder.AddRecord(RecordOf(payload));
    position_ = {builder.last_seq(), builder.chain(), timestamp_us};
    const uint32_t count = builder.record_count();
    PushEntry(consensus::EntryKind::kData, builder.Finish(), count);
  }
  void PushNoop() { PushEntry(consensus::EntryKind::kNoop, Bytes(), 0); }
  void PushEntry(consensus::EntryKind kind, Bytes payload, uint32_t count) {
    ++last_;
    positions_[last_] = position_;
    chains_[position_.last_seq] = position_.chain;
    storage::StoredEntry stored;
    stored.index = last_;
    stored.term = Term(1);
    stored.kind = static_cast<uint8_t>(kind);
    stored.payload = payload;
    stored.first_seq = position_.last_seq - count + 1;
    stored.record_count = count;
    stored.timestamp_us = position_.timestamp_us;
    storage::GroupWrite write;
    write.group = kGroup;
    write.entries.push_back(std::move(stored));
    Store(std::move(write));
    hub_->Push({.index = last_, .term = Term(1), .kind = kind, .payload = payload}, position_);
  }
  void Apply(Index through) {
    hub_->OnApplied(through, positions_.at(through), effects_);
    hub_->SetEvictable(through);
    applied_ = through;
    Deliver();
  }
  // Appends and applies single-record entries.
  void Append(const std::vector<std::string>& payloads) {
    for (const std::string& payload : payloads) Push({payload});
    Apply(last_);
  }
  void EvictAll() {
    const uint64_t limit = std::exchange(budget_.limit_bytes, 0);
    hub_->Shrink();
    budget_.limit_bytes = limit;
  }

  // ---- Tails ----
  TailOpen Opening(uint64_t token, TailStart start, uint64_t credit = kPlenty) {
    TailOpen open;
    open.sink = &sink_;
    open.token = token;
    open.start = start;
    open.credit_bytes = credit;
    return open;
  }
  void Open(const TailOpen& open, MonoMicros now = 0) {
    hub_->Open(open, first_seq_, {now, now}, effects_);
    Deliver();
  }
  void OpenFirst(uint64_t token, uint64_t credit = kPlenty) {
    Open(
        Opening(token, {.kind = TailStart::Kind::kFirst, .seq = Seq(), .timestamp_us = 0}, credit));
  }
  void OpenAt(uint64_t token, uint64_t seq, uint64_t credit = kPlenty) {
    Open(Opening(token, From(seq), credit));
  }
  static TailStart From(uint64_t seq) {
    return {.kind = TailStart::Kind::kSeq, .seq = Seq(seq), .timestamp_us = 0};
  }
  static TailStart At(int64_t timestamp_us) {
    return {.kind = TailStart::Kind::kTimestamp, .seq = Seq(), .timestamp_us = timestamp_us};
  }
  void Credit(uint64_t token, uint64_t bytes) {
    hub_->Credit({&sink_, token, bytes}, effects_);
    Deliver();
  }
  void Close(uint64_t token) {
    hub_->Close({&sink_, token}, effects_);
    Deliver();
  }
  void Tick(MonoMicros now, bool stale = false) {
    hub_->OnTick({now, now}, stale, effects_);
    Deliver();
  }
  void Confirm(MonoMicros asked, MonoMicros now) {
    hub_->OnConfirmed(asked, applied_, {now, now}, effects_);
    Deliver();
  }
  // Answers all cold reads that were asked for, and those that they lead to.
  void Load() {
    while (!reads_.empty()) LoadOne();
  }
  void LoadOne() {
    const storage::ReadRequest request = reads_.front();
    reads_.erase(reads_.begin());
    Loaded(storage::PerformRead(store_, request));
  }
  void Loaded(const storage::ReadResult& result) {
    hub_->OnLoaded(result, effects_);
    Deliver();
  }

  // Moves the effects to what the tails have received.
  void Deliver() {
    for (Effects::OutChunk& out : effects_.chunks) {
      EXPECT_EQ(out.sink, &sink_);
      Receive(tails_[out.token], out.chunk);
    }
    for (Effects::OutEnd& out : effects_.ends) {
      EXPECT_FALSE(tails_[out.token].end.has_value()) << "two ends";
      tails_[out.token].end = std::move(out.end);
    }
    for (storage::ReadRequest& read : effects_.reads) {
      EXPECT_EQ(read.group, kGroup);
      EXPECT_NE(read.ticket & TailHub::kTicketBit, 0u);
      EXPECT_LE(read.last, applied_);
      reads_.push_back(read);
    }
    effects_ = {};
  }
  void Receive(Received& tail, const TailChunk& chunk) {
    EXPECT_FALSE(tail.end.has_value()) << "a chunk after the end";
    for (const TailBatch& batch : chunk.batches) {
      cairn::v1::RecordBatch decoded;
      ASSERT_TRUE(decoded.ParseFromString(std::string(batch.records)));
      ASSERT_EQ(decoded.records_size(), static_cast<int>(batch.count));
      for (int i = 0; i < decoded.records_size(); ++i) {
        tail.seqs.push_back(batch.first_seq.value() + static_cast<uint64_t>(i));
        tail.payloads.push_back(decoded.records(i).payload());
      }
      tail.chains.push_back(batch.chain);
      if (batch.chain != 0) {
        EXPECT_EQ(batch.chain, chains_.at(batch.first_seq + batch.count - 1));
      }
    }
    tail.chunk_bytes.push_back(chunk.bytes());
    for (const auto& mark : chunk.renewed) {
      tail.mark_epochs.push_back(mark.epoch());
      tail.seqs_before_mark.push_back(tail.seqs.size());
    }
    if (chunk.caught_up) tail.caught_up.push_back(*chunk.caught_up);
    if (chunk.heartbeat) tail.heartbeats.push_back(chunk.heartbeat->value());
    tail.stale = chunk.stale;
  }

  UnusedSink sink_;
  storage::MemLogStore store_{1};
  CacheBudget budget_;
  LogPosition position_{Seq(), storage::ChainSeed(kGroup), 0};
  std::unique_ptr<TailHub> hub_ = std::make_unique<TailHub>(kGroup, &budget_, Index(), position_);
  Index last_;
  Index applied_;
  Seq first_seq_{1};
  std::map<Index, LogPosition> positions_;
  std::map<Seq, uint64_t> chains_;
  Effects effects_;
  std::vector<storage::ReadRequest> reads_;
  std::map<uint64_t, Received> tails_;
};

}  // namespace cairn::server
