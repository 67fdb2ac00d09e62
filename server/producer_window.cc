#include "server/producer_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "base/strings.h"

namespace cairn::server {

ProducerTable::Judgement ProducerTable::Judge(uint64_t id, uint64_t sequence,
                                              ProducerResult* result, uint64_t* expected) const {
  const ProducerState* const state = Find(id);
  if (state == nullptr) return Judgement::kUnknown;
  *expected = state->last_sequence + 1;
  if (sequence == *expected) return Judgement::kNext;
  if (sequence > *expected || state->results.empty()) return Judgement::kGap;
  // The results are those of consecutive sequences.
  const uint64_t oldest = state->results.front().sequence;
  if (sequence < oldest) return Judgement::kGap;
  const bool at_edge = sequence == oldest && state->results.size() == kProducerWindow;
  if (at_edge && PLANTED(kWindowOfFifteen)) return Judgement::kGap;
  *result = state->results[sequence - oldest];
  CHECK_EQ(result->sequence, sequence);
  return Judgement::kDuplicate;
}

absl::Status ProducerTable::Register(uint64_t id, int64_t now_us) {
  ProducerState fresh;
  fresh.last_used_us = now_us;
  if (producers_.emplace(id, std::move(fresh)).second) return absl::OkStatus();
  return absl::DataLossError(ToAbsl(fmt::format("producer {} is registered already", id)));
}

absl::Status ProducerTable::Record(uint64_t id, const ProducerResult& result) {
  const auto it = producers_.find(id);
  if (it == producers_.end()) {
    return absl::DataLossError(ToAbsl(fmt::format("producer {} is unknown", id)));
  }
  ProducerState& state = it->second;
  if (result.sequence != state.last_sequence + 1) {
    return absl::DataLossError(ToAbsl(fmt::format("producer {}: sequence is {}, expected {}", id,
                                                  result.sequence, state.last_sequence + 1)));
  }
  state.last_sequence = result.sequence;
  state.last_used_us = result.timestamp_us;
  if (state.results.size() == kProducerWindow) state.results.pop_front();
  state.results.push_back(result);
  return absl::OkStatus();
}

absl::Status ProducerTable::Drop(uint64_t id) {
  if (producers_.erase(id) == 1) return absl::OkStatus();
  return absl::DataLossError(ToAbsl(fmt::format("producer {} is unknown", id)));
}

std::vector<uint64_t> ProducerTable::SilentSince(int64_t cutoff_us, size_t limit) const {
  std::vector<uint64_t> silent;
  for (const auto& [id, state] : producers_) {
    if (silent.size() == limit) break;
    if (state.last_used_us < cutoff_us) silent.push_back(id);
  }
  return silent;
}

const ProducerState* ProducerTable::Find(uint64_t id) const {
  const auto it = producers_.find(id);
  return it == producers_.end() ? nullptr : &it->second;
}

void ProducerTable::Load(const cairn::v1::StoredProducer& stored) {
  ProducerState state;
  state.last_sequence = stored.last_sequence();
  state.last_used_us = stored.last_used_us();
  for (const cairn::v1::StoredProducerResult& r : stored.results()) {
    state.results.push_back(
        {r.sequence(), Seq(r.first_seq()), Seq(r.last_seq()), r.timestamp_us(), r.chain()});
  }
  const bool inserted = producers_.emplace(stored.id(), std::move(state)).second;
  CHECK(inserted);
}

void ProducerTable::Restore(uint64_t id, std::optional<ProducerState> row) {
  if (row.has_value()) {
    producers_.insert_or_assign(id, *std::move(row));
  } else {
    producers_.erase(id);
  }
}

}  // namespace cairn::server
