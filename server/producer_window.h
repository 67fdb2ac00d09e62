// ProducerTable: exactly-once appends (design section 5.4).
//
// A producer is registered by an entry; its sequences are accepted one after the other
// without a hole, judged against the speculative copy; the results of the last
// kProducerWindow sequences are kept, so that every retry can be answered. The table is part
// of LogFacts: replicated, bounded, and it forgets a producer after a configured silence in
// log time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "cairn/v1/store.pb.h"

namespace cairn::server {

inline constexpr uint64_t kProducerWindow = 16;

// A producer's id is made of the Raft index of the entry that registers it and its place
// among that entry's registrations, so that no id is ever given out twice, nor is it 0.
inline constexpr uint64_t kRegistrationsPerEntry = 1 << 16;
constexpr uint64_t MakeProducerId(Index index, uint64_t nth) {
  return index.value() * kRegistrationsPerEntry + nth;
}
constexpr Index ProducerIdIndex(uint64_t id) { return Index(id / kRegistrationsPerEntry); }

struct ProducerResult {
  uint64_t sequence = 0;
  Seq first_seq;
  Seq last_seq;
  int64_t timestamp_us = 0;
  uint64_t chain = 0;
  bool operator==(const ProducerResult&) const = default;
};

struct ProducerState {
  uint64_t last_sequence = 0;
  int64_t last_used_us = 0;
  std::deque<ProducerResult> results;  // Ascending, at most kProducerWindow.
  bool operator==(const ProducerState&) const = default;
};

class ProducerTable {
 public:
  enum class Judgement : uint8_t {
    kNext,       // Accept.
    kDuplicate,  // `*result` is the stored one.
    kGap,        // Not the next one, and not within the window.
    kUnknown,    // No such producer.
  };
  // `*expected` is the next sequence that would be accepted (unless kUnknown).
  [[nodiscard]] Judgement Judge(uint64_t id, uint64_t sequence, ProducerResult* result,
                                uint64_t* expected) const;

  // Errors (all kDataLoss, nothing has changed): an id that is there already; a sequence that
  // does not follow; an unknown id.
  absl::Status Register(uint64_t id, int64_t now_us);
  absl::Status Record(uint64_t id, const ProducerResult& result);
  absl::Status Drop(uint64_t id);

  // Producers silent since before `cutoff_us`, at most `limit` of them, by id.
  [[nodiscard]] std::vector<uint64_t> SilentSince(int64_t cutoff_us, size_t limit) const;
  [[nodiscard]] size_t size() const { return producers_.size(); }
  [[nodiscard]] const std::map<uint64_t, ProducerState>& producers() const { return producers_; }
  // Null when unknown.
  [[nodiscard]] const ProducerState* Find(uint64_t id) const;
  void Load(const cairn::v1::StoredProducer& stored);
  // Puts the row back as a copy of it once was (nullopt: there was none).
  void Restore(uint64_t id, std::optional<ProducerState> row);

  bool operator==(const ProducerTable&) const = default;

 private:
  std::map<uint64_t, ProducerState> producers_;
};

}  // namespace cairn::server
